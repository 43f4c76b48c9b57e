import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PositionDetail, PositionEventPage } from '#lib/schema.ts';
import { drawn } from './story';
import { sourceWord } from '#lib/executions/view.ts';
import { lasted } from './words';

const recorded = <T>(name: string) => JSON.parse(readFileSync(resolve(process.cwd(), `../../../tests/data/contract/${name}.json`), 'utf-8')) as T;

describe('the chart of a position', () => {
	const { items } = recorded<PositionEventPage>('events');
	const position = recorded<PositionDetail>('position');
	const now = Date.parse('2026-11-20T15:00:00Z');

	it('has a mark for each fill with a price, and what was held until now', () => {
		const found = drawn(items, position, now, (event) => event.id);
		expect(found.marks.map((mark) => mark.title)).toEqual(items.filter((event) => event.price !== null && event.quantity !== '0').map((event) => event.id));
		expect(found.times.at(-1)).toBe(now);
		expect(found.held.at(-1)).toBe(Number(items.at(-1)!.position_after));
		expect(found.times).toEqual([...found.times].sort((a, b) => a - b));
		for (const line of [found.entry, found.exit, found.price, found.fills, found.held]) expect(line).toHaveLength(found.times.length);
	});

	it('tells bought from sold, and ends where the position did', () => {
		const at = items[0]!.executed_at;
		const sold = { ...items[0]!, quantity: '-5', price: '10' };
		const found = drawn([sold], { ...position, closed_at: at }, now, () => '');
		expect(found.marks[0]).toMatchObject({ up: false, tone: 'warn', value: 10 });
		expect(found.times).toEqual([Date.parse(at)]);
		expect(drawn([], position, now, () => '').times).toEqual([]);
	});
});

it('has words for what it may meet, and for what it does not know', () => {
	expect([sourceWord('flex'), sourceWord('some_file')]).toEqual(['Flex statement', 'some file']);
	expect([lasted(30), lasted(7_200), lasted(200_000)]).toEqual(['1\u00a0min', '2\u00a0h', '2\u00a0d']);
});
