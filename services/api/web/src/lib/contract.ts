/**
 * What the server sends: the generated shapes (`schema.ts`) under the names that the page uses.
 *
 * Decimals arrive as strings so that no digit is lost; a value nobody knows is null, never zero.
 */
import type {
	Freshness,
	Links,
	PositionsSnapshot,
	ServerMessage as AnyServerMessage,
	SessionInfo as Session,
	SummarySnapshot,
	TopicRows as AllTopicRows
} from './schema.ts';

export type {
	Account,
	Coverage,
	FirstUser,
	Freshness,
	Job,
	Links,
	Position,
	PositionDetail,
	PositionEvent,
	Problem,
	SessionInfo as Session,
	Snapshot,
	SnapshotFailure,
	SnapshotRun,
	Summary
} from './schema.ts';

export type Decimal = string;
/** UTC, ISO-8601, ending in `Z`. */
export type Timestamp = string;

export type UpDown = Links['gateway'];
/** Where the broker link is in its life; null while it says nothing. */
export type LinkState = NonNullable<Extract<AnyServerMessage, { type: 'status' }>['state']>;
export type Source = Freshness['source'];

export type Scope = Session['scope'];

/** What is traded for a session. */
export type Credentials = { token: string } | { name: string; password: string; code?: string };

export interface Page<T> {
	items: T[];
	next_cursor: string | null;
	freshness?: Freshness;
}

/** The summary row that holds the sums over all accounts. */
export const ALL = 'ALL';

/** The topics that the page follows. */
export type TopicRows = Pick<AllTopicRows, (PositionsSnapshot | SummarySnapshot)['topic']>;
export type Topic = keyof TopicRows;
export type AnyRow = TopicRows[Topic];

export type Op = { op: 'upsert'; key: string; value: AnyRow } | { op: 'delete'; key: string };

export type ServerMessage = AnyServerMessage;

export interface Subscription {
	topic: Topic;
	epoch?: string;
	after_seq?: number;
}
