/** Saving a snapshot: asked for once, followed to its end, and told in a sentence. */
import { ApiError, newKey, passes, Unreachable, type Api } from '#lib/api.ts';
import type { Job, Snapshot, SnapshotFailure } from '#lib/contract.ts';

export type Outcome =
	/** `listed` is false where it was saved, and what was saved could not be read. */
	| { kind: 'saved'; snapshots: Snapshot[]; failures: SnapshotFailure[]; listed: boolean }
	| { kind: 'failed'; failures: SnapshotFailure[]; message: string };

const ASK_TRIES = 4;
const FIRST_MS = 300;
const MOST_MS = 2_000;
/** A worker takes a snapshot within seconds; what takes longer waits for one. */
const PATIENCE_MS = 60_000;
const NOBODY = 'No worker has taken it up yet. It stays asked for: is Lotkeeper’s worker running?';

export class Saving {
	busy = $state(false);
	outcome = $state.raw<Outcome | null>(null);
	/** The newest there is, whoever asked for it; undefined: not known yet. */
	last = $state.raw<Snapshot | null | undefined>(undefined);

	constructor(
		private readonly api: Api,
		private readonly wait = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds))
	) {}

	async refresh(): Promise<void> {
		try {
			this.last = (await this.api.snapshots(1))[0] ?? null;
		} catch (error) {
			// What was known stays; the page says elsewhere that the server is away.
			if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
		}
	}

	async save(): Promise<void> {
		if (this.busy) return;
		this.busy = true;
		this.outcome = null;
		try {
			const job = await this.follow(await this.ask(newKey()));
			this.outcome = await this.told(job).catch((error: unknown) => unread(job, error));
		} catch (error) {
			if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
			this.outcome = { kind: 'failed', failures: [], message: error.message };
		} finally {
			this.busy = false;
		}
		await this.refresh();
	}

	/** Under one key, so that an answer that got lost makes no second snapshot. */
	private async ask(key: string): Promise<Job> {
		for (let attempt = 1; ; attempt += 1) {
			try {
				return await this.api.saveSnapshot(key);
			} catch (error) {
				if (!(error instanceof Unreachable) || attempt === ASK_TRIES) throw error;
				await this.wait(MOST_MS);
			}
		}
	}

	private async follow(job: Job): Promise<Job> {
		let pause = FIRST_MS;
		for (let waited = 0; job.status === 'queued' || job.status === 'running'; waited += pause) {
			if (waited >= PATIENCE_MS) throw new Unreachable(NOBODY);
			await this.wait(pause);
			pause = Math.min(MOST_MS, pause * 1.5);
			try {
				job = await this.api.job(job.id);
			} catch (error) {
				if (!passes(error)) throw error;
			}
		}
		return job;
	}

	private async told(job: Job): Promise<Outcome> {
		const run = (await this.api.snapshotRuns(20)).find((one) => one.job_id === job.id);
		const failures = run?.failures ?? [];
		if (job.status === 'failed') {
			return { kind: 'failed', failures, message: job.error ?? 'No snapshot could be taken.' };
		}
		const taken = Math.min(500, Math.max(1, run?.taken ?? 1) + 20);
		const snapshots = (await this.api.snapshots(taken)).filter((one) => one.run_id === run?.id);
		return { kind: 'saved', snapshots, failures, listed: true };
	}
}

/** The job has ended, and nothing but its lists cannot be read: whether it was saved is known all the same. */
function unread(job: Job, error: unknown): Outcome {
	if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
	if (job.status !== 'failed') return { kind: 'saved', snapshots: [], failures: [], listed: false };
	return { kind: 'failed', failures: [], message: job.error ?? 'No snapshot could be taken.' };
}
