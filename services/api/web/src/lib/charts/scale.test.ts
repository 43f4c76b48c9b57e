import { describe, expect, it } from 'vitest';
import { areaPath, extent, linePath, nearest, roundTicks, timeLabel, timeTicks } from './scale';

describe('values', () => {
	it('get round ticks within their span', () => {
		expect(roundTicks(0, 100, 4)).toEqual([0, 25, 50, 75, 100]);
		expect(roundTicks(-0.054, 0, 2)).toEqual([-0.05, 0]);
		expect(roundTicks(5, 5, 4)).toEqual([5]);
	});

	it('never span nothing, and what is not known does not count', () => {
		expect(extent([null, null])).toEqual({ low: 0, high: 1 });
		expect(extent([7, null])).toEqual({ low: 6.93, high: 7.07 });
		expect(extent([0])).toEqual({ low: -1, high: 1 });
		expect(extent([-0.05, 0], 0)).toEqual({ low: -0.05, high: 0 });
		expect(extent([0, 100], 0.1)).toEqual({ low: -10, high: 110 });
	});
});

describe('times', () => {
	const span = (from: string, to: string) => ({ from: new Date(from).getTime(), to: new Date(to).getTime() });

	it.each([
		['2026-11-20T00:00', '2026-11-20T12:00', 6, ['20 Nov', '03:00', '06:00', '09:00', '12:00']],
		['2026-11-16T00:00', '2026-11-20T12:00', 6, ['16 Nov', '17 Nov', '18 Nov', '19 Nov', '20 Nov']],
		['2026-01-15T00:00', '2026-06-15T00:00', 6, ['Feb', 'Mar', 'Apr', 'May', 'Jun']],
		['2024-11-15T00:00', '2026-02-15T00:00', 6, ['2025', 'Apr', 'Jul', 'Oct', '2026']],
		['2023-11-15T00:00', '2026-11-15T00:00', 4, ['2024', '2025', '2026']]
	] as const)('from %s to %s stand at beginnings', (from, to, most, labels) => {
		expect(timeTicks(span(from, to), most).map((tick) => timeLabel(tick, 'en-GB'))).toEqual(labels);
	});

	it('are found by the nearest', () => {
		const times = [10, 20, 40];
		expect([nearest(times, 0), nearest(times, 14), nearest(times, 31), nearest(times, 99)]).toEqual([0, 0, 2, 2]);
		expect([nearest([], 1), nearest([5], 1)]).toEqual([-1, 0]);
	});
});

it('breaks a line where a value is not known, and closes each piece of an area', () => {
	const values = [1, 2, null, 4];
	const place = (index: number): [number, number] | null => (values[index] == null ? null : [index * 10, values[index]]);
	expect(linePath(4, place)).toBe('M0.0 1.0L10.0 2.0M30.0 4.0');
	expect(linePath(2, place, true)).toBe('M0.0 1.0H10.0V2.0');
	expect(areaPath(4, place, 9)).toBe('M0.0 1.0L10.0 2.0L10.0 9.0L0.0 9.0ZM30.0 4.0L30.0 9.0L30.0 9.0Z');
});
