/** Keyboard shortcuts. Of a single letter never while somebody types, and they can be switched off. */
import { SCREENS } from '#lib/nav.ts';
import { prefs } from './prefs.svelte';

export interface ShortcutActions {
	go(href: string): void;
	help(): void;
	palette(): void;
	filter(): void;
}

/** The second key of a `g o` has to come soon, or the first is forgotten. */
const CHORD_MS = 1_200;

export function shortcuts(actions: ShortcutActions, now: () => number = Date.now): (event: KeyboardEvent) => void {
	let goPressedAt = Number.NEGATIVE_INFINITY;
	return (event) => {
		// The one with a modifier: it works while somebody types, and cannot be switched off.
		if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
			event.preventDefault();
			actions.palette();
			return;
		}
		if (!prefs.shortcuts || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
		if (isTyping(event.target)) return;
		const chord = now() - goPressedAt < CHORD_MS;
		goPressedAt = Number.NEGATIVE_INFINITY;
		const screen = chord ? SCREENS.find((item) => item.key === event.key) : undefined;
		if (screen) actions.go(screen.href);
		else if (event.key === 'g') goPressedAt = now();
		else if (event.key === 'b') prefs.setPrivacy(!prefs.privacy);
		else if (event.key === '?') actions.help();
		else if (event.key === '/') actions.filter();
		else return;
		event.preventDefault();
	};
}

function isTyping(target: EventTarget | null): boolean {
	return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}
