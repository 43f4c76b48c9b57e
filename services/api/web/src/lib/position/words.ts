/** How long, in a word. */
export function lasted(seconds: number): string {
	const days = Math.floor(seconds / 86_400);
	if (days > 0) return `${days}\u00a0d`;
	const hours = Math.floor(seconds / 3_600);
	return hours > 0 ? `${hours}\u00a0h` : `${Math.max(1, Math.floor(seconds / 60))}\u00a0min`;
}

/** A tag as it is kept: small, with single spaces and no commas. */
export function tagFrom(typed: string): string {
	return typed.replaceAll(',', ' ').trim().replace(/\s+/g, ' ').toLowerCase();
}
