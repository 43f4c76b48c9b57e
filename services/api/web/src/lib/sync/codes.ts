/** IBKR's message codes in plain words: what it means for these figures, and what to do. */

export const IB_CODES: Record<number, string> = {
	1100: 'The gateway lost its connection to IBKR; what it shows is the last known. It comes back by itself.',
	1101: 'The gateway is connected to IBKR again, and everything was asked for anew.',
	1102: 'The gateway is connected to IBKR again; nothing was lost.',
	1300: 'The gateway changed its API port; Lotkeeper goes on with the configured one.',
	2103: 'A market data farm is down, so marks may be old. It comes back by itself.',
	2104: 'A market data farm is up.',
	2105: 'A farm for historical data is down; nothing here depends on it.',
	2106: 'A farm for historical data is up.',
	2110: 'The gateway lost its connection to IBKR; what it shows is the last known.',
	2157: 'The farm for instrument definitions is down; nothing here depends on it.',
	2158: 'The farm for instrument definitions is up.',
	300: 'The gateway does not know a subscription that was ended already. Nothing to do.',
	321: 'The gateway refused a request because its API is read-only.',
	326: 'Another program is connected with the same client id. Close it, or set another number.',
	502: 'The gateway does not answer at its address. Is it running, with the API switched on?',
	504: 'The gateway is not connected.',
	10141: 'The gateway waits for somebody to accept the paper-trading notice.',
	10197: 'Another session of the same user has taken over the market data.'
};

/** The code in `IB 1100: …`, `ib_1100` or `code 1100`; null: there is none we have words for. */
export function codeIn(text: string | null | undefined): number | null {
	const found = /\b(?:ib[ _]?|code |error )(\d{3,5})\b/i.exec(text ?? '');
	const code = found ? Number(found[1]) : Number.NaN;
	return code in IB_CODES ? code : null;
}
