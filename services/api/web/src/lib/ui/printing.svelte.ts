/** Whether the page is being put on paper: then nothing is left out of what is loaded. Call it while a component is made. */
import { flushSync } from 'svelte';

export function printing(): { readonly now: boolean } {
	let now = $state(false);
	$effect(() => {
		// The browser takes the page as it is when its listeners have come back.
		const begins = () => flushSync(() => (now = true));
		const ends = () => (now = false);
		window.addEventListener('beforeprint', begins);
		window.addEventListener('afterprint', ends);
		return () => {
			window.removeEventListener('beforeprint', begins);
			window.removeEventListener('afterprint', ends);
		};
	});
	return {
		get now() {
			return now;
		}
	};
}
