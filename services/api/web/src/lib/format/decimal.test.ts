import { describe, expect, it } from 'vitest';
import { compareDecimals, formatDecimal, parseDecimal, signum, negated } from './decimal';

const two = { minimumFractionDigits: 2, maximumFractionDigits: 2, locale: 'en-US' };

describe('formatDecimal', () => {
	it('keeps every digit that a float would lose', () => {
		expect(formatDecimal('9007199254740993.01', two)).toBe('9,007,199,254,740,993.01');
		expect(formatDecimal('0.1234567890123456789', { ...two, maximumFractionDigits: 19 })).toBe('0.1234567890123456789');
	});

	it('rounds half away from zero, also where a float would fall short', () => {
		expect(formatDecimal('1.005', two)).toBe('1.01');
		expect(formatDecimal('-1.005', two)).toBe('−1.01');
		expect(formatDecimal('0.995', two)).toBe('1.00');
		expect(formatDecimal('999999.995', two)).toBe('1,000,000.00');
	});

	it('never writes a minus before zero', () => {
		expect(formatDecimal('-0.001', two)).toBe('0.00');
		expect(formatDecimal('-0', two)).toBe('0.00');
	});

	it('drops trailing zeros of a quantity and fills up those of an amount', () => {
		const quantity = { minimumFractionDigits: 0, maximumFractionDigits: 12, locale: 'en-US' };
		expect(formatDecimal('150.0000', quantity)).toBe('150');
		expect(formatDecimal('0.2500', quantity)).toBe('0.25');
		expect(formatDecimal('7', two)).toBe('7.00');
		expect(formatDecimal('.5', two)).toBe('0.50');
	});

	it('writes a plus only when asked, and never before zero', () => {
		expect(formatDecimal('3', { ...two, sign: 'always' })).toBe('+3.00');
		expect(formatDecimal('0', { ...two, sign: 'always' })).toBe('0.00');
	});

	it('groups, separates and numbers as the locale does', () => {
		expect(formatDecimal('1234567.8', { ...two, locale: 'de-DE' })).toBe('1.234.567,80');
		expect(formatDecimal('1234567.8', { ...two, locale: 'en-IN' })).toBe('12,34,567.80');
		expect(formatDecimal('12.5', { ...two, locale: 'ar-EG' })).toBe('١٢٫٥٠');
	});

	it('reads exponents', () => {
		expect(formatDecimal('1.5E+3', two)).toBe('1,500.00');
		expect(formatDecimal('15e-3', { ...two, maximumFractionDigits: 3 })).toBe('0.015');
	});

	it.each(['', '.', 'NaN', 'Infinity', '1,000', '1.2.3', '0x10'])('takes %j for no number', (text) => {
		expect(formatDecimal(text, two)).toBeNull();
	});
});

it('compares by value, the unreadable last', () => {
	expect(compareDecimals('10', '9.99')).toBe(1);
	expect(compareDecimals('-10', '9')).toBe(-1);
	expect(compareDecimals('1.50', '1.5')).toBe(0);
	expect(compareDecimals('9007199254740993', '9007199254740992')).toBe(1);
	expect(compareDecimals('1', '?')).toBe(-1);
});

it('knows the sign, and that a missing number has none', () => {
	expect([signum('2'), signum('-2'), signum('-0.00'), signum(null), signum('x')]).toEqual([1, -1, 0, null, null]);
	expect(parseDecimal('-0')?.negative).toBe(false);
});

it('negates without a second sign', () => {
	expect([negated('-100'), negated('40.5')]).toEqual(['100', '-40.5']);
});
