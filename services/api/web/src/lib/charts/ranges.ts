/** The times that a history can be looked at, and what is asked of the server for each. Pure. */
import type { Span } from './scale';

export const RANGES = ['1D', '1W', '1M', '3M', 'YTD', '1Y', 'all'] as const;
export type Range = (typeof RANGES)[number];

export interface Chosen {
	/** One of `RANGES`, a year (`2025`), or two days (`2025-03-01..2025-04-15`). */
	range: string;
	zoom: Span | null;
}

export interface Window {
	from: string | null;
	to: string | null;
	resolution: 'hour' | 'day';
}

const DAY = 86_400_000;
const DEFAULT: Range = '1Y';
/** Looked at this closely, hours are drawn. */
const HOURS_WITHIN = 10 * DAY;
const YEAR = /^\d{4}$/;
const DAYS = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/;

export function chosenFrom(params: URLSearchParams): Chosen {
	const range = params.get('range') ?? DEFAULT;
	const known = RANGES.includes(range as Range) || YEAR.test(range) || DAYS.test(range);
	const [from, to] = (params.get('zoom') ?? '').split('..').map(Number);
	const zoom = from && to && to > from ? { from: from * 1000, to: to * 1000 } : null;
	return { range: known ? range : DEFAULT, zoom };
}

export function chosenToParams({ range, zoom }: Chosen): Record<string, string | null> {
	return {
		range: range === DEFAULT ? null : range,
		zoom: zoom && `${Math.floor(zoom.from / 1000)}..${Math.ceil(zoom.to / 1000)}`
	};
}

/** The whole time of a range. Values of a day are told at its end, which is in the night after it. */
export function windowOf(range: string, now: number): Window {
	const today = new Date(now);
	const ago = (years: number, months: number, days: number) =>
		new Date(Date.UTC(today.getUTCFullYear() - years, today.getUTCMonth() - months, today.getUTCDate() - days)).toISOString();
	const days = DAYS.exec(range);
	if (days) return { from: `${days[1]}T00:00:00Z`, to: nextNoon(days[2]!), resolution: 'day' };
	if (YEAR.test(range)) return { from: `${range}-01-01T00:00:00Z`, to: `${Number(range) + 1}-01-01T12:00:00Z`, resolution: 'day' };
	switch (range as Range) {
		case '1D':
			return { from: hourOf(now - DAY), to: null, resolution: 'hour' };
		case '1W':
			return { from: hourOf(now - 7 * DAY), to: null, resolution: 'hour' };
		case '1M':
			return { from: ago(0, 1, 0), to: null, resolution: 'day' };
		case '3M':
			return { from: ago(0, 3, 0), to: null, resolution: 'day' };
		case 'YTD':
			return { from: `${today.getUTCFullYear()}-01-01T00:00:00Z`, to: null, resolution: 'day' };
		case 'all':
			return { from: null, to: null, resolution: 'day' };
		default:
			return { from: ago(1, 0, 0), to: null, resolution: 'day' };
	}
}

/** To the hour, so that the same question is not asked anew every second. */
function hourOf(at: number): string {
	return new Date(Math.floor(at / 3_600_000) * 3_600_000).toISOString();
}

function nextNoon(day: string): string {
	return new Date(Date.parse(`${day}T12:00:00Z`) + DAY).toISOString();
}

/** What is asked for a range, or for the part of it that is looked at more closely; in hours, unless days are `wanted`. */
export function askedFor({ range, zoom }: Chosen, now: number, wanted?: 'day'): Record<string, string | null> {
	const whole = windowOf(range, now);
	const close = zoom !== null && zoom.to - zoom.from <= HOURS_WITHIN;
	const resolution = wanted ?? (close ? 'hour' : whole.resolution);
	const told = (at: number) => new Date(at + drawnEarlier(resolution)).toISOString();
	return { from: whole.from, to: whole.to, resolution, part_from: zoom && told(zoom.from), part_to: zoom && told(zoom.to) };
}

/** So much before it is told a day is drawn: in its middle, so that the axis names the day itself and not the night after it. */
export const drawnEarlier = (resolution: 'hour' | 'day') => (resolution === 'day' ? DAY / 2 : 0);
