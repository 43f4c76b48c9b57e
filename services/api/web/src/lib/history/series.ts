/** From the answer about a history to what a chart draws. Pure; the figures stay the API's strings. */
import type { HistoryPoint, PortfolioHistory } from '#lib/schema.ts';
import { drawnEarlier } from '#lib/charts/ranges.ts';
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

/** In words: `27 Nov 2026`, or with its hour. */
export function when({ at, day }: HistoryPoint, resolution: 'day' | 'hour', locale?: string): string {
	if (resolution === 'hour') return new Date(at).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
	return dayName(day, locale);
}

export function dayName(day: string, locale?: string): string {
	return new Date(`${day}T12:00:00Z`).toLocaleDateString(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
}
