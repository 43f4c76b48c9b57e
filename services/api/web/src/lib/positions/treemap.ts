/** An allocation as rectangles: what is large is drawn large. Numbers here are for drawing only. */
import { hierarchy, treemap } from 'd3-hierarchy';
import type { Position } from '#lib/contract.ts';
import { signum } from '#lib/format/decimal.ts';
import type { Allocation, AllocationItem, AllocationTotal } from '#lib/schema.ts';

export type Holding = AllocationItem | AllocationTotal;

/** In hundredths of the map's width and height. */
export interface Tile {
	holding: Holding;
	left: number;
	top: number;
	width: number;
	height: number;
}

export interface Part {
	/** The account, or null: all of them together. */
	account: string | null;
	currency: string;
	holdings: Holding[];
}

/** Where all share a currency, or one is chosen, one map; else one of each account: nothing is summed across currencies. */
export function partsOf(allocation: Allocation): Part[] {
	const { accounts, currency, items, totals } = allocation;
	if (totals && currency && accounts.length > 1) return [{ account: null, currency, holdings: totals }];
	return accounts.map((one) => ({
		account: one.account,
		currency: one.base_currency,
		holdings: items.filter((item) => item.account === one.account)
	}));
}

/** What a tile's area stands for: the exposure, long and short alike. Money owed has none, and is told beside the map. */
export function exposure(holding: Holding): number {
	if (holding.market_value === null) return 0;
	const sides = Math.abs(Number(holding.long_value ?? 0)) + Math.abs(Number(holding.short_value ?? 0));
	const value = sides || Number(holding.market_value);
	return holding.cash ? Math.max(0, Number(holding.market_value)) : Math.abs(value);
}

/** `ratio`: the map's width over its height. */
export function tilesOf(holdings: readonly Holding[], ratio: number): Tile[] {
	const drawn = holdings.filter((holding) => exposure(holding) > 0);
	if (drawn.length === 0) return [];
	const root = hierarchy<{ holding?: Holding; children?: { holding: Holding }[] }>({ children: drawn.map((holding) => ({ holding })) })
		.sum(({ holding }) => (holding ? exposure(holding) : 0))
		.sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
	const placed = treemap<{ holding?: Holding }>().size([100 * ratio, 100])(root);
	return placed.leaves().flatMap(({ data, x0, y0, x1, y1 }) =>
		data.holding ? [{ holding: data.holding, left: x0 / ratio, top: y0, width: (x1 - x0) / ratio, height: y1 - y0 }] : []
	);
}

/** What is not drawn: without a known value, or owed. */
export function leftOut(holdings: readonly Holding[]): Holding[] {
	return holdings.filter((holding) => exposure(holding) === 0 && (holding.market_value === null || Number(holding.market_value) < 0));
}

/** How the day went for what an instrument is held in: only where all of it went one way. */
export function toneOf(positions: readonly Position[]): 'gain' | 'loss' | 'flat' | 'unknown' {
	const signs = new Set(positions.map((position) => signum(position.daily_pnl)));
	if (signs.size !== 1 || signs.has(null)) return 'unknown';
	const [sign] = signs;
	return sign! > 0 ? 'gain' : sign! < 0 ? 'loss' : 'flat';
}
