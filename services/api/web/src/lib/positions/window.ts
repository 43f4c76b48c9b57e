/** Which of many rows are drawn. Rows have one height; one of them may carry an opened story below it. */

export interface Window {
	from: number;
	to: number;
	/** Heights of what is left out above and below, in pixels. */
	before: number;
	after: number;
}

export interface WindowInput {
	count: number;
	rowHeight: number;
	/** How far the list's top has moved above the visible area. */
	scrolled: number;
	visible: number;
	opened: { index: number; height: number } | null;
}

/** Below this everything is drawn: searching in the page then finds every row. */
export const DRAW_ALL_UP_TO = 120;
const MARGIN_ROWS = 12;

export function windowOf({ count, rowHeight, scrolled, visible, opened }: WindowInput): Window {
	if (count <= DRAW_ALL_UP_TO) return { from: 0, to: count, before: 0, after: 0 };
	const extra = opened?.height ?? 0;
	const openedAt = opened ? opened.index : count;
	const first = rowAt(scrolled);
	const last = rowAt(scrolled + visible);
	const from = clamp(first - MARGIN_ROWS);
	const to = clamp(last + 1 + MARGIN_ROWS);
	return {
		from,
		to,
		before: from * rowHeight + (openedAt < from ? extra : 0),
		after: (count - to) * rowHeight + (opened && openedAt >= to ? extra : 0)
	};

	function rowAt(y: number): number {
		const storyTop = (openedAt + 1) * rowHeight;
		const inRows = y <= storyTop ? y : Math.max(storyTop, y - extra);
		return Math.floor(inRows / rowHeight);
	}
	function clamp(row: number): number {
		return Math.min(count, Math.max(0, row));
	}
}
