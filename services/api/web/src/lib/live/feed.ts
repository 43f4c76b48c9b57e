/**
 * One topic as the browser knows it: rows, and where in the sequence they stand.
 *
 * Pure bookkeeping, no socket. `apply` says whether the frame fitted; when it did not, the socket asks again.
 */
import type { Op } from '#lib/contract.ts';

export type Applied = 'applied' | 'ignored' | 'gap';

export class Feed<Row> {
	readonly rows = new Map<string, Row>();
	epoch: string | null = null;
	seq = 0;
	/** A snapshot has been seen: until then "no rows" means "not known yet". */
	known = false;
	/** Asked to resume or start anew; frames that do not fit are expected until the answer comes. */
	waiting = true;

	snapshot(epoch: string, seq: number, data: Record<string, Row>): void {
		this.rows.clear();
		for (const [key, row] of Object.entries(data)) this.rows.set(key, row);
		this.epoch = epoch;
		this.seq = seq;
		this.known = true;
		this.waiting = false;
	}

	delta(epoch: string, seq: number, previous: number, ops: Op[]): Applied {
		if (this.epoch === epoch && seq <= this.seq) return 'ignored';
		if (this.epoch !== epoch || previous !== this.seq) return this.waiting ? 'ignored' : 'gap';
		for (const op of ops) {
			if (op.op === 'delete') this.rows.delete(op.key);
			else this.rows.set(op.key, op.value as Row);
		}
		this.seq = seq;
		return 'applied';
	}

	/** The server replays what is missing after our own number: the next frames fit. */
	resumed(): void {
		this.waiting = false;
	}

	/** The server cannot resume from here. Rows stay on the page until the new snapshot replaces them. */
	forget(): void {
		this.epoch = null;
		this.seq = 0;
		this.waiting = true;
	}
}
