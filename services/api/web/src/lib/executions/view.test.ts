import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ExecutionPage } from '#lib/schema.ts';
import { overlaid } from '#lib/stores/pages.svelte.ts';
import { isFiltered, pathOf, rangeOf, viewFromUrl, viewToParams } from './view.ts';

const recorded = JSON.parse(
	readFileSync(resolve(process.cwd(), '../../../tests/data/contract/executions.json'), 'utf-8')
) as ExecutionPage;

describe('the view of executions', () => {
	it('is the URL, and back', () => {
		const params = new URLSearchParams('account=U1&symbol=AAPL&from=2026-11-01&to=2026-11-20&include=corrected');
		const view = viewFromUrl(params);
		expect(viewToParams(view)).toEqual(Object.fromEntries(params));
		expect(isFiltered(view)).toBe(true);
		expect(isFiltered(viewFromUrl(new URLSearchParams('include=corrected')))).toBe(false);
	});

	it('takes no nonsense for a day', () => {
		expect(viewFromUrl(new URLSearchParams('from=yesterday&to=2026-1-1'))).toMatchObject({ from: '', to: '' });
		expect(pathOf(viewFromUrl(new URLSearchParams('from=9999-99-99')))).toMatch(/^executions/);
	});

	it('asks for whole days of this zone, the last included, and exports the very same', () => {
		const view = viewFromUrl(new URLSearchParams('symbol=ES&from=2026-11-20&to=2026-11-20'));
		const asked = new URL(pathOf(view), 'http://x').searchParams;
		expect(asked.get('from')).toBe(new Date(2026, 10, 20).toISOString());
		expect(asked.get('to')).toBe(new Date(2026, 10, 21).toISOString());
		expect(pathOf(view, '.csv')).toBe(pathOf(view).replace('executions?', 'executions.csv?'));
		expect(pathOf(viewFromUrl(new URLSearchParams()), '.parquet')).toBe('executions.parquet');
	});

	it('knows the ranges that end today', () => {
		const now = new Date(2026, 2, 3, 12).getTime();
		expect(rangeOf('today', now).from).toBe('2026-03-03');
		expect(rangeOf('7d', now).from).toBe('2026-02-25');
		expect(rangeOf('year', now).from).toBe('2026-01-01');
		expect(rangeOf('all', now)).toEqual({ from: '', to: '' });
	});
});

describe('a newer first page', () => {
	const key = (row: { exec_id: string }) => row.exec_id;
	const [first, ...rest] = recorded.items;

	it('puts newcomers before what is loaded, and goes on where it was', () => {
		const known = { items: rest, cursor: 'further' };
		const page = { ...recorded, items: [first!, rest[0]!], next_cursor: 'after the page' };
		expect(overlaid(known, page, key)).toEqual({ items: recorded.items, cursor: rest.length > 1 ? 'further' : 'after the page' });
	});

	it('stands alone where it does not meet what is loaded, or is all there is', () => {
		const known = { items: rest, cursor: 'further' };
		expect(overlaid(known, { items: [first!], next_cursor: 'next' }, key)).toEqual({ items: [first], cursor: 'next' });
		expect(overlaid(known, { items: [rest[0]!], next_cursor: null }, key)).toEqual({ items: [rest[0]], cursor: null });
	});
});
