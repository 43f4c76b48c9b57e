/** REST calls. Every answer also tells the server's time; every failure says what happened. */
import type { Account, Job, Page, PositionEvent, Problem, Session, Snapshot, SnapshotRun } from '#lib/contract.ts';

export class ApiError extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		message: string
	) {
		super(message);
	}
}

/** Nothing answered at all. */
export class Unreachable extends Error {}

const TIMEOUT_MS = 10_000;

export class Api {
	constructor(
		private readonly onDate: (date: string | null) => void = () => {},
		private readonly fetcher: typeof fetch = (input, init) => fetch(input, init)
	) {}

	session(): Promise<Session> {
		return this.call('GET', 'session');
	}

	signIn(token: string): Promise<void> {
		return this.call('POST', 'session', { token });
	}

	signOut(): Promise<void> {
		return this.call('DELETE', 'session');
	}

	async accounts(): Promise<Account[]> {
		return (await this.call<Page<Account>>('GET', 'accounts')).items;
	}

	/** All of them, oldest first: the newest stand on the last page. */
	async events(positionId: string): Promise<PositionEvent[]> {
		const path = `positions/${encodeURIComponent(positionId)}/events?limit=500`;
		const found: PositionEvent[] = [];
		for (let cursor: string | null = ''; cursor !== null;) {
			const place = cursor && `&cursor=${encodeURIComponent(cursor)}`;
			const page: Page<PositionEvent> = await this.call('GET', path + place);
			found.push(...page.items);
			cursor = page.next_cursor;
		}
		return found;
	}

	/** Newest first. */
	async snapshots(limit: number): Promise<Snapshot[]> {
		return (await this.call<Page<Snapshot>>('GET', `snapshots?limit=${limit}`)).items;
	}

	async snapshotRuns(limit: number): Promise<SnapshotRun[]> {
		return (await this.call<Page<SnapshotRun>>('GET', `snapshots/runs?limit=${limit}`)).items;
	}

	/** Asked again under the same key it is the same job, so that a lost answer may be asked for again. */
	async saveSnapshot(key: string): Promise<Job> {
		return (await this.call<{ job: Job }>('POST', 'snapshots', undefined, { 'idempotency-key': key })).job;
	}

	async job(id: string): Promise<Job> {
		return (await this.call<{ job: Job }>('GET', `jobs/${encodeURIComponent(id)}`)).job;
	}

	private async call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
		const response = await this.reach(method, path, body, headers);
		this.onDate(response.headers.get('date'));
		if (!response.ok) throw await problemOf(response);
		return (response.status === 204 ? undefined : await response.json()) as T;
	}

	private async reach(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Response> {
		try {
			return await this.fetcher(`/api/v1/${path}`, {
				method,
				credentials: 'same-origin',
				cache: 'no-store',
				signal: AbortSignal.timeout(TIMEOUT_MS),
				headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
				body: body === undefined ? null : JSON.stringify(body)
			});
		} catch (error) {
			throw new Unreachable('Lotkeeper does not answer.', { cause: error });
		}
	}
}

async function problemOf(response: Response): Promise<ApiError> {
	const fallback = `The server answered ${response.status}.`;
	try {
		const problem = (await response.json()) as Partial<Problem>;
		return new ApiError(response.status, problem.code ?? '', problem.detail ?? problem.title ?? fallback);
	} catch {
		return new ApiError(response.status, '', fallback);
	}
}
