/**
 * The server's clock as this browser knows it.
 *
 * A laptop whose clock is ten minutes off must not show ten-minute-old prices as fresh, nor fresh ones as
 * from the future. The better a source is, the longer its word stands against a coarser one.
 */
export class ServerClock {
	private offset = 0;
	private precision: Precision | null = null;

	constructor(private readonly now: () => number = Date.now) {}

	/** A time the server wrote into a message it has just sent. */
	message(serverTime: string | null | undefined): void {
		this.observe(serverTime, 0, 'message');
	}

	/** The `Date` header, which is cut to the whole second. */
	header(date: string | null): void {
		this.observe(date, 500, 'header');
	}

	/** The freshness block says how old a value is and from when: together that is the server's time. */
	freshness(block: { as_of: string | null; age_seconds: number | null } | null | undefined): void {
		if (block?.as_of == null || block.age_seconds == null) return;
		this.observe(block.as_of, block.age_seconds * 1000, 'freshness');
	}

	serverNow(): number {
		return this.now() + this.offset;
	}

	private observe(text: string | null | undefined, plus: number, precision: Precision): void {
		const at = text ? Date.parse(text) : Number.NaN;
		if (Number.isNaN(at)) return;
		if (this.precision !== null && RANK[precision] < RANK[this.precision]) return;
		this.precision = precision;
		this.offset = at + plus - this.now();
	}
}

type Precision = 'freshness' | 'header' | 'message';
const RANK: Record<Precision, number> = { freshness: 0, header: 1, message: 2 };
