/** The days of a year as weeks, for a calendar. Pure. */
import type { CalendarDay } from '#lib/schema.ts';

export interface Cell {
	day: string;
	/** Column and row. */
	week: number;
	weekday: number;
	told: CalendarDay;
	/** How far from zero, 0 to 4; null where the return is not known. */
	level: number | null;
}

const DAY_MS = 86_400_000;
const LEVELS = 4;

/** Monday is the first day. */
const weekdayOf = (time: number) => (new Date(time).getUTCDay() + 6) % 7;

export function cellsOf(year: number, days: readonly CalendarDay[]): Cell[] {
	const first = Date.UTC(year, 0, 1);
	const offset = weekdayOf(first);
	// The quietest nine tenths make the scale: one wild day must not make all others pale.
	const sizes = days.flatMap((one) => (one.return === null ? [] : [Math.abs(Number(one.return))])).sort((a, b) => a - b);
	const most = sizes[Math.floor((sizes.length - 1) * 0.9)] || sizes.at(-1) || 0;
	return days.map((told) => {
		const time = Date.parse(`${told.day}T00:00:00Z`);
		const size = told.return === null ? null : Math.abs(Number(told.return));
		return {
			day: told.day,
			week: Math.floor(((time - first) / DAY_MS + offset) / 7),
			weekday: weekdayOf(time),
			told,
			level: size === null ? null : size === 0 || most === 0 ? 0 : Math.min(LEVELS, Math.ceil((size / most) * LEVELS))
		};
	});
}

/** The week in which each month begins. */
export function monthWeeks(year: number): number[] {
	const first = Date.UTC(year, 0, 1);
	return Array.from({ length: 12 }, (_, month) => Math.floor(((Date.UTC(year, month, 1) - first) / DAY_MS + weekdayOf(first)) / 7));
}
