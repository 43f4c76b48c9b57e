import { expect, it } from 'vitest';
import { DRAW_ALL_UP_TO, windowOf, type WindowInput } from './window';

const base: WindowInput = { count: 5_000, rowHeight: 40, scrolled: 0, visible: 800, opened: null };

function height(input: WindowInput): number {
	const { from, to, before, after } = windowOf(input);
	const story = input.opened && input.opened.index >= from && input.opened.index < to ? input.opened.height : 0;
	return before + (to - from) * input.rowHeight + story + after;
}

it('draws everything while it is little', () => {
	expect(windowOf({ ...base, count: DRAW_ALL_UP_TO })).toEqual({ from: 0, to: DRAW_ALL_UP_TO, before: 0, after: 0 });
});

it('draws what is in sight and some more', () => {
	const drawn = windowOf({ ...base, scrolled: 40_000 });
	expect(drawn.from).toBeLessThanOrEqual(1_000);
	expect(drawn.to).toBeGreaterThanOrEqual(1_020);
	expect(drawn.to - drawn.from).toBeLessThan(60);
});

it('keeps the height of the whole list at every place, with and without a story', () => {
	for (const opened of [null, { index: 0, height: 300 }, { index: 700, height: 300 }, { index: 4_999, height: 300 }]) {
		const whole = base.count * base.rowHeight + (opened?.height ?? 0);
		for (const scrolled of [0, 27_900, 28_040, 28_300, 100_000, whole - 800, whole + 5_000]) {
			expect(height({ ...base, opened, scrolled })).toBe(whole);
		}
	}
});

it('finds the rows below an opened story', () => {
	const drawn = windowOf({ ...base, scrolled: 40_000 + 2_000, opened: { index: 10, height: 2_000 } });
	expect(drawn.from).toBeLessThanOrEqual(1_000);
	expect(drawn.to).toBeGreaterThanOrEqual(1_020);
});
