/** Downloads, their ages and their state in plain words. */
import type { DatasetReport } from '#lib/schema.ts';

const DATASETS: Record<string, string> = {
	account_values: 'Account figures',
	executions: 'Executions',
	pnl: 'Profit and loss',
	positions: 'Positions',
	orders: 'Orders'
};

export const datasetWord = (name: string) => DATASETS[name] ?? name.replaceAll('_', ' ');

export type Health = 'ok' | 'late' | 'broken';

/** Late after its own cadence; what comes on change has none, and is only ever incomplete or in error. */
export function healthOf(row: DatasetReport, ageSeconds: number | null): Health {
	if (row.error !== null) return 'broken';
	if (!row.complete) return 'late';
	return row.cadence_seconds !== null && ageSeconds !== null && ageSeconds > row.cadence_seconds ? 'late' : 'ok';
}

export const HEALTH_WORD: Record<Health, string> = { ok: 'as it should be', late: 'late', broken: 'failed' };

/** How much of its time is used up, in per cent of the bar. */
export function usedUp(row: DatasetReport, ageSeconds: number | null): number | null {
	if (row.cadence_seconds === null || ageSeconds === null) return null;
	return Math.min(100, (100 * ageSeconds) / row.cadence_seconds);
}

export function duration(from: string | null, to: string | null): string {
	if (!from || !to) return '';
	const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
	return seconds < 10 ? `${seconds.toFixed(1)}\u00a0s` : seconds < 120 ? `${Math.round(seconds)}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`;
}
