/** From the answer about a history to what a chart draws. Pure; the figures stay the API's strings. */
import type { Execution, HistoryPoint, PortfolioHistory } from '#lib/schema.ts';
import { drawnEarlier } from '#lib/charts/ranges.ts';
import { nearest } from '#lib/charts/scale.ts';
import { height, type Mark } from '#lib/charts/types.ts';

/** When a point is shown. */
export function timesOf({ resolution, points }: PortfolioHistory): number[] {
	const back = drawnEarlier(resolution);
	return points.map((point) => Date.parse(point.at) - back);
}

/** Of money that came or went, where it did. */
export function flowsOf(history: PortfolioHistory, times: readonly number[], say: (point: HistoryPoint) => string): Mark[] {
	return history.points.flatMap((point, index) => {
		const came = height(point.net_contribution);
		if (!came || index === 0) return [];
		return [{ at: times[index]!, value: null, tone: came > 0 ? 'accent' : 'warn', up: came > 0, title: say(point) } satisfies Mark];
	});
}

/** Fills are marked where so little time is looked at; of more they would cover the line. */
export const FILLS_WITHIN_MS = 35 * 86_400_000;

/** On the line, at the point that is nearest: what was bought is told apart from what was sold, and both from money that came. */
export function fillsOf(fills: readonly Execution[], history: PortfolioHistory, times: readonly number[], say: (point: HistoryPoint, fills: readonly Execution[]) => string): Mark[] {
	const byPoint = new Map<number, Execution[]>();
	// Oldest first, as they happened.
	for (const fill of fills.toReversed()) {
		const index = nearest(times, Date.parse(fill.executed_at));
		if (index >= 0) byPoint.set(index, [...(byPoint.get(index) ?? []), fill]);
	}
	return [...byPoint].flatMap(([index, found]) => {
		const point = history.points[index];
		const value = height(point?.net_liquidation);
		if (!point || value === null) return [];
		return [{ at: times[index]!, value, tone: 'soft', up: found.at(-1)!.side === 'BOT', title: say(point, found) } satisfies Mark];
	});
}

/** In words: `27 Nov 2026`, or with its hour. */
export function when({ at, day }: HistoryPoint, resolution: 'day' | 'hour', locale?: string): string {
	if (resolution === 'hour') return new Date(at).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
	return dayName(day, locale);
}

export function dayName(day: string, locale?: string): string {
	return new Date(`${day}T12:00:00Z`).toLocaleDateString(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
}
