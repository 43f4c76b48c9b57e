/** Which screen comes next where screens take turns. Pure. */

const ROUND = ['/', '/positions', '/performance'] as const;
/** Shorter, nobody could read it. */
export const LEAST_SECONDS = 5;
/** What a browser's timer counts to is not much more than that of some weeks; beyond, it fires at once. */
export const MOST_SECONDS = 86_400;

export function nextTurn(pathname: string, seconds: number, account: string | null = null): string {
	const at = ROUND.indexOf(pathname as (typeof ROUND)[number]);
	const chosen = account === null ? '' : `&account=${encodeURIComponent(account)}`;
	return `${ROUND[(at + 1) % ROUND.length]}?kiosk=${seconds}${chosen}`;
}
