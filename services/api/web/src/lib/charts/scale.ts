/** Where things stand in a chart. Pure: numbers in, numbers out. What is written beside them comes from the API's own strings. */

export interface Span {
	from: number;
	to: number;
}

const STEPS = [1, 2, 2.5, 5, 10];

/** Round values that cover a span, about so many. */
export function roundTicks(low: number, high: number, about: number): number[] {
	if (!(high > low)) return [low];
	const rough = (high - low) / Math.max(1, about);
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = (STEPS.find((one) => one * power >= rough) ?? 10) * power;
	const ticks: number[] = [];
	for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) ticks.push(at * step || 0);
	return ticks;
}

/** What the values span, with some room, and never nothing. */
export function extent(values: Iterable<number | null>, room = 0.06): { low: number; high: number } {
	let low = Infinity;
	let high = -Infinity;
	for (const value of values) {
		if (value === null) continue;
		if (value < low) low = value;
		if (value > high) high = value;
	}
	if (low > high) return { low: 0, high: 1 };
	const spare = high > low ? (high - low) * room : Math.abs(high) * 0.01 || 1;
	return { low: low - spare, high: high + spare };
}

type Unit = 'hour' | 'day' | 'month' | 'year';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const UNITS: readonly [Unit, number, number][] = [
	['hour', 1, HOUR],
	['hour', 3, 3 * HOUR],
	['hour', 6, 6 * HOUR],
	['hour', 12, 12 * HOUR],
	['day', 1, DAY],
	['day', 2, 2 * DAY],
	['day', 7, 7 * DAY],
	['month', 1, 30 * DAY],
	['month', 3, 91 * DAY],
	['month', 6, 182 * DAY],
	['year', 1, 365 * DAY],
	['year', 2, 730 * DAY],
	['year', 5, 1826 * DAY]
];

export interface TimeTick {
	at: number;
	unit: Unit;
}

/** Beginnings of hours, days, months or years of this browser's zone, at most so many. */
export function timeTicks({ from, to }: Span, most: number): TimeTick[] {
	const [unit, every] = UNITS.find(([, , length]) => (to - from) / length <= most) ?? ['year', 10];
	const ticks: TimeTick[] = [];
	const start = new Date(from);
	const [year, month, day] = [start.getFullYear(), start.getMonth(), start.getDate()];
	for (let number = 0; number < 400; number++) {
		const step = number * every;
		const at = {
			hour: () => new Date(year, month, day, step),
			day: () => new Date(year, month, day + step),
			month: () => new Date(year, month - (month % every) + step, 1),
			year: () => new Date(year - (year % every) + step, 0, 1)
		}[unit]().getTime();
		if (at > to) break;
		if (at >= from) ticks.push({ at, unit });
	}
	return ticks;
}

export function timeLabel({ at, unit }: TimeTick, locale?: string): string {
	const moment = new Date(at);
	if (unit === 'hour' && moment.getHours() !== 0) {
		return moment.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', hour12: false });
	}
	if (unit === 'year' || (unit === 'month' && moment.getMonth() === 0)) return String(moment.getFullYear());
	if (unit === 'month') return moment.toLocaleDateString(locale, { month: 'short' });
	return moment.toLocaleDateString(locale, { day: 'numeric', month: 'short' });
}

/** Which of ascending times is nearest; -1 where there is none. */
export function nearest(times: readonly number[], at: number): number {
	let low = 0;
	let high = times.length - 1;
	while (high - low > 1) {
		const middle = (low + high) >> 1;
		if (times[middle]! < at) low = middle;
		else high = middle;
	}
	if (high < 0) return -1;
	return Math.abs(times[low]! - at) <= Math.abs(times[high]! - at) ? low : high;
}

export type Place = (index: number) => [x: number, y: number] | null;

/** The path of a line; where a value is not known the line is broken, not bridged. */
export function linePath(count: number, place: Place, stepped = false): string {
	let path = '';
	let drawing = false;
	for (let index = 0; index < count; index++) {
		const at = place(index);
		if (!at) {
			drawing = false;
			continue;
		}
		const [x, y] = [at[0].toFixed(1), at[1].toFixed(1)];
		path += !drawing ? `M${x} ${y}` : stepped ? `H${x}V${y}` : `L${x} ${y}`;
		drawing = true;
	}
	return path;
}

/** The same, closed down (or up) to a base line. */
export function areaPath(count: number, place: Place, base: number, stepped = false): string {
	let path = '';
	let opened: string | null = null;
	let last = '';
	const close = () => {
		if (opened !== null) path += `L${last} ${base.toFixed(1)}L${opened} ${base.toFixed(1)}Z`;
		opened = null;
	};
	for (let index = 0; index < count; index++) {
		const at = place(index);
		if (!at) {
			close();
			continue;
		}
		last = at[0].toFixed(1);
		const y = at[1].toFixed(1);
		path += opened === null ? `M${last} ${y}` : stepped ? `H${last}V${y}` : `L${last} ${y}`;
		opened ??= last;
	}
	close();
	return path;
}
