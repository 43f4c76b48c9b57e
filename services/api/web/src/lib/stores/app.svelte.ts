/** The one state of the page: who is signed in, what the server says, and how well it can be heard. */
import { Api, ApiError, Unreachable } from '#lib/api.ts';
import {
	ALL,
	type Account,
	type Credentials,
	type FirstUser,
	type Freshness,
	type Links,
	type Position,
	type Summary,
	type Topic
} from '#lib/contract.ts';
import { Backoff } from '#lib/live/backoff.ts';
import { ServerClock } from '#lib/live/clock.ts';
import type { LinkPhase, SocketLike, StreamClient } from '#lib/live/stream.ts';
import { judge, pathOf, type Verdict } from '#lib/live/words.ts';

export type Access = 'checking' | 'signed_out' | 'signed_in' | 'unreachable';

/** However fast frames come, the page is redrawn at most this often. */
const REDRAW_MS = 100;
const ACCOUNTS_MS = 60_000;

export class App {
	access = $state<Access>('checking');
	profile = $state<string | null>(null);
	version = $state<string | null>(null);
	accounts = $state.raw<Account[] | null>(null);
	positions = $state.raw<Position[]>([]);
	summaries = $state.raw<ReadonlyMap<string, Summary>>(new Map());
	/** False until the first snapshot: an empty list is then not known to be empty. */
	positionsKnown = $state(false);
	summaryKnown = $state(false);
	phase = $state<LinkPhase>('idle');
	/** Since when the server cannot be heard, by this browser's clock. */
	lostAt = $state<number | null>(null);
	/** The server's time, moved on once a second so that ages grow. */
	now = $state(Date.now());
	/** Nothing but the set-up of a second factor is let through, until there is one. */
	factorDue = $state(false);
	feeds = $state.raw<Record<Topic, Freshness | null>>({ positions: null, summary: null });

	readonly all = $derived(this.summaries.get(ALL) ?? null);
	readonly perAccount = $derived(
		[...this.summaries.values()]
			.filter((row) => row.account !== ALL)
			.sort((a, b) => a.account.localeCompare(b.account))
	);
	readonly feed = $derived(this.feeds.summary ?? this.feeds.positions);
	readonly verdict = $derived<Verdict>(
		this.factorDue
			? { level: 'connecting', label: 'a second factor is needed', since: null, reason: null }
			: judge(this.phase, this.lostAt, this.feed, this.all?.freshness)
	);
	readonly path = $derived(pathOf(this.phase, this.lostAt, this.feed));
	readonly paper = $derived((this.accounts ?? []).some((account) => account.paper));
	/** What is at stake, always in sight. */
	readonly label = $derived(
		this.profile === 'demo' ? 'DEMO' : this.paper ? (this.accounts?.every((a) => a.paper) ? 'PAPER' : 'PAPER + REAL') : null
	);

	readonly clock = new ServerClock();
	readonly api: Api;
	private stream: StreamClient | null = null;
	private redraw: ReturnType<typeof setTimeout> | undefined;
	private retry: ReturnType<typeof setTimeout> | undefined;
	private readonly backoff = new Backoff(1_000, 15_000);

	constructor(
		private readonly openSocket: () => SocketLike = browserSocket,
		fetcher?: typeof fetch
	) {
		this.api = new Api((date) => this.clock.header(date), fetcher);
	}

	/** Returns what undoes it. */
	start(): () => void {
		const tick = setInterval(() => (this.now = this.clock.serverNow()), 1_000);
		// What an account is called may be changed elsewhere; its rows do not say so.
		const names = setInterval(() => this.phase === 'up' && document.visibilityState === 'visible' && void this.loadAccounts(), ACCOUNTS_MS);
		const wake = () => {
			if (document.visibilityState === 'hidden') return;
			this.now = this.clock.serverNow();
			if (this.access === 'unreachable') void this.enter();
			this.stream?.wake();
		};
		window.addEventListener('online', wake);
		document.addEventListener('visibilitychange', wake);
		void this.enter();
		return () => {
			clearInterval(tick);
			clearInterval(names);
			window.removeEventListener('online', wake);
			document.removeEventListener('visibilitychange', wake);
			this.leave();
		};
	}

	async signIn(credentials: Credentials): Promise<void> {
		await this.api.signIn(credentials);
		await this.enter();
	}

	async setUp(first: FirstUser): Promise<void> {
		await this.api.setUp(first);
		await this.enter();
	}

	async signOut(): Promise<void> {
		try {
			await this.api.signOut();
		} catch (error) {
			// A session that is gone already is as good as signed out; an unreachable server is not.
			if (!(error instanceof ApiError && error.status === 401)) throw error;
		}
		this.forget();
	}

	/** Asks who we are and, when the answer is good, goes live. */
	private async enter(): Promise<void> {
		clearTimeout(this.retry);
		const live = import('#lib/live/stream.ts'); // On its way while the session is asked for.
		live.catch(() => {}); // If it does not arrive, `listen` says so.
		try {
			const session = await this.api.session();
			this.profile = session.profile;
			this.version = session.version;
			this.access = 'signed_in';
			this.backoff.reset();
			void this.loadAccounts();
			await this.listen(live);
		} catch (error) {
			if (error instanceof ApiError && error.status === 401) {
				this.forget();
				return;
			}
			if (this.access !== 'signed_in') this.access = 'unreachable';
			this.retry = setTimeout(() => void this.enter(), this.backoff.next());
		}
	}

	private async listen(live: Promise<typeof import('#lib/live/stream.ts')>): Promise<void> {
		const { StreamClient } = await live;
		if (this.stream || this.access !== 'signed_in') return;
		this.stream = new StreamClient({
			open: this.openSocket,
			listener: {
				changed: () => this.scheduleRedraw(),
				phase: (phase) => this.phaseChanged(phase),
				freshness: (freshness, topic) => this.freshnessChanged(freshness, topic),
				links: (links) => this.linksChanged(links),
				serverTime: (at) => this.clock.message(at),
				lost: () => void this.checkSession(),
				refused: (code) => (code === 'second_factor_required' ? this.needFactor() : void this.checkSession())
			}
		});
		this.stream.start();
	}

	/** Asking again and again would come to the same. */
	private needFactor(): void {
		this.leave();
		this.factorDue = true;
	}

	/** There is a second factor now. */
	proved(): void {
		if (!this.factorDue) return;
		this.factorDue = false;
		void this.enter();
	}

	private leave(): void {
		clearTimeout(this.retry);
		clearTimeout(this.redraw);
		this.redraw = undefined;
		this.stream?.stop();
		this.stream = null;
	}

	/** Signed out: nothing of the account stays on the page. */
	private forget(): void {
		this.leave();
		this.access = 'signed_out';
		this.factorDue = false;
		this.accounts = null;
		this.positions = [];
		this.summaries = new Map();
		this.positionsKnown = false;
		this.summaryKnown = false;
		this.feeds = { positions: null, summary: null };
		this.lostAt = null;
	}

	private async checkSession(): Promise<void> {
		try {
			await this.api.session();
		} catch (error) {
			if (error instanceof ApiError && error.status === 401) this.forget();
		}
	}

	private async loadAccounts(): Promise<void> {
		try {
			this.accounts = await this.api.accounts();
		} catch (error) {
			// The live rows carry the account numbers; only alias and kind are missing until the next try.
			if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
		}
	}

	private phaseChanged(phase: LinkPhase): void {
		if (phase === 'up') {
			this.lostAt = null;
			void this.loadAccounts();
		}
		if (phase === 'down') this.lostAt ??= Date.now();
		this.phase = phase;
	}

	private freshnessChanged(freshness: Freshness, topic: Topic | null): void {
		this.clock.freshness(freshness);
		this.feeds = topic ? { ...this.feeds, [topic]: freshness } : { positions: freshness, summary: freshness };
	}

	private linksChanged(links: Links): void {
		const { positions, summary } = this.feeds;
		this.feeds = {
			positions: positions && { ...positions, links },
			summary: summary && { ...summary, links }
		};
	}

	private scheduleRedraw(): void {
		this.redraw ??= setTimeout(() => {
			this.redraw = undefined;
			const feeds = this.stream?.feeds;
			if (!feeds) return;
			this.positions = [...feeds.positions.rows.values()];
			this.summaries = new Map(feeds.summary.rows);
			this.positionsKnown = feeds.positions.known;
			this.summaryKnown = feeds.summary.known;
			this.now = this.clock.serverNow();
			this.welcomeNewAccounts();
		}, REDRAW_MS);
	}

	/** An account that appears in the live rows first: fetch its alias and whether it is a paper account. */
	private welcomeNewAccounts(): void {
		const known = new Set((this.accounts ?? []).map((account) => account.account));
		const names = this.perAccount.map((row) => row.account).filter((name) => !known.has(name));
		const key = names.join();
		if (key === this.askedFor) return;
		this.askedFor = key;
		if (names.length > 0) void this.loadAccounts();
	}
	private askedFor = '';
}

function browserSocket(): SocketLike {
	const url = new URL('/api/v1/stream', location.href);
	url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
	return new WebSocket(url) as unknown as SocketLike;
}

export const app = new App();
