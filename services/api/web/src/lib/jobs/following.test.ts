import { beforeEach, describe, expect, it } from 'vitest';
import { Api } from '#lib/api.ts';
import type { Job } from '#lib/contract.ts';
import { Following } from './following.svelte.ts';

const job = (status: string, error: string | null = null) => ({ id: 'j', kind: 'import', status, progress: null, error }) as unknown as Job;

describe('Following', () => {
	let answers: (Job | number | 'lost')[];
	let asked: number;
	let work: Following;
	let meanwhile: () => void;

	beforeEach(() => {
		asked = 0;
		meanwhile = () => {};
		const api = new Api(undefined, async () => {
			asked += 1;
			const answer = answers.shift() ?? job('queued');
			if (answer === 'lost') throw new TypeError('network');
			return typeof answer === 'number' ? new Response('<html>', { status: answer }) : Response.json({ job: answer });
		});
		work = new Following(api, async () => meanwhile());
	});

	it('goes on while the server, or a proxy before it, cannot answer', async () => {
		answers = [502, 'lost', 503, 429, job('running'), job('succeeded')];
		expect(await work.run(async () => job('queued'))).toMatchObject({ status: 'succeeded' });
		expect([work.phase, asked]).toEqual(['succeeded', 6]);
	});

	it('ends with what the job, or the server, says of it', async () => {
		answers = [job('failed', 'The file is not readable.')];
		expect(await work.run(async () => job('queued'))).toBeNull();
		expect([work.phase, work.problem]).toEqual(['failed', 'The file is not readable.']);
		answers = [404];
		expect(await work.run(async () => job('queued'))).toBeNull();
		expect(work.phase).toBe('failed');
	});

	it('asks no more when nobody looks', async () => {
		answers = [];
		meanwhile = () => asked === 3 && work.reset();
		expect(await work.run(async () => job('queued'))).toBeNull();
		expect([work.phase, asked]).toEqual(['idle', 4]);
	});
});
