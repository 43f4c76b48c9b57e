import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { Execution, PortfolioHistory } from '#lib/schema.ts';
import { fillsOf, timesOf } from './series';

const recorded = <T>(name: string) => JSON.parse(readFileSync(resolve(process.cwd(), `../../../tests/data/contract/${name}.json`), 'utf-8')) as T;
const history = recorded<PortfolioHistory>('portfolio-history');
const [one] = recorded<{ items: Execution[] }>('executions').items;

it('marks fills on the line at the nearest point, each point once', () => {
	const times = timesOf(history);
	const fill = (index: number, side: Execution['side'], symbol: string): Execution => ({ ...one!, side, symbol, executed_at: new Date(times[index]! + 60_000).toISOString() });
	const marks = fillsOf([fill(1, 'SLD', 'C'), fill(0, 'SLD', 'B'), fill(0, 'BOT', 'A')], history, times, (point, fills) => `${point.day} ${fills.map((each) => each.symbol)}`);
	expect(marks.map((mark) => [mark.at, mark.up, mark.title])).toEqual([
		[times[0], false, `${history.points[0]!.day} A,B`],
		[times[1], false, `${history.points[1]!.day} C`]
	]);
	expect(marks.map((mark) => mark.value)).toEqual([0, 1].map((index) => Number(history.points[index]!.net_liquidation)));
	expect(fillsOf([fill(0, 'BOT', 'A')], { ...history, points: history.points.map((point) => ({ ...point, net_liquidation: null as unknown as string })) }, times, () => '')).toEqual([]);
});
