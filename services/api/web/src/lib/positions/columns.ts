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
	{ id: 'symbol', name: 'Symbol', right: false, width: 184 },
	{ id: 'account', name: 'Account', right: false, width: 94 },
	{ id: 'side', name: 'Side', right: false, width: 60 },
	{ id: 'quantity', name: 'Quantity', right: true, width: 80 },
	{ id: 'average_cost', name: 'Avg. cost', right: true, width: 102 },
	{ id: 'market_price', name: 'Price', right: true, width: 90 },
	{ id: 'market_value', name: 'Market value', right: true, width: 112 },
	{ id: 'daily_pnl', name: 'Day P&L', right: true, width: 106 },
	{ id: 'unrealized_pnl', name: 'Unrealized', right: true, width: 112 },
	{ id: 'realized_pnl', name: 'Realized', right: true, width: 98 },
	{ id: 'currency', name: 'Ccy', right: false, width: 50 },
	{ id: 'age', name: 'Age', right: true, width: 70 }
];

export const LEAST_WIDTH = COLUMN_INFO.reduce((sum, column) => sum + column.width, 0);
