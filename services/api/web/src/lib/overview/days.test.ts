import { expect, it } from 'vitest';
import type { Calendar } from '#lib/schema.ts';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { cellsOf, monthWeeks } from './days';

const told = (day: string, returned: string | null) => ({ day, net_liquidation: '1', net_contribution: '0', pnl: returned, return: returned });

it('puts each day into its week, Mondays first', () => {
	const cells = cellsOf(2026, [told('2026-01-01', '0.01'), told('2026-01-05', '0'), told('2026-12-31', null)]);
	expect(cells.map(({ week, weekday }) => [week, weekday])).toEqual([[0, 3], [1, 0], [52, 3]]);
	expect(monthWeeks(2026).slice(0, 3)).toEqual([0, 4, 8]);
});

it('tints by the size of the return, whatever its sign, and what is not known not at all', () => {
	const days = ['0.01', '-0.01', '0.0001', '0', null].map((value, number) => told(`2026-03-0${number + 2}`, value));
	expect(cellsOf(2026, days).map((cell) => cell.level)).toEqual([4, 4, 1, 0, null]);
});

it('takes the calendar that the server has on file', () => {
	const file = resolve(process.cwd(), '../../../tests/data/contract/portfolio-calendar.json');
	const calendar = JSON.parse(readFileSync(file, 'utf-8')) as Calendar;
	const cells = cellsOf(calendar.year, calendar.days);
	expect(cells.map((cell) => cell.told)).toEqual(calendar.days);
	expect(cells.every((cell) => cell.week >= 0 && cell.week < 54 && cell.weekday < 7)).toBe(true);
});
