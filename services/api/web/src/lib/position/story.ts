/** From a position's events to what its chart draws. Pure. */
import type { PositionDetail, PositionEvent } from '#lib/contract.ts';
import { height, type Mark } from '#lib/charts/types.ts';

export interface Drawn {
	times: number[];
	/** What was held after each event. */
	held: (number | null)[];
	/** At each fill. */
	marks: Mark[];
	/** Level lines: the same at every time. */
	entry: (number | null)[];
	exit: (number | null)[];
	price: (number | null)[];
	/** The prices of fills, so that the axis has room for them. */
	fills: (number | null)[];
}

export function drawn(events: readonly PositionEvent[], position: PositionDetail, now: number, say: (event: PositionEvent) => string): Drawn {
	const end = position.closed_at === null ? now : Date.parse(position.closed_at);
	const told = events.map((event) => ({ event, at: Date.parse(event.executed_at) })).sort((a, b) => a.at - b.at);
	const times = told.map(({ at }) => at);
	const held = told.map(({ event }) => height(event.position_after));
	const fills = told.map(({ event }) => height(event.price));
	if (times.length > 0 && end > times.at(-1)!) {
		times.push(end);
		held.push(held.at(-1) ?? null);
		fills.push(null);
	}
	const level = (value: string | null | undefined) => times.map(() => height(value));
	return {
		times,
		held,
		fills,
		marks: told.flatMap(({ event, at }) => {
			const value = height(event.price);
			const quantity = height(event.quantity);
			if (value === null || !quantity) return []; // A correction may move nothing.
			return [{ at, value, up: quantity > 0, tone: quantity > 0 ? 'accent' : 'warn', title: say(event) } satisfies Mark];
		}),
		entry: level(position.average_entry_price),
		exit: level(position.average_exit_price),
		price: level(position.market_price)
	};
}
