/** Long work that was asked for: followed to its end, with the progress that the server tells. */
import { onDestroy } from 'svelte';
import { ApiError, passes, Unreachable, type Api } from '#lib/api.ts';
import type { Job } from '#lib/contract.ts';
import { app } from '#lib/stores/app.svelte.ts';

const FIRST_MS = 250;
const MOST_MS = 2_000;
/** After this long in the queue the reader is told why nothing happens; it stays asked for. */
const PATIENCE_MS = 30_000;

export type Phase = 'idle' | 'sending' | 'queued' | 'running' | 'succeeded' | 'failed';

/** Until the component that asks is gone. Call it while one is made. */
export function following(): Following {
	const work = new Following(app.api);
	onDestroy(() => work.reset());
	return work;
}

export class Following {
	phase = $state<Phase>('idle');
	/** A fraction from 0 to 1 as the server tells it; null: it does not say. */
	progress = $state<string | null>(null);
	problem = $state<string | null>(null);
	job = $state.raw<Job | null>(null);
	/** Nobody has taken it up for a while. */
	waitsLong = $state(false);
	private attempt = 0;

	constructor(
		private readonly api: Api,
		private readonly wait = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds))
	) {}

	get busy(): boolean {
		return this.phase === 'sending' || this.phase === 'queued' || this.phase === 'running';
	}

	/** Asks with `ask` and follows what it is answered; returns the job that succeeded, else null. */
	async run(ask: (told: (sent: number) => void) => Promise<Job>): Promise<Job | null> {
		if (this.busy) return null;
		const mine = ++this.attempt;
		this.phase = 'sending';
		this.problem = this.progress = this.job = null;
		this.waitsLong = false;
		try {
			const asked = await ask((sent) => (this.progress = String(sent)));
			return await this.follow(asked, mine);
		} catch (error) {
			if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
			if (mine !== this.attempt) return null;
			this.phase = 'failed';
			this.problem = error.message;
			return null;
		}
	}

	reset(): void {
		this.attempt += 1;
		this.phase = 'idle';
		this.problem = this.progress = this.job = null;
	}

	private async follow(job: Job, mine: number): Promise<Job | null> {
		let pause = FIRST_MS;
		for (let waited = 0; ; waited += pause) {
			if (mine !== this.attempt) return null;
			this.job = job;
			this.progress = job.progress;
			if (job.status === 'succeeded' || job.status === 'failed') break;
			this.phase = job.status === 'running' ? 'running' : 'queued';
			this.waitsLong = this.phase === 'queued' && waited >= PATIENCE_MS;
			await this.wait(pause);
			pause = Math.min(MOST_MS, pause * 1.4);
			try {
				job = await this.api.job(job.id);
			} catch (error) {
				// The server is away for a moment: the work goes on without us.
				if (!passes(error)) throw error;
			}
		}
		this.phase = job.status === 'succeeded' ? 'succeeded' : 'failed';
		this.problem = job.status === 'failed' ? (job.error ?? 'It failed; the log says more.') : null;
		return job.status === 'succeeded' ? job : null;
	}
}
