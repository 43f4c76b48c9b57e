import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Position, Summary } from '#lib/contract.ts';
import { StreamClient, type LinkPhase, type SocketLike } from './stream';

class FakeSocket implements SocketLike {
	readyState: number = WebSocket.OPEN;
	onopen: (() => void) | null = null;
	onmessage: ((event: { data: unknown }) => void) | null = null;
	onclose: ((event: { code: number; reason: string }) => void) | null = null;
	onerror: (() => void) | null = null;
	sent: { type: string; topics: unknown[] }[] = [];
	closed = false;

	send(text: string): void {
		this.sent.push(JSON.parse(text));
	}
	close(): void {
		this.closed = true;
	}
	say(message: object | string): void {
		this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
	}
	breakOff(code = 1006): void {
		this.onclose?.({ code, reason: '' });
	}
}

const row = (quantity: string) => ({ quantity }) as unknown as Position;
const both = [{ topic: 'positions' }, { topic: 'summary' }];

describe('StreamClient', () => {
	let sockets: FakeSocket[];
	let phases: LinkPhase[];
	let client: StreamClient;
	const listener = {
		changed: vi.fn(),
		phase: (phase: LinkPhase) => phases.push(phase),
		freshness: vi.fn(),
		links: vi.fn(),
		serverTime: vi.fn(),
		lost: vi.fn(),
		refused: vi.fn()
	};
	const socket = () => sockets.at(-1)!;
	const quantity = (id: string) => client.feeds.positions.rows.get(id)?.quantity;
	const snapshot = (seq = 1, data: object = { a: row('1') }, epoch = 'e1') =>
		socket().say({ type: 'snapshot', topic: 'positions', epoch, seq, data });
	const delta = (previous: number, seq: number, ops: object[], epoch = 'e1') =>
		socket().say({ type: 'delta', topic: 'positions', epoch, seq, prev_seq: previous, ops });
	const upsert = (key: string, value: string) => ({ op: 'upsert', key, value: row(value) });

	function live() {
		client.start();
		socket().say({ type: 'hello' });
		snapshot();
		socket().say({ type: 'snapshot', topic: 'summary', epoch: 's1', seq: 1, data: { ALL: {} as Summary } });
		socket().sent = [];
	}

	beforeEach(() => {
		vi.useFakeTimers();
		vi.clearAllMocks();
		sockets = [];
		phases = [];
		client = new StreamClient({
			open: () => {
				sockets.push(new FakeSocket());
				return socket();
			},
			listener,
			random: () => 1
		});
	});

	afterEach(() => {
		client.stop();
		vi.useRealTimers();
	});

	it('lets a socket that is not open yet open before it closes it', () => {
		client.start();
		socket().readyState = WebSocket.CONNECTING;
		client.stop();
		expect(socket().closed).toBe(false);
		socket().onopen?.();
		expect(socket().closed).toBe(true);
		expect(phases).toEqual(['connecting', 'idle']);
	});

	it('subscribes when it is greeted and shows what it is told', () => {
		client.start();
		client.start();
		expect(sockets).toHaveLength(1);
		expect(phases).toEqual(['connecting']);
		socket().say({ type: 'hello', server_time: '2026-11-20T12:00:00Z' });
		expect(phases).toEqual(['connecting', 'up']);
		expect(socket().sent).toEqual([{ type: 'subscribe', topics: both }]);
		expect(listener.serverTime).toHaveBeenCalledWith('2026-11-20T12:00:00Z');
		expect(client.feeds.positions.known).toBe(false);
		snapshot();
		expect(quantity('a')).toBe('1');
		expect(listener.changed).toHaveBeenCalled();
	});

	it('applies deltas that follow: changed, new and gone rows', () => {
		live();
		delta(1, 2, [upsert('a', '2'), upsert('b', '5')]);
		expect([quantity('a'), quantity('b')]).toEqual(['2', '5']);
		delta(2, 3, [{ op: 'delete', key: 'a' }]);
		expect(client.feeds.positions.rows.has('a')).toBe(false);
	});

	it('applies a frame once however often it comes', () => {
		live();
		delta(1, 2, [upsert('a', '2')]);
		delta(1, 2, [upsert('a', '999')]);
		expect(quantity('a')).toBe('2');
		expect(socket().sent).toEqual([]);
	});

	it('never applies what does not follow, and asks from where it stands', () => {
		live();
		delta(2, 3, [upsert('a', '3')]);
		expect(quantity('a')).toBe('1');
		expect(socket().sent).toEqual([{ type: 'subscribe', topics: [{ topic: 'positions', epoch: 'e1', after_seq: 1 }] }]);
		delta(3, 4, [upsert('a', '4')]);
		expect(socket().sent).toHaveLength(1);
		socket().say({ type: 'resumed', topic: 'positions', after_seq: 1, replayed: 3 });
		delta(1, 2, [upsert('a', '2')]);
		delta(2, 3, [upsert('a', '3')]);
		expect(quantity('a')).toBe('3');
	});

	it('begins anew in a new epoch', () => {
		live();
		delta(7, 8, [upsert('a', '8')], 'e2');
		expect(socket().sent).toEqual([{ type: 'subscribe', topics: [{ topic: 'positions' }] }]);
		expect(quantity('a')).toBe('1');
		snapshot(8, { c: row('8') }, 'e2');
		expect([...client.feeds.positions.rows.keys()]).toEqual(['c']);
	});

	it('sees from the heartbeat that something is missing', () => {
		live();
		socket().say({ type: 'heartbeat', seqs: { positions: 1, summary: 1, jobs: 4 } });
		expect(socket().sent).toEqual([]);
		socket().say({ type: 'heartbeat', seqs: { positions: 2, summary: 1 } });
		expect(socket().sent).toEqual([{ type: 'subscribe', topics: [{ topic: 'positions', epoch: 'e1', after_seq: 1 }] }]);
	});

	it('takes a fresh snapshot when the resume is not answered', () => {
		live();
		delta(5, 6, []);
		vi.advanceTimersByTime(5_000);
		expect(socket().sent.at(-1)).toEqual({ type: 'subscribe', topics: [{ topic: 'positions' }] });
	});

	it('keeps the rows on a reset until the snapshot replaces them', () => {
		live();
		socket().say({ type: 'reset', topic: 'positions', reason: 'slow' });
		expect(quantity('a')).toBe('1');
		delta(1, 2, [upsert('a', '2')]);
		expect(quantity('a')).toBe('1');
		snapshot(9, { z: row('9') });
		expect([...client.feeds.positions.rows.keys()]).toEqual(['z']);
		expect(socket().sent).toEqual([]);
	});

	it('resumes after a broken link and keeps the rows meanwhile', () => {
		live();
		delta(1, 2, [upsert('a', '2')]);
		socket().breakOff();
		expect(phases.at(-1)).toBe('down');
		expect(listener.lost).toHaveBeenCalledTimes(1);
		expect(quantity('a')).toBe('2');
		vi.advanceTimersByTime(500);
		socket().say({ type: 'hello' });
		expect(socket().sent[0]?.topics).toEqual([
			{ topic: 'positions', epoch: 'e1', after_seq: 2 },
			{ topic: 'summary', epoch: 's1', after_seq: 1 }
		]);
		delta(2, 3, [upsert('a', '3')]);
		expect(quantity('a')).toBe('3');
	});

	it('waits longer each time until the server really answers', () => {
		client.start();
		for (const wait of [500, 1_000, 2_000]) {
			socket().say({ type: 'hello' }); // A greeting alone proves nothing.
			socket().breakOff();
			const before = sockets.length;
			vi.advanceTimersByTime(wait - 1);
			expect(sockets).toHaveLength(before);
			vi.advanceTimersByTime(1);
			expect(sockets).toHaveLength(before + 1);
		}
		socket().say({ type: 'hello' });
		snapshot();
		socket().say({ type: 'resumed', topic: 'summary', after_seq: 0, replayed: 0 });
		socket().breakOff();
		vi.advanceTimersByTime(500);
		expect(phases.at(-1)).toBe('connecting');
	});

	it('holds a silent link for dead after fifteen seconds', () => {
		live();
		vi.advanceTimersByTime(14_000);
		expect(phases.at(-1)).toBe('up');
		socket().say({ type: 'heartbeat', seqs: {} });
		vi.advanceTimersByTime(14_000);
		expect(phases.at(-1)).toBe('up');
		vi.advanceTimersByTime(1_000);
		expect(phases.at(-1)).toBe('down');
		expect(sockets[0]?.closed).toBe(true);
	});

	it('comes back at once when the network does or somebody looks again', () => {
		live();
		socket().breakOff();
		client.wake();
		expect(phases.at(-1)).toBe('connecting');
		expect(sockets).toHaveLength(2);
		vi.advanceTimersByTime(60);
		client.wake();
		expect(sockets).toHaveLength(2);
	});

	it('finds on waking that the link died while the machine slept', () => {
		live();
		vi.setSystemTime(Date.now() + 3_600_000);
		client.wake();
		expect(phases.at(-1)).toBe('down');
	});

	it('comes back when it was told to', () => {
		live();
		socket().say({ type: 'bye', retry_after_ms: 7_000 });
		socket().breakOff(1001);
		vi.advanceTimersByTime(6_999);
		expect(sockets).toHaveLength(1);
		vi.advanceTimersByTime(1);
		expect(sockets).toHaveLength(2);
	});

	it('passes on links, freshness and refusals', () => {
		live();
		const block = { source: 'live' };
		socket().say({ type: 'status', links: { gateway: 'down', ibkr: 'unknown' }, freshness: block });
		expect(listener.links).toHaveBeenCalledWith({ gateway: 'down', ibkr: 'unknown' });
		expect(listener.freshness).toHaveBeenLastCalledWith(block, null);
		socket().say({ type: 'delta', topic: 'summary', epoch: 's1', seq: 2, prev_seq: 1, ops: [], freshness: block });
		expect(listener.freshness).toHaveBeenLastCalledWith(block, 'summary');
		socket().say({ type: 'error', code: 'bad_message', detail: 'no' });
		expect(listener.refused).toHaveBeenCalledWith('bad_message', 'no');
		socket().breakOff(1008);
		expect(listener.refused).toHaveBeenLastCalledWith('unauthorized', '');
	});

	it('survives what it does not know', () => {
		live();
		socket().say('{"type": "del');
		socket().say({ type: 'fireworks' });
		socket().say({ type: 'snapshot', topic: 'moon', epoch: 'x', seq: 1, data: {} });
		socket().say({ type: 'resumed', topic: 'moon', after_seq: 1, replayed: 0 });
		expect(phases.at(-1)).toBe('up');
	});

	it('is quiet after it is stopped', () => {
		live();
		const last = socket();
		client.stop();
		expect(last.closed).toBe(true);
		vi.advanceTimersByTime(60_000);
		expect(sockets).toHaveLength(1);
		expect(phases.at(-1)).toBe('idle');
	});
});
