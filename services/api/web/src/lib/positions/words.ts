/** A position's marks, events and kinds in plain words. */
import type { Position } from '#lib/contract.ts';

/** What tells this contract from its neighbours: for an option or a future that is not the company's name. */
export function contractName({ sec_type, symbol, local_symbol, description }: Position): string {
	const own = local_symbol && local_symbol !== symbol ? local_symbol.replace(/\s+/g, ' ') : '';
	return (sec_type === 'STK' ? description || own : own || description) || '';
}

export const PROVISIONAL =
	'The broker has not reported every commission yet, so the realized P&L may still change a little.';

export function unreconciled(ours: string, brokers: string): string {
	return `Lotkeeper\u2019s record says ${ours}, the broker says ${brokers}. The broker is the authority; the difference is being looked into.`;
}

const EVENT_WORDS: Record<string, string> = {
	opened: 'Opened',
	increased: 'Increased',
	reduced: 'Reduced',
	closed: 'Closed',
	flipped: 'Flipped',
	adjusted: 'Adjusted',
	corrected: 'Corrected',
	opening_balance: 'Opening balance'
};

export function eventWord(type: string): string {
	return EVENT_WORDS[type] ?? type.replaceAll('_', ' ');
}

const SEC_TYPES: Record<string, string> = {
	STK: 'Stock',
	OPT: 'Option',
	FUT: 'Future',
	FOP: 'Future option',
	CASH: 'Currency',
	BOND: 'Bond',
	FUND: 'Fund',
	CFD: 'CFD',
	WAR: 'Warrant',
	CRYPTO: 'Crypto',
	CMDTY: 'Commodity',
	IND: 'Index'
};

export function secTypeWord(code: string): string {
	return SEC_TYPES[code] ?? code;
}
