/** What of the realized P&L is asked for. Pure; the URL is the only state. */

export const GROUPINGS = ['day', 'month', 'year', 'symbol'] as const;
export const METHODS = ['fifo', 'lifo', 'hifo', 'average'] as const;

export const METHOD_NAMES = { fifo: 'First in, first out', lifo: 'Last in, first out', hifo: 'Highest cost first', average: 'Average cost' };

export interface Filter {
	group: (typeof GROUPINGS)[number];
	account: string;
	symbol: string;
	/** A year, or empty: all of them. */
	year: string;
	/** Empty: each account's own. */
	method: (typeof METHODS)[number] | '';
}

export function filterFrom(params: URLSearchParams): Filter {
	const oneOf = <T extends string, E>(value: string | null, allowed: readonly T[], otherwise: E) =>
		allowed.includes(value as T) ? (value as T) : otherwise;
	const year = params.get('year') ?? '';
	return {
		group: oneOf(params.get('by'), GROUPINGS, 'month'),
		account: params.get('account') ?? '',
		symbol: params.get('symbol') ?? '',
		year: /^\d{4}$/.test(year) ? year : '',
		method: oneOf(params.get('method'), METHODS, '')
	};
}

export function filterToParams({ group, account, symbol, year, method }: Filter): Record<string, string | null> {
	return { by: group === 'month' ? null : group, account: account || null, symbol: symbol || null, year: year || null, method: method || null };
}

/** The same question for the table, the sums and the file. Periods are UTC's, as the server's are. */
export function asked({ group, account, symbol, year, method }: Filter): Record<string, string | null> {
	return {
		group_by: group,
		account: account || null,
		symbol: symbol.trim().toUpperCase() || null,
		from: year && `${year}-01-01T00:00:00Z`,
		to: year && `${Number(year) + 1}-01-01T00:00:00Z`,
		method: method || null
	};
}

export function periodName(key: string, group: Filter['group'], locale?: string): string {
	if (group === 'day') return new Date(`${key}T12:00:00Z`).toLocaleDateString(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
	if (group === 'month') return new Date(`${key.slice(0, 7)}-15T12:00:00Z`).toLocaleDateString(locale, { month: 'long', year: 'numeric', timeZone: 'UTC' });
	return key;
}
