/** How each kind of figure is written. Pure: the caller says whether figures are hidden. */
import { formatDecimal, signum } from './decimal';

export const MISSING = '\u2014';
/** Always the same length, so that the mask does not tell the size of the number. */
export const MASK = '\u2022\u2022\u2022\u2022\u2022';

type Maybe = string | null | undefined;

export interface FigureStyle {
	hidden: boolean;
	locale?: string | undefined;
}

export type Tone = 'gain' | 'loss' | 'flat' | 'unknown';

export function money(value: Maybe, currency: Maybe, style: FigureStyle): string {
	const places = currencyPlaces(currency);
	return figure(value, style, { minimumFractionDigits: places, maximumFractionDigits: places });
}

export function signedMoney(value: Maybe, currency: Maybe, style: FigureStyle): string {
	const places = currencyPlaces(currency);
	return figure(value, style, {
		minimumFractionDigits: places,
		maximumFractionDigits: places,
		sign: 'always'
	});
}

/** Fractional shares keep every digit they have; whole ones show no zeros after the separator. */
export function quantity(value: Maybe, style: FigureStyle): string {
	return figure(value, style, { minimumFractionDigits: 0, maximumFractionDigits: 12 });
}

/** A sentence of somebody's, or of the server's: it may hold amounts. */
export function words(text: string, hidden: boolean): string {
	return hidden ? text.replace(/\d[\d.,]*/g, MASK) : text;
}

/** What was paid: private. */
export function cost(value: Maybe, style: FigureStyle): string {
	return figure(value, style, { minimumFractionDigits: 2, maximumFractionDigits: pricePlaces(value) });
}

/** What the market says: public, so it is never hidden. */
export function price(value: Maybe, locale?: string): string {
	const style = { minimumFractionDigits: 2, maximumFractionDigits: pricePlaces(value) };
	return figure(value, { hidden: false, locale }, style);
}

/** A number of the contract itself, as it is. */
export function plain(value: Maybe, locale?: string): string {
	return quantity(value, { hidden: false, locale });
}

/** A price that was divided out of a value can have dozens of digits; none beyond these was ever quoted. */
function pricePlaces(value: Maybe): number {
	const whole = (value ?? '').replace(/^-/, '').split('.')[0]?.length ?? 0;
	return whole > 3 ? 4 : 6;
}

export function count(value: number | null | undefined, locale?: string): string {
	return value == null ? MISSING : new Intl.NumberFormat(locale).format(value);
}

/** `0.5714` is 57.1 %: the separator moves, nothing is calculated. */
export function fraction(value: Maybe, locale?: string): string {
	if (value == null) return MISSING;
	const percent = formatDecimal(`${value}e2`, {
		minimumFractionDigits: 1,
		maximumFractionDigits: 1,
		locale
	});
	return percent === null ? MISSING : `${percent}\u00a0%`;
}

/** A return: its sign is never left to be guessed. */
export function signedFraction(value: Maybe, locale?: string): string {
	if (value == null) return MISSING;
	const percent = formatDecimal(`${value}e2`, { minimumFractionDigits: 2, maximumFractionDigits: 2, sign: 'always', locale });
	return percent === null ? MISSING : `${percent}\u00a0%`;
}

/** A number without a unit, such as a Sharpe ratio. */
export function ratio(value: Maybe, locale?: string): string {
	return figure(value, { hidden: false, locale }, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

export function accountName(account: string, hidden: boolean): string {
	return hidden && account.length > 3 ? `${MASK}${account.slice(-2)}` : account;
}

/** Hidden figures have no tone either: a red number gives away half of the story. */
export function tone(value: Maybe, hidden: boolean): Tone {
	if (hidden) return 'unknown';
	const sign = signum(value);
	if (sign === null) return 'unknown';
	return sign > 0 ? 'gain' : sign < 0 ? 'loss' : 'flat';
}

function figure(value: Maybe, style: FigureStyle, decimal: Parameters<typeof formatDecimal>[1]): string {
	if (value == null) return MISSING;
	const text = formatDecimal(value, { ...decimal, locale: style.locale });
	if (text === null) return MISSING;
	return style.hidden ? MASK : text;
}

const places = new Map<string, number>();

function currencyPlaces(currency: Maybe): number {
	if (!currency) return 2;
	let known = places.get(currency);
	if (known === undefined) {
		known = askIntl(currency);
		places.set(currency, known);
	}
	return known;
}

function askIntl(currency: string): number {
	try {
		const options = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
		return options.maximumFractionDigits ?? 2;
	} catch {
		return 2; // Not an ISO code: IBKR's `BASE`, say.
	}
}

/** A round number of an axis; what rounds to zero has no sign. */
export const axis = (value: number, style: Intl.NumberFormatOptions, locale?: string) =>
	value.toLocaleString(locale, { ...style, signDisplay: 'negative' }).replace('-', '\u2212');
