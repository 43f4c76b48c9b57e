/** Which positions are shown and in what order. Pure; the URL is the only state. */
import type { Position } from '#lib/contract.ts';
import { compareDecimals } from '#lib/format/decimal.ts';

export const COLUMNS = [
	'account',
	'symbol',
	'side',
	'quantity',
	'average_cost',
	'market_price',
	'market_value',
	'daily_pnl',
	'unrealized_pnl',
	'realized_pnl',
	'currency',
	'age'
] as const;
export type Column = (typeof COLUMNS)[number];

export interface View {
	text: string;
	account: string;
	secType: string;
	column: Column;
	descending: boolean;
}

const DEFAULT_COLUMN: Column = 'symbol';

export function viewFromUrl(params: URLSearchParams): View {
	const sort = params.get('sort') ?? '';
	const column = sort.replace(/^-/, '') as Column;
	const known = COLUMNS.includes(column);
	return {
		text: params.get('q') ?? '',
		account: params.get('account') ?? '',
		secType: params.get('type') ?? '',
		column: known ? column : DEFAULT_COLUMN,
		descending: known && sort.startsWith('-')
	};
}

/** Only what differs from the default stands in the URL, so that a shared link says what matters. */
export function viewToParams(view: View): Record<string, string | null> {
	const sort = `${view.descending ? '-' : ''}${view.column}`;
	return {
		q: view.text || null,
		account: view.account || null,
		type: view.secType || null,
		sort: sort === DEFAULT_COLUMN ? null : sort
	};
}

export function matches(position: Position, view: View): boolean {
	if (view.account && position.account !== view.account) return false;
	if (view.secType && position.sec_type !== view.secType) return false;
	const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
	if (words.length === 0) return true;
	const text = [
		position.symbol,
		position.local_symbol,
		position.description,
		position.account,
		position.currency,
		position.sec_type,
		position.side
	]
		.join(' ')
		.toLowerCase();
	return words.every((word) => text.includes(word));
}

export function arrange(positions: readonly Position[], view: View): Position[] {
	const direction = view.descending ? -1 : 1;
	return positions
		.filter((position) => matches(position, view))
		.map((position) => ({ position, key: sortKey(position, view.column) }))
		.sort((a, b) => compareKeys(a.key, b.key, direction) || tieBreak(a.position, b.position))
		.map(({ position }) => position);
}

/**
 * The same rows in the order they already stand in, newcomers last: while somebody points at a row, it must
 * not be another one by the time they click.
 */
export function holdOrder(shown: readonly string[], wanted: readonly Position[]): Position[] {
	const byId = new Map(wanted.map((position) => [position.id, position]));
	const kept = shown.flatMap((id) => byId.get(id) ?? []);
	const seen = new Set(shown);
	return [...kept, ...wanted.filter((position) => !seen.has(position.id))];
}

type Key = string | number | null;

function sortKey(position: Position, column: Column): Key {
	switch (column) {
		case 'account':
		case 'symbol':
		case 'currency':
			return position[column];
		case 'side':
			return position.side;
		case 'age':
			return position.mark_as_of ?? position.freshness.as_of;
		default:
			return approximate(position[column]);
	}
}

/** Good enough to order by; equal approximations are told apart exactly by nobody, so the id decides. */
function approximate(value: string | null): number | null {
	const number = value === null ? Number.NaN : Number(value);
	return Number.isNaN(number) ? null : number;
}

function compareKeys(a: Key, b: Key, direction: number): number {
	if (a === null || b === null) return Number(a === null) - Number(b === null);
	if (typeof a === 'number' && typeof b === 'number') return direction * (a - b);
	return direction * collate(String(a), String(b));
}

const collator = new Intl.Collator(undefined, { numeric: true });
const collate = (a: string, b: string) => collator.compare(a, b);

function tieBreak(a: Position, b: Position): number {
	return collate(a.symbol, b.symbol) || collate(a.account, b.account) || collate(a.id, b.id);
}

export interface Movers {
	currencies: string[];
	up: Position[];
	down: Position[];
}

/** Amounts of different currencies cannot be ranked against each other, so one currency at a time. */
export function moversOf(positions: readonly Position[], currency: string | null, most: number): Movers {
	const counts = new Map<string, number>();
	for (const { currency: name, daily_pnl } of positions) {
		if (daily_pnl !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
	}
	const currencies = [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || collate(a, b));
	const chosen = currency !== null && counts.has(currency) ? currency : currencies[0];
	const ranked = positions
		.flatMap((position) => (position.currency === chosen && position.daily_pnl !== null ? [{ position, pnl: position.daily_pnl }] : []))
		.sort((a, b) => compareDecimals(b.pnl, a.pnl) || tieBreak(a.position, b.position));
	const up = ranked.filter(({ pnl }) => compareDecimals(pnl, '0') > 0).slice(0, most);
	const down = ranked.filter(({ pnl }) => compareDecimals(pnl, '0') < 0).reverse().slice(0, most);
	return { currencies, up: up.map((row) => row.position), down: down.map((row) => row.position) };
}
