/** What an import came to, or would come to: the report as the server wrote it, with its shape checked once, here. */

export interface Section {
	name: string;
	fresh: number;
	matched: number;
	corrected: number;
	disputed: number;
	ignored: number;
}

export interface Change {
	account: string;
	symbol: string;
	currency: string;
	quantity_before: string;
	quantity: string;
	realized_before: string | null;
	realized: string | null;
}

export interface ImportReport {
	name: string;
	dryRun: boolean;
	importId: number | null;
	/** Since when this very file stands imported. */
	already: string | null;
	sections: Section[];
	periods: { account: string; starts_at: string; ends_at: string; complete: boolean }[];
	changes: Change[];
	changedBooks: number;
	accountsCreated: string[];
	gapsClosed: number;
	unknown: number;
}

const SECTIONS: Record<string, string> = {
	trades: 'Trades',
	cash: 'Cash',
	flows: 'Cash flows',
	positions: 'Positions',
	lots: 'Lots',
	actions: 'Corporate actions',
	transfers: 'Transfers',
	rates: 'Rates',
	instruments: 'Instruments'
};

export const sectionWord = (name: string) => {
	const words = SECTIONS[name] ?? name.replaceAll('_', ' ');
	return words.charAt(0).toUpperCase() + words.slice(1);
};

/** `1 Jan 2026 to 31 Dec 2026`: days of the broker, which end with the midnight after them. */
export function periodSaid({ starts_at, ends_at }: ImportReport['periods'][number], locale?: string): string {
	const day = (at: number) => new Date(at).toLocaleDateString(locale, { dateStyle: 'medium', timeZone: 'America/New_York' });
	return `${day(Date.parse(starts_at))} to ${day(Date.parse(ends_at) - 1)}`;
}

const list = <T>(value: unknown): T[] => (Array.isArray(value) ? (value as T[]) : []);
const whole = (value: unknown): number => (typeof value === 'number' ? value : 0);
const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

export function reportOf(told: Record<string, unknown> | null | undefined): ImportReport | null {
	if (!told || typeof told.sections !== 'object' || told.sections === null) return null;
	const sections = Object.entries(told.sections as Record<string, Record<string, unknown>>).map(([name, tally]) => ({
		name,
		fresh: whole(tally.new),
		matched: whole(tally.matched),
		corrected: whole(tally.corrected),
		disputed: whole(tally.disputed),
		ignored: Object.values((tally.ignored as Record<string, number> | undefined) ?? {}).reduce((sum, many) => sum + many, 0)
	}));
	return {
		name: text(told.name) ?? '',
		dryRun: told.dry_run === true,
		importId: typeof told.import_id === 'number' ? told.import_id : null,
		already: text(told.already),
		sections: sections.filter((one) => one.fresh + one.matched + one.corrected + one.disputed + one.ignored > 0),
		periods: list(told.periods),
		changes: list(told.changes),
		changedBooks: whole(told.changed_books),
		accountsCreated: list(told.accounts_created),
		gapsClosed: whole(told.gaps_closed),
		unknown: Object.values((told.unknown as Record<string, number> | undefined) ?? {}).reduce((sum, many) => sum + many, 0)
	};
}

/** `1,204 new, 3 corrected`. */
export function tallySaid(one: Section): string {
	const said: [number, string][] = [
		[one.fresh, 'new'],
		[one.matched, 'known already'],
		[one.corrected, 'corrected'],
		[one.disputed, 'that say otherwise'],
		[one.ignored, 'left out']
	];
	return said
		.filter(([many]) => many > 0)
		.map(([many, word]) => `${new Intl.NumberFormat().format(many)} ${word}`)
		.join(', ');
}
