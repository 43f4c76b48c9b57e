import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { PositionPage } from '#lib/schema.ts';
import { found, positionCommand, score, type Command } from './commands.ts';

const recorded = JSON.parse(readFileSync(resolve(process.cwd(), '../../../tests/data/contract/positions.json'), 'utf-8')) as PositionPage;
const command = (name: string, hint = ''): Command => ({ id: name, kind: 'Action', name, hint, run: () => {} });

it('ranks a beginning above a word, a word above a part, a part above letters in order', () => {
	const points = ['apple', 'apple pie', 'big apple', 'pineapple', 'a pretty poodle liked eggs'].map((name) => score(name, 'apple'));
	expect(points).toEqual([5, 4, 3, 2, 1]);
	expect(score('Overview', 'x')).toBe(0);
	expect(score('C++ (x)', '(x')).toBeGreaterThan(0);
});

it('offers everything while nothing is typed, and the best first then', () => {
	const all = [command('Sync health', 'Screen'), command('Resync with the broker'), command('Settings')];
	expect(found(all, '', 9)).toEqual(all);
	expect(found(all, 'sync', 9).map((one) => one.name)).toEqual(['Sync health', 'Resync with the broker']);
	expect(found(all, '', 2)).toHaveLength(2);
});

it('finds every recorded position by its symbol, its name and its account', () => {
	let went = '';
	const all = recorded.items.map((row) => positionCommand(row, row.account, (href) => (went = href)));
	for (const row of recorded.items) {
		for (const typed of [row.symbol, row.account]) {
			expect(found(all, typed, 50).map((one) => one.id)).toContain(`position ${row.id}`);
		}
	}
	all[0]!.run();
	expect(went).toBe(`/positions/${recorded.items[0]!.id}`);
});
