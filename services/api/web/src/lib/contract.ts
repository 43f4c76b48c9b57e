/**
 * What the server sends: the one place that knows the shapes of `/api/v1`.
 *
 * Decimals arrive as strings so that no digit is lost; a value nobody knows is null, never zero.
 */

export type Decimal = string;
/** UTC, ISO-8601, ending in `Z`. */
export type Timestamp = string;

export type UpDown = 'up' | 'down' | 'unknown';
/** Where the broker link is in its life; null while it says nothing. */
export type LinkState = 'disconnected' | 'connecting' | 'syncing' | 'live' | 'degraded' | 'needs_login' | 'fenced';
export type Source = 'live' | 'delayed' | 'last_known';

export interface Links {
	gateway: UpDown;
	ibkr: UpDown;
}

export interface Freshness {
	source: Source;
	as_of: Timestamp | null;
	received_at: Timestamp | null;
	age_seconds: number | null;
	stale: boolean;
	reason: string | null;
	links: Links;
}

export interface Session {
	authenticated: true;
	profile: string;
	version: string;
}

export interface Account {
	account: string;
	alias: string | null;
	base_currency: string | null;
	paper: boolean;
	/** In the login's last account list. */
	listed: boolean;
	cost_method: 'fifo' | 'lifo' | 'hifo' | 'average';
	freshness?: Freshness;
}

export interface Coverage {
	fresh: number;
	total: number;
}

export interface Summary {
	account: string;
	base_currency: string | null;
	net_liquidation: Decimal | null;
	total_cash: Decimal | null;
	gross_position_value: Decimal | null;
	daily_pnl: Decimal | null;
	unrealized_pnl: Decimal | null;
	realized_pnl: Decimal | null;
	win_rate: Decimal | null;
	open_positions: number | null;
	total_trades: number | null;
	coverage: Coverage | null;
	freshness: Freshness;
}

export interface Position {
	id: string;
	account: string;
	conid: number;
	symbol: string;
	local_symbol: string | null;
	description: string | null;
	sec_type: string;
	currency: string;
	multiplier: Decimal | null;
	side: 'long' | 'short' | null;
	status: 'open' | 'closed';
	quantity: Decimal;
	average_cost: Decimal | null;
	cost_basis: Decimal | null;
	market_price: Decimal | null;
	market_value: Decimal | null;
	daily_pnl: Decimal | null;
	unrealized_pnl: Decimal | null;
	realized_pnl: Decimal | null;
	commission: Decimal | null;
	mark_as_of: Timestamp | null;
	opened_at: Timestamp | null;
	closed_at: Timestamp | null;
	holding_seconds: number | null;
	broker_quantity: Decimal | null;
	reconciled: boolean;
	provisional: boolean;
	freshness: Freshness;
}

export interface PositionEvent {
	id: string;
	position_id: string;
	type: string;
	executed_at: Timestamp | null;
	quantity: Decimal | null;
	price: Decimal | null;
	position_after: Decimal | null;
	realized_pnl: Decimal | null;
	commission: Decimal | null;
	exec_id: string | null;
	cause: string | null;
	inferred: boolean;
	/** Of a `corrected` event: what the fill had reported before, at `price`. */
	replaced_quantity: Decimal | null;
}

/** Long work that was asked for, and what came of it. */
export interface Job {
	id: string;
	kind: string;
	status: 'queued' | 'running' | 'succeeded' | 'failed';
	progress: Decimal | null;
	error: string | null;
	result: Record<string, unknown> | null;
}

/** What an account was worth at `asof_ts`. */
export interface Snapshot {
	id: number;
	run_id: number;
	account: string;
	hour: Timestamp | null;
	asof_ts: Timestamp;
	taken_at: Timestamp;
	net_liquidation: Decimal;
	total_cash: Decimal | null;
	gross_position_value: Decimal | null;
	base_currency: string;
	/** The share of the value that had a fresh mark, 0 to 1. */
	coverage: Decimal;
	source: string;
	payload_sha256: string | null;
	thinned_at: Timestamp | null;
}

/** Why an account has no snapshot of a run. */
export interface SnapshotFailure {
	account: string;
	category: string;
	reason: string;
}

export interface SnapshotRun {
	id: number;
	trigger: string;
	hour: Timestamp | null;
	account: string | null;
	job_id: string | null;
	status: 'running' | 'success' | 'partial' | 'fail';
	attempts: number;
	taken: number;
	failures: SnapshotFailure[];
	error_category: string | null;
	summary: string;
	schema_version: string;
	app_version: string;
	started_at: Timestamp;
	finished_at: Timestamp | null;
}

export interface Page<T> {
	items: T[];
	next_cursor: string | null;
	freshness?: Freshness;
}

/** RFC 9457. */
export interface Problem {
	type: string;
	title: string;
	status: number;
	detail?: string;
	code?: string;
}

/** The summary row that holds the sums over all accounts. */
export const ALL = 'ALL';

export interface TopicRows {
	positions: Position;
	summary: Summary;
}
export type Topic = keyof TopicRows;
export type AnyRow = TopicRows[Topic];

export type Op =
	| { op: 'upsert'; key: string; value: AnyRow }
	| { op: 'delete'; key: string; value?: null };

export type ServerMessage =
	| { type: 'hello'; server_time?: Timestamp; heartbeat_seconds?: number }
	| {
			type: 'snapshot';
			topic: string;
			epoch: string;
			seq: number;
			data: Record<string, AnyRow>;
			freshness?: Freshness;
	  }
	| {
			type: 'delta';
			topic: string;
			epoch: string;
			seq: number;
			prev_seq: number;
			ops: Op[];
			freshness?: Freshness;
	  }
	| { type: 'resumed'; topic: string; after_seq: number; replayed: number; freshness?: Freshness }
	| { type: 'reset'; reason: string; topic?: string }
	| { type: 'heartbeat'; seqs?: Record<string, number>; server_time?: Timestamp }
	| { type: 'status'; links?: Links; state?: LinkState | null; freshness?: Freshness; server_time?: Timestamp }
	| { type: 'error'; code?: string; detail?: string; topic?: string }
	| { type: 'bye'; retry_after_ms?: number };

export interface Subscription {
	topic: Topic;
	epoch?: string;
	after_seq?: number;
}
