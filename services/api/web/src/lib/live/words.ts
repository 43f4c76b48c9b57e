/** What the freshness block means, in words that a person can act on. */
import type { Freshness, UpDown } from '#lib/contract.ts';
import type { LinkPhase } from './stream';

export interface Reason {
	code: string;
	/** Ends the sentence "last known · since 14:03 · …". What to do about it is in `advice.ts`. */
	why: string;
}

const REASONS: Record<string, string> = {
	not_yet_synced: 'the first synchronisation is not complete',
	broker_link_down: 'the broker link is not running',
	gateway_unreachable: 'IB Gateway is not reachable',
	gateway_not_answering: 'IB Gateway does not answer',
	gateway_silent: 'IB Gateway has gone silent',
	ib_1100: 'IB Gateway has lost its connection to IBKR',
	needs_login: 'IB Gateway needs a login',
	client_id_in_use: 'the API client id is in use',
	fenced: 'another Lotkeeper has this login',
	data_stale: 'IB Gateway answers but sends no data',
	no_room: 'there is no room to keep new data',
	stream_down: 'the live stream is interrupted',
	worker_down: 'new data is not being recorded',
	incomplete: 'the data is incomplete',
	old: 'no newer value has arrived'
};

const OF_THE_DATA = new Set(['incomplete', 'old']);

const SERVER_UNREACHABLE: Reason = { code: 'browser_link_down', why: 'this browser cannot reach Lotkeeper' };

export function reasonOf(code: string | null | undefined): Reason | null {
	if (!code) return null;
	return { code, why: REASONS[code] ?? `the server reports “${code.replaceAll('_', ' ')}”` };
}

export type Level = 'connecting' | 'live' | 'delayed' | 'last_known' | 'offline';

export interface Verdict {
	level: Level;
	label: string;
	/** The time from which the figures are, when they are not live. */
	since: string | null;
	reason: Reason | null;
}

/**
 * The browser's own link weighs most: without it nothing that the server once said can be called live.
 * Then the feed's state, which the server changes at once when the broker goes, then the row's own age.
 */
export function judge(phase: LinkPhase, lostAt: number | null, feed: Freshness | null, row?: Freshness | null): Verdict {
	const own = row ?? feed;
	if (phase !== 'up' && lostAt !== null) {
		const since = own?.as_of ?? (own ? new Date(lostAt).toISOString() : null);
		return { level: 'offline', label: own ? 'last known' : 'no connection', since, reason: SERVER_UNREACHABLE };
	}
	if (!feed || !own) return { level: 'connecting', label: 'connecting', since: null, reason: null };
	// What one account's download lacks says nothing of another's rows; a link that is down says all.
	const ofTheData = row != null && OF_THE_DATA.has(feed.reason ?? '');
	if (feed.source === 'last_known' && !ofTheData) return lastKnown(own, reasonOf(feed.reason ?? own.reason));
	if (own.source === 'last_known' || own.stale) return lastKnown(own, reasonOf(own.reason ?? feed.reason));
	if (own.source === 'delayed') return { level: 'delayed', label: 'delayed', since: own.as_of, reason: reasonOf(own.reason) };
	return { level: 'live', label: 'live', since: null, reason: null };
}

function lastKnown(own: Freshness, reason: Reason | null): Verdict {
	const since = own.as_of ?? own.received_at;
	return { level: 'last_known', label: since ? 'last known' : 'nothing known yet', since, reason };
}

export type Hop = 'ok' | 'broken' | 'unknown';

export interface Path {
	server: Hop;
	gateway: Hop;
	ibkr: Hop;
}

/** Browser \u2192 server \u2192 gateway \u2192 IBKR: behind a broken hop nothing is known. */
export function pathOf(phase: LinkPhase, lostAt: number | null, feed: Freshness | null): Path {
	if (phase !== 'up') return { server: lostAt === null ? 'unknown' : 'broken', gateway: 'unknown', ibkr: 'unknown' };
	const gateway = hop(feed?.links.gateway);
	return { server: 'ok', gateway, ibkr: gateway === 'broken' ? 'unknown' : hop(feed?.links.ibkr) };
}

function hop(state: UpDown | undefined): Hop {
	return state === 'up' ? 'ok' : state === 'down' ? 'broken' : 'unknown';
}
