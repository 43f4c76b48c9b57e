/** REST calls. Every answer also tells the server's time; every failure says what happened. */
import type {
	Account,
	Credentials,
	FirstUser,
	Job,
	Page,
	PositionEvent,
	Problem,
	Session,
	Snapshot,
	SnapshotRun
} from '#lib/contract.ts';

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

/** Whether it says nothing of what was asked: the server, or a proxy before it, cannot answer just now. */
export const passes = (error: unknown) =>
	error instanceof Unreachable || (error instanceof ApiError && (error.status >= 500 || error.status === 429));

/** A key under which asking again asks for nothing more. Also where the page is not served over TLS, and `crypto.randomUUID` is not there. */
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const TIMEOUT_MS = 10_000;

export class Api {
	constructor(
		private readonly onDate: (date: string | null) => void = () => {},
		private readonly fetcher: typeof fetch = (input, init) => fetch(input, init)
	) {}

	session(): Promise<Session> {
		return this.call('GET', 'session');
	}

	signIn(credentials: Credentials): Promise<void> {
		return this.call('POST', 'session', credentials);
	}

	/** Whether there is no user yet. */
	async setupNeeded(): Promise<boolean> {
		return (await this.call<{ needed: boolean }>('GET', 'setup')).needed;
	}

	/** Makes the first user, and signs in as them. */
	setUp(first: FirstUser): Promise<void> {
		return this.call('POST', 'setup', first);
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

	get<T>(path: string): Promise<T> {
		return this.call('GET', path);
	}

	/** Anything that changes something; the answer of a 204 is undefined. Sent again under the same `key` it changes nothing more. */
	send<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown, key?: string): Promise<T> {
		return this.call(method, path, body, key ? { 'idempotency-key': key } : {});
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
