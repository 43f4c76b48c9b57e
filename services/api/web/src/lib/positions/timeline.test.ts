import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Position } from '#lib/contract.ts';
import { chosenOf, facetToParams } from './facets';
import { LEAST_PX, rowsOf, spanOf } from './timeline';

const { items } = JSON.parse(readFileSync(resolve(process.cwd(), '../../../tests/data/contract/positions-closed.json'), 'utf-8')) as { items: Position[] };
const DAY = 86_400_000;
const START = Date.parse('2026-11-01T00:00:00Z');
const at = (day: number) => new Date(START + day * DAY).toISOString();
const one = (id: string, from: number, to: number | null, conid = 1): Position => ({ ...items[0]!, id, conid, opened_at: at(from), closed_at: to === null ? null : at(to) });
const SPAN = { from: START, to: START + 10 * DAY };

describe('the timeline', () => {
	it('has a row for each instrument of an account, the newest first, and a bar for each life', () => {
		const rows = rowsOf([one('c', 6, null), one('b', 5, 8, 2), one('a', 1, 3)], SPAN, 1000);
		expect(rows.map((row) => row.bars.map((bar) => bar.position.id))).toEqual([['a', 'c'], ['b']]);
		expect(rows[0]!.bars.map((bar) => [bar.left, bar.width])).toEqual([
			[100, 200],
			[600, 400]
		]);
		expect(rows[0]!.newest.id).toBe('c');
	});

	it('cuts off what lies outside of the time, and leaves out what is not in it at all', () => {
		const [row] = rowsOf([one('late', 11, 12), one('long', -5, 20), one('early', -5, -1)], SPAN, 1000);
		expect(row!.bars.map((bar) => [bar.position.id, bar.left, bar.width])).toEqual([['long', 0, 1000]]);
	});

	it('gives what would lie on each other lanes of its own, and points at no more than there is room for', () => {
		const short = [1, 1.01, 1.02, 1.03, 5].map((from, number) => one(String(number), from, from + 0.005));
		const [row] = rowsOf(short, SPAN, 1000);
		expect(row!.lanes).toBe(3);
		expect(row!.bars.map((bar) => [bar.position.id, bar.lane])).toEqual([
			['3', null],
			['0', 0],
			['4', 0],
			['1', 1],
			['2', 2]
		]);
		expect(row!.bars.every((bar) => bar.width >= 3)).toBe(true);
		// What was held for long can always be pointed at.
		const crowded = rowsOf([...[1, 1.01, 1.02].map((from, number) => one(`${number}`, from, from + 0.005)), one('long', 1.03, null)], SPAN, 1000);
		expect(crowded[0]!.bars.find((bar) => bar.position.id === 'long')!.lane).toBe(0);
		// At the right edge a finger still finds room.
		const [last] = rowsOf([one('x', 9.999, null), one('y', 9.8, 9.9)], SPAN, 1000);
		expect(last!.bars.map((bar) => bar.lane).sort()).toEqual([0, 1]);
		expect(LEAST_PX).toBe(24);
	});

	it('spans what was asked for, or all that is known', () => {
		const now = START + 10 * DAY;
		expect(spanOf([], at(2), null, now)).toEqual({ from: START + 2 * DAY, to: now });
		expect(spanOf([one('a', 1, 3), one('b', 4, 5)], null, null, now).from).toBe(START + DAY);
		expect(spanOf([], null, null, now)).toEqual({ from: now - DAY, to: now });
		expect(spanOf([], at(2), at(30), now).to).toBe(now);
		expect(spanOf([], at(2), at(5), now).to).toBe(START + 5 * DAY);
	});
});

it('keeps the symbol and the tag between what was and when it was, and nowhere else', () => {
	expect(chosenOf(new URLSearchParams('symbol=aapl&tag=dividend'))).toEqual({ account: '', symbol: 'AAPL', tag: 'dividend' });
	expect(facetToParams('timeline')).not.toHaveProperty('symbol');
	expect(facetToParams('map')).toMatchObject({ symbol: null, tag: null, show: 'map', range: null });
});
