import { describe, expect, it } from 'vitest';
import type { Freshness } from '#lib/contract.ts';
import { adviceOn } from './advice';
import { judge, pathOf, reasonOf } from './words';

const AS_OF = '2026-11-20T14:03:00Z';

function block(changes: Partial<Freshness> = {}): Freshness {
	return {
		source: 'live',
		as_of: AS_OF,
		received_at: AS_OF,
		age_seconds: 1,
		stale: false,
		reason: null,
		links: { gateway: 'up', ibkr: 'up' },
		...changes
	};
}
const down = block({ source: 'last_known', stale: true, reason: 'gateway_unreachable', links: { gateway: 'down', ibkr: 'unknown' } });

describe('judge', () => {
	it('calls live only what is live all the way', () => {
		expect(judge('up', null, block())).toMatchObject({ level: 'live', reason: null, since: null });
	});

	it('says since when and why the broker is away', () => {
		expect(judge('up', null, down)).toMatchObject({
			level: 'last_known',
			label: 'last known',
			since: AS_OF,
			reason: { why: 'IB Gateway is not reachable' }
		});
	});

	it('lets the feed overrule a row that was live when it was sent, but keeps the time of the row', () => {
		const row = block({ as_of: '2026-11-20T14:00:00Z' });
		expect(judge('up', null, down, row)).toMatchObject({ level: 'last_known', since: '2026-11-20T14:00:00Z' });
	});

	it('leaves a row live while another account has a gap, and never while a link is down', () => {
		const gap = block({ source: 'last_known', stale: true, reason: 'incomplete' });
		expect(judge('up', null, gap, block()).level).toBe('live');
		expect(judge('up', null, gap).level).toBe('last_known');
		expect(judge('up', null, down, block()).level).toBe('last_known');
	});

	it('marks a row that is old although the link works', () => {
		const row = block({ source: 'last_known', stale: true, reason: 'old' });
		expect(judge('up', null, block(), row)).toMatchObject({ level: 'last_known', reason: { code: 'old' } });
	});

	it('does not call nothing the last known', () => {
		const nothing = block({ source: 'last_known', stale: true, reason: 'not_yet_synced', as_of: null, received_at: null });
		expect(judge('up', null, nothing)).toMatchObject({ level: 'last_known', label: 'nothing known yet', since: null });
	});

	it('trusts nothing while the server itself cannot be heard', () => {
		expect(judge('down', 1, block())).toMatchObject({ level: 'offline', label: 'last known', since: AS_OF, reason: { code: 'browser_link_down' } });
		expect(judge('connecting', 1, block()).level).toBe('offline');
		expect(judge('down', 1, null)).toMatchObject({ label: 'no connection', since: null });
	});

	it('is merely connecting before the first word, and delayed when the source says so', () => {
		expect(judge('connecting', null, null).level).toBe('connecting');
		expect(judge('up', null, null).level).toBe('connecting');
		expect(judge('up', null, block({ source: 'delayed' })).level).toBe('delayed');
	});
});

it('has words and advice for every reason of the contract', () => {
	const reasons = [
		'not_yet_synced', 'broker_link_down', 'gateway_unreachable', 'gateway_not_answering', 'gateway_silent', 'ib_1100',
		'needs_login', 'client_id_in_use', 'fenced', 'data_stale', 'no_room', 'stream_down', 'worker_down', 'incomplete', 'old'
	];
	for (const code of reasons) {
		expect(reasonOf(code)?.why).not.toContain('the server reports');
		expect(adviceOn(code)).not.toContain('log of Lotkeeper says more');
	}
	expect(reasonOf('new_reason')?.why).toContain('new reason');
	expect(adviceOn('new_reason')).toContain('log');
	expect(reasonOf(null)).toBeNull();
});

it('knows nothing behind a broken hop', () => {
	expect(pathOf('down', 1, block())).toEqual({ server: 'broken', gateway: 'unknown', ibkr: 'unknown' });
	expect(pathOf('connecting', null, null).server).toBe('unknown');
	expect(pathOf('up', null, block({ links: { gateway: 'down', ibkr: 'up' } }))).toEqual({ server: 'ok', gateway: 'broken', ibkr: 'unknown' });
	expect(pathOf('up', null, block({ links: { gateway: 'up', ibkr: 'down' } })).ibkr).toBe('broken');
});
