import { expect, it } from 'vitest';
import { ageSeconds, clockTime, fullTime, shortAge } from './time';

const NOON = Date.parse('2026-11-20T12:00:00Z');

it('measures an age that is never negative', () => {
	expect(ageSeconds('2026-11-20T11:59:00Z', NOON)).toBe(60);
	expect(ageSeconds('2026-11-20T12:00:05Z', NOON)).toBe(0);
	expect(ageSeconds(null, NOON)).toBeNull();
	expect(ageSeconds('yesterday', NOON)).toBeNull();
});

it('writes ages briefly', () => {
	expect([4.9, 59, 60, 3599, 3600, 86_399, 86_400 * 3].map(shortAge)).toEqual(
		['4 s', '59 s', '1 min', '59 min', '1 h', '23 h', '3 d'].map((text) => text.replace(' ', '\u00a0'))
	);
	expect(shortAge(null)).toBe('—');
});

it('names the day when it is another one', () => {
	const at = new Date(2026, 10, 20, 14, 3);
	expect(clockTime(at.toISOString(), at.getTime(), 'en-GB')).toBe('14:03');
	expect(clockTime(at.toISOString(), at.getTime() + 86_400_000, 'en-GB')).toBe('20 Nov 14:03');
	expect(clockTime(at.toISOString(), at.getTime() + 400 * 86_400_000, 'en-GB')).toBe('20 Nov 2026 14:03');
	expect(clockTime(null, NOON)).toBeNull();
	expect(clockTime('nonsense', NOON)).toBeNull();
	expect([fullTime(null), fullTime('nonsense')]).toEqual(['—', '—']);
});
