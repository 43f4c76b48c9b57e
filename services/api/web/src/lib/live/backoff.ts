/** Full jitter: many tabs that lost the same server do not come back in the same instant. */
export class Backoff {
	private attempt = 0;

	constructor(
		private readonly firstMs = 500,
		private readonly maximumMs = 30_000,
		private readonly random: () => number = Math.random
	) {}

	next(): number {
		const ceiling = Math.min(this.maximumMs, this.firstMs * 2 ** this.attempt);
		this.attempt += 1;
		return Math.round(this.random() * ceiling);
	}

	reset(): void {
		this.attempt = 0;
	}
}
