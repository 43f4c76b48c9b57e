import { describe, expect, it } from 'vitest';
import { askedFor, chosenFrom, chosenToParams, windowOf } from './ranges';

const NOW = Date.parse('2026-11-29T14:25:00Z');

describe('a range in the address', () => {
	it('is a year back unless it says otherwise', () => {
		expect(chosenFrom(new URLSearchParams())).toEqual({ range: '1Y', zoom: null });
		expect(chosenFrom(new URLSearchParams('range=nonsense&zoom=5..1'))).toEqual({ range: '1Y', zoom: null });
		expect(chosenToParams({ range: '1Y', zoom: null })).toEqual({ range: null, zoom: null });
	});

	it.each(['1D', 'all', '2025', '2025-03-01..2025-04-15'])('%s is kept, and so is a zoom', (range) => {
		const params = chosenToParams({ range, zoom: { from: 1_700_000_000_000, to: 1_700_100_000_000 } });
		expect(chosenFrom(new URLSearchParams(params as Record<string, string>))).toEqual({
			range,
			zoom: { from: 1_700_000_000_000, to: 1_700_100_000_000 }
		});
	});
});

describe('what is asked', () => {
	it('is days, of a day or a week hours', () => {
		expect(windowOf('1D', NOW)).toEqual({ from: '2026-11-28T14:00:00.000Z', to: null, resolution: 'hour' });
		expect(windowOf('1M', NOW).from).toBe('2026-10-29T00:00:00.000Z');
		expect(windowOf('YTD', NOW).from).toBe('2026-01-01T00:00:00Z');
		expect(windowOf('all', NOW)).toEqual({ from: null, to: null, resolution: 'day' });
	});

	it('of days is from the end of the day before to the end of the last, which is in the next one', () => {
		expect(windowOf('2025', NOW)).toEqual({ from: '2025-01-01T00:00:00Z', to: '2026-01-01T12:00:00Z', resolution: 'day' });
		expect(windowOf('2025-03-01..2025-03-31', NOW)).toEqual({ from: '2025-03-01T00:00:00Z', to: '2025-04-01T12:00:00.000Z', resolution: 'day' });
	});

	it('of a close look is its part, in hours', () => {
		const zoom = { from: Date.parse('2026-11-01T00:00:00Z'), to: Date.parse('2026-11-05T00:00:00Z') };
		expect(askedFor({ range: 'all', zoom }, NOW)).toMatchObject({
			from: null,
			resolution: 'hour',
			part_from: '2026-11-01T00:00:00.000Z',
			part_to: '2026-11-05T00:00:00.000Z'
		});
	});

	it('of days holds every day that was drawn in its part', () => {
		const zoom = { from: Date.parse('2026-01-01T11:00:00Z'), to: Date.parse('2026-03-31T13:00:00Z') };
		expect(askedFor({ range: 'all', zoom }, NOW)).toMatchObject({
			resolution: 'day',
			part_from: '2026-01-01T23:00:00.000Z',
			part_to: '2026-04-01T01:00:00.000Z'
		});
		const close = { from: zoom.to - 86_400_000, to: zoom.to };
		expect(askedFor({ range: 'all', zoom: close }, NOW, 'day')).toMatchObject({ resolution: 'day', part_to: '2026-04-01T01:00:00.000Z' });
	});
});
