import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Summary } from '#lib/contract.ts';
import { prefs } from './prefs.svelte';
import { shortcuts } from './shortcuts';
import { tabTitle } from './title';

beforeEach(() => {
	localStorage.clear();
	prefs.load();
});

describe('preferences', () => {
	it('are remembered and painted', () => {
		prefs.setTheme('dark');
		prefs.setPrivacy(true);
		prefs.setShortcuts(false);
		expect(document.documentElement.dataset.theme).toBe('dark');
		prefs.load();
		expect([prefs.theme, prefs.privacy, prefs.shortcuts]).toEqual(['dark', true, false]);
		prefs.setTheme('auto');
		expect(document.documentElement.dataset.theme).toBeUndefined();
	});

	it('survive rubbish in the storage and a storage that is switched off', () => {
		localStorage.setItem('lotkeeper.theme', '"pink"');
		localStorage.setItem('lotkeeper.privacy', '{');
		prefs.load();
		expect([prefs.theme, prefs.privacy]).toEqual(['auto', false]);
		vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
			throw new Error('denied');
		});
		prefs.setPrivacy(true);
		expect(prefs.privacy).toBe(true);
	});
});

describe('shortcuts', () => {
	let clock = 0;
	const actions = { go: vi.fn(), help: vi.fn(), palette: vi.fn(), filter: vi.fn() };
	const handle = shortcuts(actions, () => clock);
	const press = (key: string, init: KeyboardEventInit = {}, target: HTMLElement = document.body) => {
		const event = new KeyboardEvent('keydown', { key, cancelable: true, bubbles: true, ...init });
		target.addEventListener('keydown', handle, { once: true });
		target.dispatchEvent(event);
		return event;
	};

	beforeEach(() => vi.clearAllMocks());

	it('go places in two keys, if the second comes soon', () => {
		press('g');
		press('p');
		expect(actions.go).toHaveBeenCalledWith('/positions');
		press('g');
		clock += 5_000;
		press('o');
		expect(actions.go).toHaveBeenCalledTimes(1);
	});

	it('hide amounts, help and filter', () => {
		expect(press('b').defaultPrevented).toBe(true);
		expect(prefs.privacy).toBe(true);
		press('?');
		press('/');
		expect([actions.help.mock.calls.length, actions.filter.mock.calls.length]).toEqual([1, 1]);
	});

	it('keep out of the way of typing, of modifiers, and when switched off', () => {
		const input = document.body.appendChild(document.createElement('input'));
		press('b', {}, input);
		press('b', { ctrlKey: true });
		prefs.setShortcuts(false);
		press('b');
		expect(prefs.privacy).toBe(false);
		expect(press('x').defaultPrevented).toBe(false);
		press('k', { ctrlKey: true }, input);
		press('K', { metaKey: true });
		press('k', { ctrlKey: true, altKey: true });
		press('k');
		expect(actions.palette).toHaveBeenCalledTimes(2);
	});
});

describe('the tab', () => {
	const all = { daily_pnl: '1234.5', base_currency: 'USD' } as Summary;

	it('tells the day, and when it is not live', () => {
		expect(tabTitle('Overview', all, 'live', false)).toBe('▲ +1,234.50 USD · Overview · Lotkeeper');
		expect(tabTitle('Overview', { ...all, daily_pnl: '-1' }, 'offline', false)).toBe('▼ −1.00 USD (last known) · Overview · Lotkeeper');
	});

	it('tells nothing when amounts are hidden or unknown', () => {
		expect(tabTitle('Overview', all, 'live', true)).toBe('Overview · Lotkeeper');
		expect(tabTitle('Positions', { ...all, daily_pnl: null }, 'live', false)).toBe('Positions · Lotkeeper');
		expect(tabTitle('Positions', null, 'connecting', false)).toBe('Positions · Lotkeeper');
	});
});
