/** Differences from the broker in plain words. */
import type { Difference } from '#lib/schema.ts';
import { fmt } from '#lib/stores/fmt.ts';

const KINDS: Record<Difference['kind'], string> = {
	quantity_mismatch: 'Another quantity',
	cost_mismatch: 'Another average cost',
	missing_local: 'Only the broker has it',
	missing_broker: 'Only Lotkeeper has it',
	provisional: 'The cost is not final'
};

const CAUSES: Record<NonNullable<Difference['cause']>, string> = {
	corporate_action: 'a corporate action',
	exercise_or_assignment: 'an exercise or an assignment',
	expiry: 'it expired',
	merger: 'a merger',
	missed_executions: 'executions that nobody heard of',
	opening_balance: 'held since before the record begins',
	spin_off: 'a spin-off',
	split: 'a split',
	symbol_change: 'another symbol now',
	tender: 'a tender offer',
	transfer: 'a transfer',
	unexplained: 'not explained'
};

export const kindWord = (kind: Difference['kind']) => KINDS[kind];

/** What is behind it; what was concluded and not told is marked as such. */
export function causeWord({ cause, inferred }: Pick<Difference, 'cause' | 'inferred'>): string {
	if (cause === null) return 'not known yet';
	return inferred && cause !== 'unexplained' ? `probably ${CAUSES[cause]}` : CAUSES[cause];
}

/** Of a cost the figures are amounts for one unit; else they are quantities. */
export const figureOf = (kind: Difference['kind'], value: string | null) =>
	kind === 'cost_mismatch' || kind === 'provisional' ? fmt.cost(value) : fmt.quantity(value);

const TRIGGERS: Record<string, string> = {
	change: 'something changed',
	sweep: 'the regular look',
	connect: 'the gateway connected',
	resync: 'asked for',
	import: 'a statement was imported'
};

export const triggerWord = (trigger: string) => TRIGGERS[trigger] ?? trigger.replaceAll('_', ' ');

const COUNTS: Record<string, string> = {
	matched: 'matched',
	quantity_mismatch: 'of another quantity',
	cost_mismatch: 'of another cost',
	missing_local: 'only at the broker',
	missing_broker: 'only here',
	provisional: 'not final'
};

/** `14 matched, 1 of another cost`. */
export function countsSaid(counts: Record<string, number>): string {
	const order = Object.keys(COUNTS);
	return Object.entries(counts)
		.filter(([, many]) => many > 0)
		.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
		.map(([kind, many]) => `${many} ${COUNTS[kind] ?? kind.replaceAll('_', ' ')}`)
		.join(', ');
}
