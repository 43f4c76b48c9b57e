/** Times and ages in words. Every age is measured by the server's clock and is never negative. */

export function ageSeconds(asOf: string | null | undefined, serverNow: number): number | null {
	if (!asOf) return null;
	const then = Date.parse(asOf);
	return Number.isNaN(then) ? null : Math.max(0, (serverNow - then) / 1000);
}

/** Short enough for a column: `4 s`, `12 min`, `3 h`, `2 d`. */
export function shortAge(seconds: number | null): string {
	if (seconds === null) return '\u2014';
	if (seconds < 60) return `${Math.floor(seconds)}\u00a0s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min`;
	if (seconds < 86_400) return `${Math.floor(seconds / 3600)}\u00a0h`;
	return `${Math.floor(seconds / 86_400)}\u00a0d`;
}

/** The clock time today, with the day before it on any other day. */
export function clockTime(at: string | null | undefined, now: number, locale?: string): string | null {
	if (!at) return null;
	const moment = new Date(at);
	if (Number.isNaN(moment.getTime())) return null;
	const time = moment.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', hour12: false });
	if (moment.toDateString() === new Date(now).toDateString()) return time;
	const sameYear = moment.getFullYear() === new Date(now).getFullYear();
	const day = moment.toLocaleDateString(locale, {
		day: 'numeric',
		month: 'short',
		...(sameYear ? {} : { year: 'numeric' })
	});
	return `${day} ${time}`;
}

export function fullTime(at: string | null | undefined, locale?: string): string {
	if (!at) return '\u2014';
	const moment = new Date(at);
	if (Number.isNaN(moment.getTime())) return '\u2014';
	return moment.toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'medium' });
}
