import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SocketLike } from '#lib/live/stream.ts';
import { App } from './app.svelte';

const LINKS = { gateway: 'up', ibkr: 'up' };
const FRESH = { source: 'live', as_of: '2026-11-20T12:00:00Z', received_at: null, age_seconds: 1, stale: false, reason: null, links: LINKS };

function answer(status: number, body: unknown = null): Response {
	return new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { date: 'Fri, 20 Nov 2026 12:00:00 GMT' } });
}

describe('App', () => {
	let socket: SocketLike | null;
	let server: Record<string, () => Response>;
	let asked: string[];
	let sent: unknown[];
	let app: App;
	let stop: () => void;

	const say = (message: object) => socket?.onmessage?.({ data: JSON.stringify(message) });
	const settle = () => vi.advanceTimersByTimeAsync(150);

	beforeEach(async () => {
		await import('#lib/live/stream.ts');
		vi.useFakeTimers({ now: Date.parse('2026-11-20T11:00:00Z') });
		socket = null;
		asked = [];
		sent = [];
		server = {
			'GET session': () => answer(200, { authenticated: true, profile: 'main', version: '1.2.3' }),
			'GET accounts': () => answer(200, { items: [{ account: 'U1', alias: null, base_currency: 'USD', paper: true }] })
		};
		const fetcher = async (input: RequestInfo | URL, init?: RequestInit) => {
			const call = `${init?.method} ${String(input).replace('/api/v1/', '')}`;
			asked.push(call);
			if (typeof init?.body === 'string') sent.push(JSON.parse(init.body));
			const found = server[call];
			if (!found) throw new TypeError('network');
			return found();
		};
		app = new App(() => {
			socket = { readyState: 1, onopen: null, onmessage: null, onclose: null, onerror: null, send: vi.fn(), close: vi.fn() };
			return socket;
		}, fetcher as typeof fetch);
	});

	afterEach(() => {
		stop?.();
		vi.useRealTimers();
	});

	async function live() {
		stop = app.start();
		await settle();
		say({ type: 'hello', server_time: '2026-11-20T12:00:00Z' });
		say({ type: 'snapshot', topic: 'summary', epoch: 'e', seq: 1, data: { ALL: { account: 'ALL', freshness: FRESH }, U1: { account: 'U1' } }, freshness: FRESH });
		say({ type: 'snapshot', topic: 'positions', epoch: 'e', seq: 1, data: { p: { id: 'p', freshness: FRESH } }, freshness: FRESH });
		await settle();
	}

	it('goes live with the session it finds, and tells a paper account', async () => {
		await live();
		expect(app.access).toBe('signed_in');
		expect(app.label).toBe('PAPER');
		expect(app.version).toBe('1.2.3');
		expect(app.verdict.level).toBe('live');
		expect(app.all?.account).toBe('ALL');
		expect(app.perAccount.map((row) => row.account)).toEqual(['U1']);
		expect(app.positions.map((row) => row.id)).toEqual(['p']);
		expect(Math.abs(app.now - Date.parse('2026-11-20T12:00:00Z'))).toBeLessThan(2_000);
	});

	it('tells the demo from everything else', async () => {
		server['GET session'] = () => answer(200, { authenticated: true, profile: 'demo', version: '1' });
		await live();
		expect(app.label).toBe('DEMO');
	});

	it('has no label to frighten with for real accounts, and says when both are mixed', async () => {
		const accounts = [{ account: 'U1', paper: false }];
		server['GET accounts'] = () => answer(200, { items: accounts });
		await live();
		expect(app.label).toBeNull();
		app.accounts = [{ account: 'U1', paper: false }, { account: 'DU2', paper: true }] as typeof app.accounts;
		expect(app.label).toBe('PAPER + REAL');
	});

	it('asks for the token when there is no session, and enters with it', async () => {
		const session = server['GET session']!;
		server['GET session'] = () => answer(401, { code: 'unauthorized', detail: 'Sign in.' });
		server['POST session'] = () => {
			server['GET session'] = session;
			return answer(204);
		};
		stop = app.start();
		await settle();
		expect(app.access).toBe('signed_out');
		expect(socket).toBeNull();
		await app.signIn({ token: 'token' });
		expect(app.access).toBe('signed_in');
	});

	it('signs in by name, and as the first user where there is none', async () => {
		for (const path of ['POST session', 'POST setup']) server[path] = () => answer(204);
		server['GET setup'] = () => answer(200, { needed: true });
		expect(await app.api.setupNeeded()).toBe(true);
		await app.signIn({ name: 'anna', password: 'violin' });
		expect(app.access).toBe('signed_in');
		await app.setUp({ setup_token: 's', name: 'anna', password: 'violin' });
		expect(sent).toEqual([{ name: 'anna', password: 'violin' }, { setup_token: 's', name: 'anna', password: 'violin' }]);
	});

	it('says what the server says when the token is refused', async () => {
		server['POST session'] = () => answer(401, { code: 'unauthorized', title: 'No', detail: 'Not this one.' });
		await expect(app.signIn({ token: 'x' })).rejects.toMatchObject({ status: 401, code: 'unauthorized', message: 'Not this one.' });
		server['POST session'] = () => new Response('<html>', { status: 502 });
		await expect(app.signIn({ token: 'x' })).rejects.toMatchObject({ status: 502, message: 'The server answered 502.' });
		delete server['POST session'];
		await expect(app.signIn({ token: 'x' })).rejects.toThrow('does not answer');
	});

	it('keeps trying while the server is away at the start', async () => {
		const session = server['GET session']!;
		delete server['GET session'];
		stop = app.start();
		await settle();
		expect(app.access).toBe('unreachable');
		server['GET session'] = session;
		await vi.advanceTimersByTimeAsync(16_000);
		expect(app.access).toBe('signed_in');
	});

	it('keeps the figures when its own link breaks, and marks them', async () => {
		await live();
		socket?.onclose?.({ code: 1006, reason: '' });
		await settle();
		expect(app.verdict).toMatchObject({ level: 'offline', label: 'last known' });
		expect(app.positions).toHaveLength(1);
		expect(app.path.server).toBe('broken');
		say({ type: 'hello' });
	});

	it('forgets everything when the session has ended', async () => {
		await live();
		server['GET session'] = () => answer(401, {});
		socket?.onclose?.({ code: 1008, reason: '' });
		await settle();
		expect(app.access).toBe('signed_out');
		expect([app.positions.length, app.summaries.size, app.accounts]).toEqual([0, 0, null]);
	});

	it('signs out, also when the session is gone already, but not when nobody heard it', async () => {
		await live();
		await expect(app.signOut()).rejects.toThrow('does not answer');
		expect(app.access).toBe('signed_in');
		server['DELETE session'] = () => answer(401, {});
		await app.signOut();
		expect(app.access).toBe('signed_out');
	});

	it('says that a second factor is needed, asks no more, and goes on when there is one', async () => {
		stop = app.start();
		await settle();
		const refused = socket;
		say({ type: 'error', code: 'second_factor_required', detail: 'Set one up.' });
		refused?.onclose?.({ code: 4401, reason: 'second_factor_required' });
		await vi.advanceTimersByTimeAsync(90_000);
		expect([app.factorDue, app.verdict.label, socket === refused]).toEqual([true, 'a second factor is needed', true]);
		app.proved();
		await settle();
		expect([app.factorDue, socket === refused]).toEqual([false, false]);
	});

	it('follows links and status without new rows', async () => {
		await live();
		say({ type: 'status', links: { gateway: 'down', ibkr: 'unknown' } });
		expect(app.path.gateway).toBe('broken');
		say({ type: 'status', freshness: { ...FRESH, source: 'last_known', stale: true, reason: 'ib_1100' } });
		expect(app.verdict).toMatchObject({ level: 'last_known', reason: { code: 'ib_1100' } });
	});

	it('fetches the accounts again when the rows name a new one, once', async () => {
		await live();
		const before = asked.filter((call) => call === 'GET accounts').length;
		say({ type: 'delta', topic: 'summary', epoch: 'e', seq: 2, prev_seq: 1, ops: [{ op: 'upsert', key: 'U9', value: { account: 'U9' } }] });
		await settle();
		say({ type: 'delta', topic: 'summary', epoch: 'e', seq: 3, prev_seq: 2, ops: [{ op: 'upsert', key: 'U9', value: { account: 'U9' } }] });
		await settle();
		expect(asked.filter((call) => call === 'GET accounts').length).toBe(before + 1);
	});
});
