/** What of the portfolio the positions screen shows. Pure; the URL is the only state. */

export const FACETS = [
	{ id: 'open', name: 'Open' },
	{ id: 'closed', name: 'Closed' },
	{ id: 'timeline', name: 'Timeline' },
	{ id: 'cash', name: 'Cash' },
	{ id: 'map', name: 'Map' }
] as const;
export type Facet = (typeof FACETS)[number]['id'];

export function facetFromUrl(params: URLSearchParams): Facet {
	return FACETS.find((facet) => facet.id === params.get('show'))?.id ?? 'open';
}

/** Another facet keeps the account that was chosen, and nothing that only one of them knows. */
export function facetToParams(facet: Facet): Record<string, string | null> {
	const past = facet === 'closed' || facet === 'timeline';
	return {
		...{ show: facet === 'open' ? null : facet, open: null, sort: null, q: null, type: null, by: null, range: null, zoom: null },
		...(past ? {} : { symbol: null, tag: null })
	};
}

/** Which positions of the past are looked at; what is empty is any. */
export interface Chosen {
	account: string;
	symbol: string;
	tag: string;
}

export function chosenOf(params: URLSearchParams): Chosen {
	const [account = '', symbol = '', tag = ''] = ['account', 'symbol', 'tag'].map((name) => params.get(name) ?? '');
	return { account, symbol: symbol.toUpperCase(), tag };
}
