/** From a position's events and prices to what its chart draws. Pure. */
import type { PositionDetail, PositionEvent } from '#lib/contract.ts';
import type { Price } from '#lib/schema.ts';
import { height, type Mark } from '#lib/charts/types.ts';

export interface Drawn {
	times: number[];
	/** What is told of each time: a fill, a price, or now. */
	told: (PositionEvent | Price | null)[];
	/** What was held after each. */
	held: (number | null)[];
	/** At each fill. */
	marks: Mark[];
	/** Level lines: the same at every time. */
	entry: (number | null)[];
	exit: (number | null)[];
	/** What one unit was worth, fills among them; without any known price the last one as a level. */
	price: (number | null)[];
	/** The prices of fills, so that the axis has room for them. */
	fills: (number | null)[];
}

export const isEvent = (told: PositionEvent | Price | null): told is PositionEvent => told !== null && 'position_after' in told;

interface Point {
	at: number;
	what: PositionEvent | Price | null;
	/** Nothing is known here. */
	gap?: true;
}

/** A long weekend, and holidays beside it. */
const UNKNOWN_MS = 5 * 86_400_000;

/** Where no price is known for so long the line is broken, not bridged: nobody knows how it went. */
function parted(points: Point[], longest: number): Point[] {
	let known: number | null = null;
	return points.flatMap((point) => {
		const gap = known !== null && point.at - known > longest ? [{ at: known + 1, what: null, gap: true as const }] : [];
		if (point.what === null || point.what.price !== null) known = point.at;
		return [...gap, point];
	});
}

export function drawn(
	events: readonly PositionEvent[],
	prices: readonly Price[],
	position: PositionDetail,
	now: number,
	say: (event: PositionEvent) => string,
	stretchSeconds = 0
): Drawn {
	const end = position.closed_at === null ? now : Date.parse(position.closed_at);
	const told: Point[] = [
		...events.map((event) => ({ at: Date.parse(event.executed_at), what: event })),
		...prices.map((price) => ({ at: Date.parse(price.ts), what: price }))
	].sort((a, b) => a.at - b.at);
	const last = told.at(-1);
	if (events.length > 0 && last && end > last.at) told.push({ at: end, what: null });
	// What was only quoted before the first fill is none of this position's.
	const from = told.findIndex(({ what }) => isEvent(what));
	const current = position.closed_at === null ? height(position.market_price) : null;
	const points = parted(from < 0 ? [] : told.slice(from), Math.max(UNKNOWN_MS, 3_000 * stretchSeconds));
	let after: number | null = null;
	const held = points.map(({ what }) => (after = isEvent(what) ? height(what.position_after) : after));
	const fills = points.map(({ what }) => (isEvent(what) ? height(what.price) : null));
	const level = (value: string | null | undefined) => points.map(() => height(value));
	let quoted: number | null = null;
	const line = points.map(({ what, gap }) => {
		if (gap || what === null) return (quoted = gap ? null : current);
		// A correction has no price of its own.
		return (quoted = height(what.price) ?? quoted);
	});
	return {
		times: points.map(({ at }) => at),
		told: points.map(({ what }) => what),
		held,
		fills,
		marks: points.flatMap(({ at, what }) => {
			if (!isEvent(what)) return [];
			const value = height(what.price);
			const quantity = height(what.quantity);
			if (value === null || !quantity) return []; // A correction may move nothing.
			return [{ at, value, up: quantity > 0, tone: quantity > 0 ? 'accent' : 'warn', title: say(what) } satisfies Mark];
		}),
		entry: level(position.average_entry_price),
		exit: level(position.average_exit_price),
		price: prices.length > 0 ? line : level(position.market_price)
	};
}
