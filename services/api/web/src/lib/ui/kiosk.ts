/** Which screen comes next where screens take turns. Pure. */

const ROUND = ['/', '/positions', '/performance'] as const;
/** Shorter, nobody could read it. */
export const LEAST_SECONDS = 5;

export function nextTurn(pathname: string, seconds: number): string {
	const at = ROUND.indexOf(pathname as (typeof ROUND)[number]);
	return `${ROUND[(at + 1) % ROUND.length]}?kiosk=${seconds}`;
}
