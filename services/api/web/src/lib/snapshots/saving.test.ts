import { beforeEach, describe, expect, it } from 'vitest';
import { Api } from '#lib/api.ts';
import { Saving } from './saving.svelte.ts';
import { whyNot } from './words.ts';

const SNAPSHOT = { id: 7, run_id: 3, account: 'U1', asof_ts: '2026-11-20T12:00:00Z', coverage: '0.965' };
const RUN = { id: 3, job_id: 'j', taken: 1, failures: [] as object[] };

describe('Saving', () => {
	let asked: { call: string; key: string | null }[];
	let answers: Record<string, (object | 'lost')[]>;
	let waited: number;
	let saving: Saving;

	beforeEach(() => {
		asked = [];
		waited = 0;
		answers = {
			'POST snapshots': [{ job: { id: 'j', status: 'queued' } }],
			'GET jobs/j': [{ job: { id: 'j', status: 'running' } }, { job: { id: 'j', status: 'succeeded', error: null } }],
			'GET snapshots/runs?limit=20': [{ items: [RUN] }],
			'GET snapshots?limit=21': [{ items: [SNAPSHOT, { ...SNAPSHOT, run_id: 2 }] }],
			'GET snapshots?limit=1': [{ items: [SNAPSHOT] }]
		};
		const api = new Api(undefined, (input, init) => {
			const call = `${init?.method} ${String(input).replace('/api/v1/', '')}`;
			asked.push({ call, key: new Headers(init?.headers).get('idempotency-key') });
			const left = answers[call] ?? ['lost' as const];
			const answer = left.length > 1 ? left.shift()! : left[0]!;
			if (answer === 'lost') return Promise.reject(new TypeError('network'));
			return Promise.resolve(Response.json(answer));
		});
		saving = new Saving(api, (milliseconds) => {
			waited += milliseconds;
			return Promise.resolve();
		});
	});

	it('follows its job to the end and tells what was kept', async () => {
		const done = saving.save();
		expect(saving.busy).toBe(true);
		void saving.save();
		await done;
		expect(saving.busy).toBe(false);
		expect(saving.outcome).toEqual({ kind: 'saved', snapshots: [SNAPSHOT], failures: [], listed: true });
		expect(saving.last).toEqual(SNAPSHOT);
		expect(asked.filter((one) => one.call === 'POST snapshots')).toHaveLength(1);
	});

	it('asks again under the same key when the answer got lost, and under another the next time', async () => {
		answers['POST snapshots'] = ['lost', { job: { id: 'j', status: 'succeeded' } }];
		answers['GET jobs/j'] = [];
		await saving.save();
		await saving.save();
		const keys = asked.filter((one) => one.call === 'POST snapshots').map((one) => one.key);
		expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
		expect(keys[1]).toBe(keys[0]);
		expect(keys[2]).not.toBe(keys[0]);
	});

	it('goes on following while the server is away for a moment', async () => {
		answers['GET jobs/j'] = ['lost', 'lost', { job: { id: 'j', status: 'succeeded' } }];
		await saving.save();
		expect(saving.outcome?.kind).toBe('saved');
	});

	it('tells why nothing was kept', async () => {
		const failures = [{ account: 'U1', category: 'network', reason: 'needs_login' }];
		answers['GET jobs/j'] = [{ job: { id: 'j', status: 'failed', error: 'No snapshot could be taken.' } }];
		answers['GET snapshots/runs?limit=20'] = [{ items: [{ ...RUN, taken: 0, failures }] }];
		await saving.save();
		expect(saving.outcome).toEqual({ kind: 'failed', failures, message: 'No snapshot could be taken.' });
	});

	it('does not say that nothing was saved because what was saved cannot be read', async () => {
		for (const lost of ['GET snapshots/runs?limit=20', 'GET snapshots?limit=21']) {
			const answer = answers[lost]!;
			answers['GET jobs/j'] = [{ job: { id: 'j', status: 'succeeded', error: null } }];
			answers[lost] = ['lost'];
			await saving.save();
			expect(saving.outcome).toEqual({ kind: 'saved', snapshots: [], failures: [], listed: false });
			answers[lost] = answer;
		}
		answers['GET snapshots/runs?limit=20'] = ['lost'];
		answers['GET jobs/j'] = [{ job: { id: 'j', status: 'failed', error: 'The gateway is away.' } }];
		await saving.save();
		expect(saving.outcome).toEqual({ kind: 'failed', failures: [], message: 'The gateway is away.' });
	});

	it('gives up after a minute if nobody takes it up, or if nothing answers at all', async () => {
		answers['GET jobs/j'] = [{ job: { id: 'j', status: 'queued' } }];
		await saving.save();
		expect(saving.outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('worker') });
		expect(waited).toBeLessThan(70_000);
		answers['POST snapshots'] = ['lost'];
		await saving.save();
		expect(saving.outcome).toMatchObject({ kind: 'failed', message: 'Lotkeeper does not answer.' });
		expect(saving.busy).toBe(false);
	});
});

it('has words for every reason', () => {
	expect(whyNot('needs_login')).toBe('IB Gateway needs a login');
	expect(whyNot('incomplete: positions')).toBe('the broker has not told the positions in full');
	expect(whyNot('missing: NetLiquidation')).toBe('the broker has not told the net liquidation value');
	expect(whyNot('not a number: NetLiquidation')).toContain('is no number');
	expect(whyNot('old: NetLiquidation')).toContain('minutes ago and not since');
	expect(whyNot('the clock was set back: what was told last is of a time to come')).toContain('the clock was set back');
});
