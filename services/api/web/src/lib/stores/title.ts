/** The tab's title: the day at a glance, unless amounts are hidden. */
import type { Summary } from '#lib/contract.ts';
import type { Level } from '#lib/live/words.ts';
import { signedMoney, tone } from '#lib/format/figures.ts';

export function tabTitle(screen: string, all: Summary | null, level: Level, hidden: boolean): string {
	const name = `${screen} · Lotkeeper`;
	if (hidden || all?.daily_pnl == null) return name;
	const mark = { gain: '▲ ', loss: '▼ ', flat: '', unknown: '' }[tone(all.daily_pnl, false)];
	const amount = signedMoney(all.daily_pnl, all.base_currency, { hidden: false });
	const currency = all.base_currency ? ` ${all.base_currency}` : '';
	const trust = level === 'live' || level === 'delayed' ? '' : ' (last known)';
	return `${mark}${amount}${currency}${trust} · ${name}`;
}
