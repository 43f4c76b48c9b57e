/** Accounts in different base currencies have no common value: then one of them is looked at. */
import { app } from '#lib/stores/app.svelte.ts';

export const baseCurrencies = () => [...new Set(app.perAccount.map((row) => row.base_currency))];

export const mixed = () => baseCurrencies().length > 1;

export function chosenAccount(asked: string | null): string {
	return asked || (mixed() ? (app.perAccount[0]?.account ?? '') : '');
}
