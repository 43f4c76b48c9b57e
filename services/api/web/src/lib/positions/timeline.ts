/** Where the lives of positions stand beside each other. Pure: the URL says which time, the server which positions. */
import type { Position } from '#lib/contract.ts';
import type { Span } from '#lib/charts/scale.ts';

export interface Bar {
	position: Position;
	/** Pixels from the left end, cut off at both ends of the time. */
	left: number;
	width: number;
	/** Below each other where they would lie on each other; null: there is no room left to point at it. */
	lane: number | null;
}

/** All that was held of one instrument in one account. */
export interface Row {
	key: string;
	newest: Position;
	bars: Bar[];
	lanes: number;
}

/** What can be pointed at is so wide (WCAG 2.2, 2.5.8), however short the life. */
export const LEAST_PX = 24;
const MOST_LANES = 3;
const DRAWN_LEAST_PX = 3;

export function rowsOf(positions: readonly Position[], span: Span, pixels: number): Row[] {
	const rows = new Map<string, Row>();
	const at = (time: number) => ((time - span.from) / Math.max(1, span.to - span.from)) * pixels;
	for (const position of positions) {
		const opened = at(Date.parse(position.opened_at));
		const closed = position.closed_at === null ? pixels : at(Date.parse(position.closed_at));
		if (closed < 0 || opened > pixels) continue;
		const left = Math.min(Math.max(0, opened), pixels - DRAWN_LEAST_PX);
		const key = `${position.account} ${position.conid}`;
		const row = rows.get(key) ?? { key, newest: position, bars: [], lanes: 1 };
		rows.set(key, row);
		row.bars.push({ position, left, width: Math.max(DRAWN_LEAST_PX, Math.min(closed, pixels) - left), lane: 0 });
	}
	for (const row of rows.values()) {
		/** What each lane has, from and to. */
		const taken: [number, number][][] = [];
		// The longest first: what is left without a lane is short.
		for (const bar of row.bars.toSorted((a, b) => b.width - a.width || a.left - b.left)) {
			const from = Math.min(bar.left, pixels - LEAST_PX);
			const to = Math.max(bar.left + bar.width, from + LEAST_PX);
			const found = taken.findIndex((lane) => lane.every(([begins, ends]) => to <= begins || from >= ends));
			const lane = found >= 0 ? found : taken.length;
			bar.lane = lane < MOST_LANES ? lane : null;
			if (bar.lane !== null) (taken[lane] ??= []).push([from, to]);
		}
		row.lanes = Math.max(1, taken.length);
		// Drawn in this order: what can be pointed at lies above what cannot.
		row.bars.sort((a, b) => (a.lane ?? -1) - (b.lane ?? -1) || a.left - b.left);
	}
	return [...rows.values()];
}

/** The whole time of what is loaded, where no other was asked for. */
export function spanOf(positions: readonly Position[], from: string | null, to: string | null, now: number): Span {
	const first = Math.min(...positions.map((one) => Date.parse(one.opened_at)));
	const begins = from ? Date.parse(from) : Number.isFinite(first) ? first : now - 86_400_000;
	return { from: begins, to: Math.max(begins + 60_000, to ? Math.min(Date.parse(to), now) : now) };
}
