/** What a chart draws. The numbers only say where; figures in words are written from the API's strings. */

export type ChartTone = 'accent' | 'gain' | 'loss' | 'warn' | 'soft';

export interface Series {
	id: string;
	/** One for each time; null where it is not known. */
	values: (number | null)[];
	tone: ChartTone;
	area?: boolean;
	dashed?: boolean;
	/** No line: only its room is needed, and the points that the cross-hair finds. */
	scatter?: boolean;
	/** Holds until the next one. */
	stepped?: boolean;
}

export interface Pane {
	/** Pixels. */
	height: number;
	series: Series[];
	/** Zero belongs to it: what is below it is filled from there. */
	zero?: boolean;
	/** How the axis is written. */
	format: (value: number) => string;
}

export interface Mark {
	at: number;
	/** Where it stands; null: at the bottom. */
	value: number | null;
	tone: ChartTone;
	up: boolean;
	title: string;
}

/** Where a figure stands in a chart. */
export function height(value: string | null | undefined): number | null {
	if (value == null) return null;
	const number = Number(value);
	return Number.isFinite(number) ? number : null;
}
