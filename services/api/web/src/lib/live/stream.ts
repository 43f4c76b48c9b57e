/**
 * The live link to the server: one WebSocket, any number of topics, back by itself.
 *
 * The session cookie signs it in. The sequence numbers decide what is believed: a frame that does not follow
 * the last one is never applied, the topic is asked for again instead.
 */
import type { Freshness, Links, ServerMessage, Subscription, Topic, TopicRows } from '#lib/contract.ts';
import { Backoff } from './backoff';
import { Feed } from './feed';

export type LinkPhase = 'idle' | 'connecting' | 'up' | 'down';

/** The part of WebSocket that is used, so that a test can stand in for the browser. */
export interface SocketLike {
	readonly readyState: number;
	onopen: (() => void) | null;
	onmessage: ((event: { data: unknown }) => void) | null;
	onclose: ((event: { code: number; reason: string }) => void) | null;
	onerror: (() => void) | null;
	send(text: string): void;
	close(code?: number, reason?: string): void;
}

type Frame = Extract<ServerMessage, { type: 'snapshot' | 'delta' }>;
export type Feeds = { [T in Topic]: Feed<TopicRows[T]> };

export interface StreamListener {
	/** Rows or their places changed. */
	changed(): void;
	phase(phase: LinkPhase): void;
	/** Without a topic it is the whole feed's state. */
	freshness(freshness: Freshness, topic: Topic | null): void;
	links(links: Links): void;
	serverTime(at: string): void;
	/** The link broke or was refused: a good moment to ask whether the session still stands. */
	lost(): void;
	refused(code: string, detail: string): void;
}

export interface StreamOptions {
	open: () => SocketLike;
	listener: StreamListener;
	now?: () => number;
	random?: () => number;
}

export const DEAD_AFTER_MS = 15_000;
/** As in WebSocket, which is not there where a test stands in for the browser. */
const CONNECTING = 0;
const WATCH_EVERY_MS = 1_000;
/** A resume that is not answered by then is given up for a fresh snapshot. */
const ANSWER_WITHIN_MS = 5_000;
/** Link went away in a way that a refused session does: policy violation, and our own 4401. */
const UNAUTHORIZED = new Set([1008, 4401, 4403]);

export class StreamClient {
	readonly feeds: Feeds = { positions: new Feed(), summary: new Feed() };
	phase: LinkPhase = 'idle';

	private socket: SocketLike | null = null;
	private readonly backoff: Backoff;
	private readonly now: () => number;
	private retryTimer: ReturnType<typeof setTimeout> | undefined;
	private watchTimer: ReturnType<typeof setInterval> | undefined;
	private heardAt = 0;
	private retryAfterMs: number | null = null;
	private readonly askedAt = new Map<Topic, number>();

	constructor(private readonly options: StreamOptions) {
		this.now = options.now ?? Date.now;
		this.backoff = new Backoff(500, 30_000, options.random);
	}

	start(): void {
		if (this.phase !== 'idle') return;
		this.watchTimer = setInterval(() => this.watch(), WATCH_EVERY_MS);
		this.connect();
	}

	stop(): void {
		clearTimeout(this.retryTimer);
		clearInterval(this.watchTimer);
		this.drop();
		this.setPhase('idle');
	}

	/** The network is back or somebody is looking again: do not sit out the rest of the wait. */
	wake(): void {
		if (this.phase === 'down') this.connect();
		else this.watch();
	}

	private connect(): void {
		clearTimeout(this.retryTimer);
		this.drop();
		this.retryAfterMs = null;
		this.heardAt = this.now();
		this.setPhase('connecting');
		const socket = this.options.open();
		this.socket = socket;
		socket.onmessage = (event) => this.receive(socket, event.data);
		socket.onclose = (event) => this.closed(socket, event.code);
		socket.onerror = null; // A close always follows, and says more.
	}

	private drop(): void {
		const socket = this.socket;
		this.socket = null;
		if (!socket) return;
		socket.onmessage = null;
		socket.onclose = null;
		// Browsers complain aloud of a socket that is closed before it is open.
		if (socket.readyState === CONNECTING) socket.onopen = () => socket.close();
		else socket.close();
	}

	private closed(socket: SocketLike, code: number): void {
		if (socket !== this.socket) return;
		this.socket = null;
		if (UNAUTHORIZED.has(code)) this.options.listener.refused('unauthorized', '');
		this.lose();
	}

	private lose(): void {
		for (const feed of Object.values(this.feeds)) feed.waiting = true;
		const jitter = this.backoff.next();
		this.retryTimer = setTimeout(() => this.connect(), this.retryAfterMs ?? jitter);
		this.retryAfterMs = null;
		this.setPhase('down');
		this.options.listener.lost();
	}

	/** A link that is open but silent is not a link: the server's heartbeat comes every five seconds. */
	private watch(): void {
		if (this.socket === null) return;
		if (this.now() - this.heardAt >= DEAD_AFTER_MS) {
			this.drop();
			this.lose();
			return;
		}
		if (this.phase !== 'up') return;
		for (const [topic, askedAt] of this.askedAt) {
			if (this.now() - askedAt < ANSWER_WITHIN_MS) continue;
			this.feeds[topic].forget();
			this.subscribe([topic]);
		}
	}

	private receive(socket: SocketLike, data: unknown): void {
		if (socket !== this.socket || typeof data !== 'string') return;
		this.heardAt = this.now();
		let message: ServerMessage;
		try {
			message = JSON.parse(data) as ServerMessage;
		} catch {
			return; // Half a frame tells nothing; the heartbeat will show what is missing.
		}
		this.handle(message);
	}

	private handle(message: ServerMessage): void {
		const { listener } = this.options;
		if ('server_time' in message && message.server_time) listener.serverTime(message.server_time);
		if ('freshness' in message && message.freshness) {
			const topic = 'topic' in message && this.isTopic(message.topic) ? message.topic : null;
			listener.freshness(message.freshness, topic);
		}
		switch (message.type) {
			case 'hello':
				this.setPhase('up');
				this.subscribe(Object.keys(this.feeds) as Topic[]);
				break;
			case 'snapshot':
			case 'delta':
				this.frame(message);
				break;
			case 'resumed':
				if (!this.isTopic(message.topic)) break;
				this.feeds[message.topic].resumed();
				this.answered(message.topic);
				break;
			case 'reset':
				this.restart(message.topic);
				break;
			case 'heartbeat':
				this.compare(message.seqs ?? {});
				break;
			case 'status':
				if (message.links) listener.links(message.links);
				break;
			case 'error':
				listener.refused(message.code ?? 'error', message.detail ?? '');
				break;
			case 'bye':
				this.retryAfterMs = Math.min(Math.max(message.retry_after_ms ?? 0, 0), 60_000);
				break;
		}
	}

	private frame(message: Frame): void {
		if (!this.isFollowed(message)) return;
		const feed = this.feeds[message.topic] as Feed<TopicRows[Topic]>;
		if (message.type === 'snapshot') {
			feed.snapshot(message.epoch, message.seq, message.data);
			this.answered(message.topic);
			this.options.listener.changed();
			return;
		}
		const applied = feed.delta(message.epoch, message.seq, message.prev_seq, message.ops);
		if (applied === 'applied') this.options.listener.changed();
		if (applied === 'gap') this.resubscribe(message.topic, message.epoch);
	}

	/** The server is ahead of us although nothing more is on its way: something was lost. */
	private compare(seqs: Record<string, number>): void {
		for (const [topic, seq] of Object.entries(seqs)) {
			if (!this.isTopic(topic)) continue;
			const feed = this.feeds[topic];
			if (!feed.waiting && seq > feed.seq) this.resubscribe(topic, feed.epoch);
		}
	}

	private resubscribe(topic: Topic, epoch: string | null): void {
		const feed = this.feeds[topic];
		if (feed.epoch !== epoch) feed.forget();
		feed.waiting = true;
		this.subscribe([topic]);
	}

	/** The server sends a fresh snapshot by itself; if it does not, the watch asks. */
	private restart(topic: string | undefined): void {
		for (const name of Object.keys(this.feeds) as Topic[]) {
			if (topic && topic !== name) continue;
			this.feeds[name].forget();
			this.askedAt.set(name, this.now());
		}
	}

	private subscribe(names: Topic[]): void {
		const topics = names.map((topic): Subscription => {
			const { epoch, seq } = this.feeds[topic];
			this.askedAt.set(topic, this.now());
			return epoch === null ? { topic } : { topic, epoch, after_seq: seq };
		});
		this.socket?.send(JSON.stringify({ type: 'subscribe', topics }));
	}

	/** Only an answer proves that the server works; a mere open socket must not shorten the next wait. */
	private answered(topic: Topic): void {
		this.askedAt.delete(topic);
		if (this.askedAt.size === 0) this.backoff.reset();
	}

	private isFollowed(message: Frame): message is Extract<Frame, { topic: Topic }> {
		return this.isTopic(message.topic);
	}

	private isTopic(name: string): name is Topic {
		return name in this.feeds;
	}

	private setPhase(phase: LinkPhase): void {
		if (phase === this.phase) return;
		this.phase = phase;
		this.options.listener.phase(phase);
	}
}
