import { describe, expect, it } from 'vitest';
import type { Position } from '#lib/contract.ts';
import type { Allocation, AllocationItem } from '#lib/schema.ts';
import { facetFromUrl, facetToParams } from './facets';
import { exposure, leftOut, partsOf, tilesOf, toneOf } from './treemap';

const item = (over: Partial<AllocationItem>): AllocationItem => ({
	account: 'U1',
	key: '1',
	name: 'A',
	cash: false,
	rest: false,
	market_value: '100',
	long_value: '100',
	short_value: null,
	share: '0.5',
	holdings: 1,
	holdings_valued: 1,
	holdings_fresh: 1,
	...over
});

const allocation = (over: Partial<Allocation>): Allocation =>
	({
		by: 'instrument',
		group: null,
		currency: 'USD',
		accounts: [
			{ account: 'U1', base_currency: 'USD' },
			{ account: 'U2', base_currency: 'USD' }
		],
		items: [item({}), item({ account: 'U2', key: '2' })],
		totals: [item({ key: 'sum' })],
		...over
	}) as unknown as Allocation;

describe('partsOf', () => {
	it('is one map where all share a currency, else one of each account', () => {
		expect(partsOf(allocation({})).map((part) => [part.account, part.holdings.map((one) => one.key)])).toEqual([[null, ['sum']]]);
		const apart = partsOf(allocation({ currency: null, totals: null }));
		expect(apart.map((part) => [part.account, part.holdings.map((one) => one.key)])).toEqual([
			['U1', ['1']],
			['U2', ['2']]
		]);
	});
});

describe('exposure', () => {
	it('adds long and short, and is nothing of what is owed or not known', () => {
		expect(exposure(item({ market_value: '-20', long_value: '30', short_value: '-50' }))).toBe(80);
		expect(exposure(item({ market_value: '-20', long_value: null, short_value: null }))).toBe(20);
		expect(exposure(item({ cash: true, market_value: '-20', long_value: null }))).toBe(0);
		expect(exposure(item({ market_value: null, long_value: null }))).toBe(0);
	});
	it('says what is left out', () => {
		const owed = item({ cash: true, market_value: '-20', long_value: null });
		const unknown = item({ market_value: null, long_value: null });
		const nothing = item({ cash: true, market_value: '0', long_value: null });
		expect(leftOut([item({}), owed, unknown, nothing])).toEqual([owed, unknown]);
	});
});

describe('tilesOf', () => {
	it('covers the whole map, each by its share, nothing over another', () => {
		const tiles = tilesOf([item({}), item({ key: '2', long_value: '300', market_value: '300' }), item({ key: '3', cash: true, market_value: '-5' })], 2);
		expect(tiles.map((tile) => tile.holding.key).sort()).toEqual(['1', '2']);
		const areas = new Map(tiles.map((tile) => [tile.holding.key, tile.width * tile.height]));
		expect(areas.get('1')).toBeCloseTo(2_500);
		expect(areas.get('2')).toBeCloseTo(7_500);
		for (const tile of tiles) {
			expect(tile.left + tile.width).toBeLessThanOrEqual(100.0001);
			expect(tile.top + tile.height).toBeLessThanOrEqual(100.0001);
		}
		expect(tilesOf([], 2)).toEqual([]);
	});
});

describe('toneOf', () => {
	const went = (...pnl: (string | null)[]) => toneOf(pnl.map((daily_pnl) => ({ daily_pnl }) as Position));
	it('has a tone only where all went one way', () => {
		expect(went('1', '2.5')).toBe('gain');
		expect(went('-1')).toBe('loss');
		expect(went('0')).toBe('flat');
		expect(went('1', '-1')).toBe('unknown');
		expect(went('1', null)).toBe('unknown');
		expect(went()).toBe('unknown');
	});
});

describe('facets', () => {
	it('are in the address, and what one knows alone does not go on to another', () => {
		expect(facetFromUrl(new URLSearchParams('show=cash'))).toBe('cash');
		expect(facetFromUrl(new URLSearchParams('show=other'))).toBe('open');
		expect(facetToParams('open').show).toBe(null);
		expect(facetToParams('map')).toMatchObject({ show: 'map', open: null, sort: null });
	});
});
