/** Why there is no snapshot, in words. */
import { reasonOf } from '#lib/live/words.ts';

const NAMES: Record<string, string> = {
	account_values: 'the account’s figures',
	positions: 'the positions',
	NetLiquidation: 'the net liquidation value'
};

/** The server's reason is a code, or a code and what it is about: `old: NetLiquidation`. */
export function whyNot(reason: string): string {
	const [code = '', about] = reason.split(': ', 2);
	if (about === undefined) return reason.includes(' ') ? reason : (reasonOf(reason)?.why ?? reason);
	const what = NAMES[about] ?? about;
	switch (code) {
		case 'incomplete':
			return `the broker has not told ${what} in full`;
		case 'missing':
			return `the broker has not told ${what}`;
		case 'not a number':
			return `what the broker told as ${what} is no number`;
		case 'old':
			return `the broker has told ${what} minutes ago and not since`;
		default:
			return reason;
	}
}
