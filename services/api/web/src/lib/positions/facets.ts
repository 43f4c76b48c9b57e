/** What of the portfolio the positions screen shows. Pure; the URL is the only state. */

export const FACETS = [
	{ id: 'open', name: 'Open' },
	{ id: 'closed', name: 'Closed' },
	{ id: 'cash', name: 'Cash' },
	{ id: 'map', name: 'Map' }
] as const;
export type Facet = (typeof FACETS)[number]['id'];

export function facetFromUrl(params: URLSearchParams): Facet {
	return FACETS.find((facet) => facet.id === params.get('show'))?.id ?? 'open';
}

/** Another facet keeps the account that was chosen, and nothing that only one of them knows. */
export function facetToParams(facet: Facet): Record<string, string | null> {
	return { show: facet === 'open' ? null : facet, open: null, sort: null, q: null, type: null, by: null, symbol: null };
}
