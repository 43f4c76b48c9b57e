/** A figure that has just changed glows for a moment. Through the Web Animations API: no inline style. */
import type { Attachment } from 'svelte/attachments';
import { compareDecimals } from '#lib/format/decimal.ts';

const DURATION_MS = 900;

export function flash(value: () => string | null | undefined, hidden: () => boolean): Attachment<HTMLElement> {
	return (element) => {
		let before: string | null | undefined;
		let first = true;
		$effect(() => {
			const now = value();
			const was = before;
			before = now;
			if (first || hidden()) {
				first = false;
				return;
			}
			if (now == null || was == null || now === was || stillness()) return;
			const rising = compareDecimals(now, was) > 0;
			const color = `var(--color-${rising ? 'gain' : 'loss'}-wash)`;
			element.animate([{ backgroundColor: color }, { backgroundColor: 'transparent' }], {
				duration: DURATION_MS,
				easing: 'ease-out'
			});
		});
	};
}

function stillness(): boolean {
	return document.hidden || matchMedia('(prefers-reduced-motion: reduce)').matches;
}
