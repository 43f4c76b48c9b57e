/** The page reads the very replies and messages that the server's tests have on file. */
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it, vi } from 'vitest';
import { Api, ApiError } from './api';
import type { Position, ServerMessage, Summary } from './contract.ts';
import { StreamClient, type SocketLike } from './live/stream';
import type { PositionPage, PositionsDelta, PositionsSnapshot, SummarySnapshot } from './schema.ts';

const FILES = resolve(process.cwd(), '../../../tests/data/contract');
const recorded = <T>(name: string): T => JSON.parse(readFileSync(`${FILES}/${name}.json`, 'utf-8')) as T;
const names = readdirSync(FILES).map((file) => file.replace(/\.json$/, ''));

function following() {
	const socket: SocketLike = {
		readyState: 1,
		onopen: null,
		onmessage: null,
		onclose: null,
		onerror: null,
		send: vi.fn(),
		close: vi.fn()
	};
	const listener = {
		changed: vi.fn(),
		phase: vi.fn(),
		freshness: vi.fn(),
		links: vi.fn(),
		serverTime: vi.fn(),
		lost: vi.fn(),
		refused: vi.fn()
	};
	const client = new StreamClient({ open: () => socket, listener });
	client.start();
	const say = (name: string) => socket.onmessage?.({ data: JSON.stringify(recorded<ServerMessage>(name)) });
	return { client, listener, say };
}

it('shows the rows that the recorded messages tell of', () => {
	const { client, listener, say } = following();
	for (const name of ['ws-hello', 'ws-status', 'ws-snapshot-positions', 'ws-snapshot-summary']) say(name);
	const { data, freshness } = recorded<PositionsSnapshot>('ws-snapshot-positions');
	expect(Object.fromEntries(client.feeds.positions.rows)).toEqual(data);
	expect(Object.fromEntries(client.feeds.summary.rows)).toEqual(
		recorded<SummarySnapshot>('ws-snapshot-summary').data
	);
	expect(listener.freshness).toHaveBeenCalledWith(freshness, 'positions');
	say('ws-delta-positions');
	for (const op of recorded<PositionsDelta>('ws-delta-positions').ops) {
		if (op.op === 'upsert') expect(client.feeds.positions.rows.get(op.key)).toEqual(op.value);
	}
	expect(client.feeds.positions.waiting).toBe(false);
	client.stop();
});

it('takes every recorded message as it comes', () => {
	const { client, say } = following();
	for (const name of names.filter((each) => each.startsWith('ws-'))) say(name);
	client.stop();
});

it('the rows of REST are those of the stream', () => {
	const page = recorded<PositionPage>('positions');
	const told = recorded<PositionsSnapshot>('ws-snapshot-positions').data;
	expect(page.items.map((row: Position) => row.id).sort()).toEqual(Object.keys(told).sort());
	for (const row of page.items) expect(told[row.id]).toEqual(row);
	const summary = recorded<Summary>('summary-all');
	expect(recorded<SummarySnapshot>('ws-snapshot-summary').data['ALL']).toEqual(summary);
});

it('reads the recorded problems as such', async () => {
	for (const name of names.filter((each) => each.startsWith('problem-'))) {
		const problem = recorded<{ status: number; code: string }>(name);
		const api = new Api(undefined, () =>
			Promise.resolve(
				Response.json(problem, {
					status: problem.status,
					headers: { 'content-type': 'application/problem+json' }
				})
			)
		);
		await expect(api.events('p')).rejects.toBeInstanceOf(ApiError);
	}
});
