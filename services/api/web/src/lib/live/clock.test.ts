import { expect, it } from 'vitest';
import { Backoff } from './backoff';
import { ServerClock } from './clock';

it('follows the server however wrong this clock is', () => {
	const local = Date.parse('2020-01-01T00:00:00Z');
	const clock = new ServerClock(() => local);
	clock.message('2026-11-20T12:00:00Z');
	expect(clock.serverNow()).toBe(Date.parse('2026-11-20T12:00:00Z'));
});

it('lets a better source overrule a coarser one and not the other way round', () => {
	const clock = new ServerClock(() => 0);
	clock.freshness({ as_of: '1970-01-01T00:00:10Z', age_seconds: 5 });
	expect(clock.serverNow()).toBe(15_000);
	clock.header('Thu, 01 Jan 1970 00:00:20 GMT');
	expect(clock.serverNow()).toBe(20_500);
	clock.freshness({ as_of: '1970-01-01T00:01:00Z', age_seconds: 0 });
	expect(clock.serverNow()).toBe(20_500);
	clock.message('1970-01-01T00:00:30.250Z');
	clock.header('Thu, 01 Jan 1970 00:00:00 GMT');
	expect(clock.serverNow()).toBe(30_250);
});

it('ignores what is no time', () => {
	const clock = new ServerClock(() => 1_000);
	clock.header(null);
	clock.message('soon');
	clock.freshness({ as_of: null, age_seconds: null });
	clock.freshness(null);
	expect(clock.serverNow()).toBe(1_000);
});

it('waits anywhere between nothing and a growing limit', () => {
	const longest = new Backoff(500, 30_000, () => 1);
	expect(Array.from({ length: 8 }, () => longest.next())).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
	longest.reset();
	expect(longest.next()).toBe(500);
	expect(new Backoff(500, 30_000, () => 0).next()).toBe(0);
});
