/** The formatters as the page uses them: privacy is applied here, so no component can forget it. */
import * as figures from '#lib/format/figures.ts';
import { prefs } from './prefs.svelte';

type Maybe = string | null | undefined;

const style = () => ({ hidden: prefs.privacy });

export const fmt = {
	money: (value: Maybe, currency: Maybe) => figures.money(value, currency, style()),
	signedMoney: (value: Maybe, currency: Maybe) => figures.signedMoney(value, currency, style()),
	quantity: (value: Maybe) => figures.quantity(value, style()),
	cost: (value: Maybe) => figures.cost(value, style()),
	price: (value: Maybe) => figures.price(value),
	words: (text: string | null) => figures.words(text ?? '', prefs.privacy),
	plain: (value: Maybe) => figures.plain(value),
	count: (value: number | null | undefined) => figures.count(value),
	fraction: (value: Maybe) => figures.fraction(value),
	signedFraction: (value: Maybe) => figures.signedFraction(value),
	ratio: (value: Maybe) => figures.ratio(value),
	account: (account: string) => figures.accountName(account, prefs.privacy),
	tone: (value: Maybe) => figures.tone(value, prefs.privacy),
	/** Of an axis: short, and hidden with the amounts. */
	axis: (value: number) =>
		prefs.privacy ? figures.MASK : figures.axis(value, { notation: 'compact', maximumFractionDigits: 2 }),
	axisFraction: (value: number) => figures.axis(value, { style: 'percent', maximumFractionDigits: 1 })
};
