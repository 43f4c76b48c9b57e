/** The URL's query is where a screen keeps its state: a reload or a shared link shows the same. */
import { goto } from '$app/navigation';
import { page } from '$app/state';

export function setQuery(changes: Record<string, string | null>): void {
	const url = new URL(page.url);
	for (const [name, value] of Object.entries(changes)) {
		if (value === null) url.searchParams.delete(name);
		else url.searchParams.set(name, value);
	}
	if (url.href === page.url.href) return;
	void goto(url, { replaceState: true, keepFocus: true, noScroll: true });
}
