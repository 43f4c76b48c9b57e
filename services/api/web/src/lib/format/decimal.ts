/**
 * Decimal strings, formatted without ever becoming a float: `0.1 + 0.2` has no business in an account.
 *
 * Grouping, separators and digits come from the locale through `Intl`, which takes a BigInt exactly.
 */

export interface ExactDecimal {
	negative: boolean;
	/** The digits without sign and separator. */
	digits: bigint;
	/** How many of the digits stand after the separator. */
	scale: number;
}

export interface DecimalStyle {
	minimumFractionDigits: number;
	maximumFractionDigits: number;
	/** `always` puts a plus before a gain, so that the sign never has to be guessed from a colour. */
	sign?: 'auto' | 'always';
	locale?: string | undefined;
}

const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
/** A minus as wide as the plus, so that columns line up. */
const MINUS = '\u2212';

export function parseDecimal(text: string): ExactDecimal | null {
	const match = PATTERN.exec(text.trim());
	if (!match) return null;
	const [, sign, whole = '', fraction = '', exponent] = match;
	if (whole === '' && fraction === '') return null;
	const scale = fraction.length - Number(exponent ?? 0);
	const digits = BigInt(whole + fraction) * (scale < 0 ? 10n ** BigInt(-scale) : 1n);
	return { negative: sign === '-' && digits !== 0n, digits, scale: Math.max(scale, 0) };
}

/** Half away from zero, as `Intl` and every broker statement do it. */
export function roundTo(value: ExactDecimal, scale: number): ExactDecimal {
	if (value.scale <= scale) return value;
	const unit = 10n ** BigInt(value.scale - scale);
	const digits = (value.digits + unit / 2n) / unit;
	return { negative: value.negative && digits !== 0n, digits, scale };
}

export function formatDecimal(text: string, style: DecimalStyle): string | null {
	const exact = parseDecimal(text);
	if (!exact) return null;
	const rounded = roundTo(exact, style.maximumFractionDigits);
	const digits = rounded.digits.toString().padStart(rounded.scale + 1, '0');
	const cut = digits.length - rounded.scale;
	const fraction = digits
		.slice(cut)
		.replace(/0+$/, '')
		.padEnd(style.minimumFractionDigits, '0');
	const locale = symbolsOf(style.locale);
	const whole = locale.whole.format(BigInt(digits.slice(0, cut)));
	const tail = fraction === '' ? '' : locale.separator + locale.translate(fraction);
	return signOf(rounded, style.sign) + whole + tail;
}

/** The same with the other sign. */
export const negated = (text: string) => (text.startsWith('-') ? text.slice(1) : `-${text}`);

/** -1, 0 or 1; null when there is no number to speak of. */
export function signum(text: string | null | undefined): -1 | 0 | 1 | null {
	if (text == null) return null;
	const exact = parseDecimal(text);
	if (!exact) return null;
	if (exact.digits === 0n) return 0;
	return exact.negative ? -1 : 1;
}

/** Orders two decimal strings by value; the unknown comes last whichever way the column is sorted. */
export function compareDecimals(left: string, right: string): number {
	const a = parseDecimal(left);
	const b = parseDecimal(right);
	if (!a || !b) return Number(b !== null) - Number(a !== null);
	const scale = Math.max(a.scale, b.scale);
	const difference = scaled(a, scale) - scaled(b, scale);
	return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function scaled(value: ExactDecimal, scale: number): bigint {
	const digits = value.digits * 10n ** BigInt(scale - value.scale);
	return value.negative ? -digits : digits;
}

function signOf(value: ExactDecimal, sign: DecimalStyle['sign']): string {
	if (value.negative) return MINUS;
	return sign === 'always' && value.digits !== 0n ? '+' : '';
}

interface LocaleSymbols {
	whole: Intl.NumberFormat;
	separator: string;
	translate: (digits: string) => string;
}

const symbols = new Map<string, LocaleSymbols>();

function symbolsOf(locale: string | undefined): LocaleSymbols {
	const key = locale ?? '';
	let found = symbols.get(key);
	if (!found) {
		const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
		const parts = new Intl.NumberFormat(locale, { minimumFractionDigits: 1 }).formatToParts(0.5);
		const separator = parts.find((part) => part.type === 'decimal')?.value ?? '.';
		const numerals = Array.from({ length: 10 }, (_, digit) => whole.format(digit));
		const translate = (digits: string) =>
			digits.replace(/\d/g, (digit) => numerals[Number(digit)] ?? digit);
		found = { whole, separator, translate };
		symbols.set(key, found);
	}
	return found;
}
