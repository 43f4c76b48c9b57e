/**
 * A long list, page by page. What is loaded stays while more comes; a newer first page is laid over it, so that nothing
 * jumps, and by turns all that is loaded is asked for anew.
 */
import type { Page } from '#lib/contract.ts';
import { app } from './app.svelte.ts';
import { asking, EVERY_MS, type Asking } from './loaded.svelte.ts';

export interface Pages<T> extends Asking<Known<T>> {
	/** Of what is asked now. */
	readonly items: readonly T[];
	/** All there is was loaded. */
	readonly ended: boolean;
}

export interface Known<T> {
	items: readonly T[];
	cursor: string | null;
}

/** The first page over what is loaded: newcomers before it; where the two do not meet, only the page stands. */
export function overlaid<T>(known: Known<T>, page: Page<T>, key: (item: T) => string): Known<T> {
	const fresh = new Set(page.items.map(key));
	const last = known.items.findLastIndex((item) => fresh.has(key(item)));
	if (last < 0 || page.next_cursor === null) return { items: page.items, cursor: page.next_cursor };
	const rest = known.items.slice(last + 1);
	// Nothing below the page: its cursor is where to go on. Else the list goes on where it went on before.
	return { items: [...page.items, ...rest], cursor: rest.length === 0 ? page.next_cursor : known.cursor };
}

/** Pages of the list at `path`, which may carry a query; call it while a component is made. */
export function pages<T>(path: () => string | null, key: (item: T) => string, options: { size?: number; everyMs?: number } = {}): Pages<T> {
	const { size = 100, everyMs = EVERY_MS } = options;
	let turn = 0;

	const page = (asked: string, cursor: string | null) =>
		app.api.get<Page<T>>(`${asked}${asked.includes('?') ? '&' : '?'}limit=${size}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);

	/** Rows after those known, until there are so many; one that moved in between is not there twice. */
	async function on(asked: string, { items, cursor }: Known<T>, enough: number): Promise<Known<T>> {
		const found = new Map(items.map((item) => [key(item), item]));
		do {
			const next: Page<T> = await page(asked, cursor);
			for (const item of next.items) if (!found.has(key(item))) found.set(key(item), item);
			cursor = next.next_cursor;
		} while (cursor !== null && found.size < enough);
		return { items: [...found.values()], cursor };
	}

	const found = asking<Known<T>>(
		path,
		async (asked, last, why) => {
			if (last && why === 'more') return last.cursor === null ? last : on(asked, last, 0);
			const many = last?.items.length ?? 0;
			// The more pages there are, the more seldom is each but the first asked for again.
			if (last && why === 'tick' && ++turn % Math.ceil(many / size || 1) !== 0) return overlaid(last, await page(asked, null), key);
			return on(asked, { items: [], cursor: null }, many);
		},
		everyMs
	);
	// Not spread: what it tells are getters.
	return Object.defineProperties(
		{},
		{
			...Object.getOwnPropertyDescriptors(found),
			items: { get: () => found.data?.items ?? [] },
			ended: { get: () => !found.data?.cursor }
		}
	) as Pages<T>;
}
