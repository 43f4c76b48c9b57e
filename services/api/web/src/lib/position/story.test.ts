import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PositionDetail, PositionEventPage, PositionPrices } from '#lib/schema.ts';
import { drawn, isEvent } from './story';
import { sourceWord } from '#lib/executions/view.ts';
import { lasted, tagFrom } from './words';

const recorded = <T>(name: string) => JSON.parse(readFileSync(resolve(process.cwd(), `../../../tests/data/contract/${name}.json`), 'utf-8')) as T;

describe('the chart of a position', () => {
	const { items } = recorded<PositionEventPage>('events');
	const position = recorded<PositionDetail>('position');
	const now = Date.parse('2026-11-20T15:00:00Z');

	it('has a mark for each fill with a price, and what was held until now', () => {
		const found = drawn(items, [], position, now, (event) => event.id);
		expect(found.marks.map((mark) => mark.title)).toEqual(items.filter((event) => event.price !== null && event.quantity !== '0').map((event) => event.id));
		expect(found.times.at(-1)).toBe(now);
		expect(found.held.at(-1)).toBe(Number(items.at(-1)!.position_after));
		expect(found.times).toEqual([...found.times].sort((a, b) => a - b));
		for (const line of [found.entry, found.exit, found.price, found.fills, found.held]) expect(line).toHaveLength(found.times.length);
	});

	it('draws what it was worth between its fills, and tells of each point what it is', () => {
		const { items: prices } = recorded<PositionPrices>('position-prices');
		const before = { ts: '2026-01-01T00:00:00Z', price: '1' };
		const found = drawn(items, [before, ...prices], { ...position, market_price: '161' }, now, () => '');
		expect(found.times[0]).toBe(Date.parse(items[0]!.executed_at));
		expect(found.price.slice(-3)).toEqual([160, 160, 161]);
		expect(found.price.filter((value) => value === null)).toHaveLength(1);
		expect(Math.min(...found.price.filter((value) => value !== null))).toBeGreaterThan(1);
		expect(found.told.filter((one) => one !== null && !isEvent(one))).toEqual(prices);
		expect(found.told.at(-1)).toBeNull();
		expect(found.held.at(-2)).toBe(found.held.at(-1));
		expect(found.marks).toHaveLength(drawn(items, [], position, now, () => '').marks.length);
		expect(drawn([], prices, position, now, () => '').times).toEqual([]);
	});

	it('draws no line where no price is known for long', () => {
		const { items: prices } = recorded<PositionPrices>('position-prices');
		const apart = [prices[0]!, { ts: new Date(Date.parse(prices[0]!.ts) + 30 * 86_400_000).toISOString(), price: '200' }];
		const late = Date.parse(apart[1]!.ts) + 3_600_000;
		const found = drawn(items, apart, { ...position, market_price: '201' }, late, () => '');
		expect(found.price.slice(-4)).toEqual([160, null, 200, 201]);
		expect(found.held.at(-3)).toBe(found.held.at(-4));
		expect(drawn(items, apart, position, late, () => '', 20 * 86_400).price.filter((value) => value === null)).toHaveLength(0);
	});

	it('tells bought from sold, and ends where the position did', () => {
		const at = items[0]!.executed_at;
		const sold = { ...items[0]!, quantity: '-5', price: '10' };
		const found = drawn([sold], [], { ...position, closed_at: at }, now, () => '');
		expect(found.marks[0]).toMatchObject({ up: false, tone: 'warn', value: 10 });
		expect(found.times).toEqual([Date.parse(at)]);
		expect(drawn([], [], position, now, () => '').times).toEqual([]);
	});
});

it('has words for what it may meet, and for what it does not know', () => {
	expect([sourceWord('flex'), sourceWord('some_file')]).toEqual(['Flex statement', 'some file']);
	expect([lasted(30), lasted(7_200), lasted(200_000)]).toEqual(['1\u00a0min', '2\u00a0h', '2\u00a0d']);
});

it('makes a tag of what is typed', () => {
	expect([tagFrom('  Long   Term, '), tagFrom(' , ')]).toEqual(['long term', '']);
});
