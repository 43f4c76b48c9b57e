import { describe, expect, it } from 'vitest';
import { accountName, axis, cost, count, fraction, MASK, MISSING, money, price, quantity, ratio, signedFraction, signedMoney, tone, words } from './figures';

const open = { hidden: false, locale: 'en-US' };
const hidden = { hidden: true, locale: 'en-US' };

describe('figures', () => {
	it('writes no sign before a zero of an axis', () => {
		const percent = { style: 'percent', maximumFractionDigits: 1 } as const;
		expect([-0.0004, 0, -0.051].map((value) => axis(value, percent, 'en-US'))).toEqual(['0%', '0%', '\u22125.1%']);
	});

	it('shows what is missing as a dash and never as zero', () => {
		for (const write of [money, signedMoney]) expect(write(null, 'USD', open)).toBe(MISSING);
		expect([quantity(null, open), cost(undefined, open), price(null), fraction(null), count(null)]).toEqual(Array(5).fill(MISSING));
		expect(money('garbage', 'USD', open)).toBe(MISSING);
	});

	it('gives each currency its own decimals', () => {
		expect(money('1234.5', 'USD', open)).toBe('1,234.50');
		expect(money('1234.5', 'JPY', open)).toBe('1,235');
		expect(money('1.2345', 'KWD', open)).toBe('1.235');
		expect(money('1.5', 'BASE', open)).toBe('1.50');
		expect(money('1.5', 'no currency', open)).toBe('1.50');
	});

	it('keeps the digits of a currency pair and cuts those of a division', () => {
		expect(price('1.15635', 'en-US')).toBe('1.15635');
		expect(price('4105.33333333333333', 'en-US')).toBe('4,105.3333');
	});

	it('writes a fraction as per cent without calculating', () => {
		expect(fraction('0.5714', 'en-US')).toBe('57.1\u00a0%');
		expect(fraction('1', 'en-US')).toBe('100.0\u00a0%');
		expect(fraction('x', 'en-US')).toBe(MISSING);
	});
});

it('writes returns with their sign and ratios without a unit', () => {
	expect(signedFraction('0.196910140878', 'en-US')).toBe('+19.69\u00a0%');
	expect(signedFraction('-0.0005', 'en-US')).toBe('\u22120.05\u00a0%');
	expect([signedFraction(null), signedFraction('x')]).toEqual([MISSING, MISSING]);
	expect([ratio('1.19964544711', 'en-US'), ratio('-0.005', 'en-US'), ratio(undefined)]).toEqual(['1.20', '\u22120.01', MISSING]);
});

describe('privacy', () => {
	it('masks amounts at one length and leaves the public price', () => {
		expect([money('1', 'USD', hidden), money('123456789', 'USD', hidden), quantity('5', hidden), cost('7', hidden)]).toEqual(Array(4).fill(MASK));
		expect(price('7', 'en-US')).toBe('7.00');
	});

	it('does not mask what is missing into something that looks known', () => {
		expect(money(null, 'USD', hidden)).toBe(MISSING);
	});

	it('hides the direction too, and most of the account number', () => {
		expect(tone('-5', true)).toBe('unknown');
		expect([tone('-5', false), tone('5', false), tone('0', false), tone(null, false)]).toEqual(['loss', 'gain', 'flat', 'unknown']);
		expect([words('Sell 1,250.50 above 99', true), words('Sell 5', false)]).toEqual([`Sell ${MASK} above ${MASK}`, 'Sell 5']);
		expect(accountName('DU1234567', true)).toBe(`${MASK}67`);
		expect(accountName('DU1234567', false)).toBe('DU1234567');
	});
});
