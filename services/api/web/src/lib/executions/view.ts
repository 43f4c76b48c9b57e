/** Which executions are asked for. Pure; the URL is the only state. */
import { query } from '#lib/stores/loaded.svelte.ts';

export interface View {
	account: string;
	symbol: string;
	/** Days of this browser's zone as `2026-11-20`, both of them included; empty: without bound. */
	from: string;
	to: string;
	/** Replaced versions and cancellations, too. */
	corrected: boolean;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

export function viewFromUrl(params: URLSearchParams): View {
	const day = (name: string) => (DAY.test(params.get(name) ?? '') ? (params.get(name) as string) : '');
	return {
		account: params.get('account') ?? '',
		symbol: params.get('symbol') ?? '',
		from: day('from'),
		to: day('to'),
		corrected: params.get('include') === 'corrected'
	};
}

export function viewToParams(view: View): Record<string, string | null> {
	return {
		account: view.account || null,
		symbol: view.symbol || null,
		from: view.from || null,
		to: view.to || null,
		include: view.corrected ? 'corrected' : null
	};
}

export const isFiltered = (view: View) => Boolean(view.account || view.symbol || view.from || view.to);

/** The list as the API knows it; `suffix` names the format of a whole list: `.csv`, `.parquet`. */
export function pathOf(view: View, suffix: '' | '.csv' | '.parquet' = ''): string {
	return query(`executions${suffix}`, {
		account: view.account,
		symbol: view.symbol.trim(),
		from: midnight(view.from, 0),
		to: midnight(view.to, 1),
		include: view.corrected ? 'corrected' : null
	});
}

/** When a day begins here, as a moment; a time zone's days are not all 24 hours long. */
function midnight(day: string, daysOn: number): string | null {
	if (!day) return null;
	const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
	const moment = new Date(year, month - 1, date + daysOn);
	return Number.isNaN(moment.getTime()) ? null : moment.toISOString();
}

export type Range = 'today' | '7d' | '30d' | 'year' | 'all';

/** The days of a range that ends today. */
export function rangeOf(range: Range, now: number): { from: string; to: string } {
	const today = new Date(now);
	const back = { today: 0, '7d': 6, '30d': 29 }[range as 'today' | '7d' | '30d'];
	if (range === 'all') return { from: '', to: '' };
	if (range === 'year') return { from: `${today.getFullYear()}-01-01`, to: '' };
	return { from: dayOf(new Date(today.getFullYear(), today.getMonth(), today.getDate() - back)), to: '' };
}

function dayOf(date: Date): string {
	const two = (value: number) => String(value).padStart(2, '0');
	return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const SOURCES: Record<string, string> = { flex: 'Flex statement', csv: 'CSV file', synthetic: 'concluded' };

export const sourceWord = (source: string) => SOURCES[source] ?? source.replaceAll('_', ' ');
