import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { RealizedPage } from '#lib/schema.ts';
import { asked, filterFrom, filterToParams, periodName } from './filter';

it('is months of everything unless the address says otherwise', () => {
	expect(filterFrom(new URLSearchParams('by=week&year=20x6&method=best'))).toEqual({ group: 'month', account: '', symbol: '', year: '', method: '' });
	const filter = filterFrom(new URLSearchParams('by=symbol&account=U1&symbol=aapl&year=2025&method=lifo'));
	expect(filterToParams(filter)).toEqual({ by: 'symbol', account: 'U1', symbol: 'aapl', year: '2025', method: 'lifo' });
	expect(asked(filter)).toEqual({
		group_by: 'symbol',
		account: 'U1',
		symbol: 'AAPL',
		from: '2025-01-01T00:00:00Z',
		to: '2026-01-01T00:00:00Z',
		method: 'lifo'
	});
});

it('names the periods that the server tells of', () => {
	const file = resolve(process.cwd(), '../../../tests/data/contract/realized.json');
	const page = JSON.parse(readFileSync(file, 'utf-8')) as RealizedPage;
	expect(page.items.map((row) => periodName(row.key, 'day', 'en-GB'))).toEqual(['19 Nov 2026', '18 Nov 2026', '14 Nov 2026']);
	expect([periodName('2026-11', 'month', 'en-GB'), periodName('2026', 'year'), periodName('AAPL', 'symbol')]).toEqual(['November 2026', '2026', 'AAPL']);
});
