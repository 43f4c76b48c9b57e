import { describe, expect, it } from 'vitest';
import type { Position } from '#lib/contract.ts';
import { contractName } from './words';
import { arrange, holdOrder, matches, moversOf, viewFromUrl, viewToParams, type View } from './view';

function position(id: string, changes: Partial<Position> = {}): Position {
	return {
		id,
		account: 'U1',
		symbol: id.toUpperCase(),
		local_symbol: '',
		description: '',
		sec_type: 'STK',
		currency: 'USD',
		side: 'long',
		daily_pnl: null,
		market_value: null,
		mark_as_of: null,
		freshness: { as_of: null },
		...changes
	} as Position;
}
const plain: View = viewFromUrl(new URLSearchParams());
const ids = (rows: readonly Position[]) => rows.map((row) => row.id);

describe('the URL', () => {
	it('holds the whole view and nothing that is the default', () => {
		const view: View = { text: 'ap ple', account: 'U1', secType: 'OPT', column: 'daily_pnl', descending: true };
		const params = viewToParams(view);
		expect(params).toEqual({ q: 'ap ple', account: 'U1', type: 'OPT', sort: '-daily_pnl' });
		expect(viewFromUrl(new URLSearchParams(params as Record<string, string>))).toEqual(view);
		expect(viewToParams(plain)).toEqual({ q: null, account: null, type: null, sort: null });
	});

	it('survives a column that does not exist', () => {
		expect(viewFromUrl(new URLSearchParams('sort=-drop_table'))).toEqual(plain);
	});
});

describe('filtering', () => {
	it('finds every word, in any field', () => {
		const apple = position('aapl', { description: 'APPLE INC', account: 'U7' });
		expect(matches(apple, { ...plain, text: 'inc u7' })).toBe(true);
		expect(matches(apple, { ...plain, text: 'inc u8' })).toBe(false);
		expect(matches(apple, { ...plain, account: 'U8' })).toBe(false);
		expect(matches(apple, { ...plain, secType: 'OPT' })).toBe(false);
	});
});

describe('order', () => {
	it('is by value, with the unknown last whichever way round', () => {
		const rows = [position('a', { market_value: '9' }), position('b', { market_value: '10' }), position('c'), position('d', { market_value: '-1' })];
		const view: View = { ...plain, column: 'market_value' };
		expect(ids(arrange(rows, view))).toEqual(['d', 'a', 'b', 'c']);
		expect(ids(arrange(rows, { ...view, descending: true }))).toEqual(['b', 'a', 'd', 'c']);
	});

	it('is the same for the same rows however they arrive', () => {
		const rows = [position('x', { symbol: 'A', account: 'U2' }), position('y', { symbol: 'A', account: 'U1' }), position('z', { symbol: 'A', account: 'U1' })];
		expect(ids(arrange(rows, plain))).toEqual(['y', 'z', 'x']);
		expect(ids(arrange([...rows].reverse(), plain))).toEqual(['y', 'z', 'x']);
	});

	it('can go by age, side and text', () => {
		const old = position('old', { mark_as_of: '2026-01-01T00:00:00Z', side: 'short' });
		const young = position('young', { mark_as_of: '2026-02-01T00:00:00Z' });
		expect(ids(arrange([young, old], { ...plain, column: 'age' }))).toEqual(['old', 'young']);
		expect(ids(arrange([old, young], { ...plain, column: 'side' }))).toEqual(['young', 'old']);
	});

	it('is held while somebody points: same places, newcomers last, the gone gone', () => {
		const wanted = [position('new'), position('c'), position('a')];
		expect(ids(holdOrder(['a', 'b', 'c'], wanted))).toEqual(['a', 'c', 'new']);
	});
});

describe('movers', () => {
	const rows = [
		position('a', { daily_pnl: '5' }),
		position('b', { daily_pnl: '50' }),
		position('c', { daily_pnl: '-7' }),
		position('d', { daily_pnl: '0' }),
		position('e', { daily_pnl: '9000', currency: 'JPY' }),
		position('f', { currency: 'EUR' })
	];

	it('are ranked inside one currency, the commonest first', () => {
		const movers = moversOf(rows, null, 5);
		expect(movers.currencies).toEqual(['USD', 'JPY']);
		expect([ids(movers.up), ids(movers.down)]).toEqual([['b', 'a'], ['c']]);
		expect(ids(moversOf(rows, 'JPY', 5).up)).toEqual(['e']);
		expect(ids(moversOf(rows, 'EUR', 5).up)).toEqual(['b', 'a']);
		expect(ids(moversOf(rows, null, 1).up)).toEqual(['b']);
	});

	it('are none when nothing is known', () => {
		expect(moversOf([], null, 5)).toEqual({ currencies: [], up: [], down: [] });
	});
});

it('names an option by its contract and a share by its company', () => {
	const option = position('aapl', { sec_type: 'OPT', local_symbol: 'AAPL  270820P00200000', description: 'APPLE INC' });
	expect(contractName(option)).toBe('AAPL 270820P00200000');
	expect(contractName(position('aapl', { local_symbol: 'AAPL', description: 'APPLE INC' }))).toBe('APPLE INC');
	expect(contractName(position('gc', { sec_type: 'FUT', description: 'Gold' }))).toBe('Gold');
	expect(contractName(position('x'))).toBe('');
});
