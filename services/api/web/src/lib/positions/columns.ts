import type { Column } from './view';

export interface ColumnInfo {
	id: Column;
	name: string;
	/** Numbers stand to the right. */
	right: boolean;
	/** Pixels; together they are the least width at which nothing is cut. */
	width: number;
}

export const COLUMN_INFO: readonly ColumnInfo[] = [
	{ id: 'symbol', name: 'Symbol', right: false, width: 196 },
	{ id: 'account', name: 'Account', right: false, width: 104 },
	{ id: 'side', name: 'Side', right: false, width: 62 },
	{ id: 'quantity', name: 'Quantity', right: true, width: 92 },
	{ id: 'average_cost', name: 'Avg. cost', right: true, width: 102 },
	{ id: 'market_price', name: 'Price', right: true, width: 94 },
	{ id: 'market_value', name: 'Market value', right: true, width: 118 },
	{ id: 'daily_pnl', name: 'Day P&L', right: true, width: 112 },
	{ id: 'unrealized_pnl', name: 'Unrealized', right: true, width: 116 },
	{ id: 'realized_pnl', name: 'Realized', right: true, width: 108 },
	{ id: 'currency', name: 'Ccy', right: false, width: 56 },
	{ id: 'age', name: 'Age', right: true, width: 76 }
];

export const LEAST_WIDTH = COLUMN_INFO.reduce((sum, column) => sum + column.width, 0);
