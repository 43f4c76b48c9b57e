import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { app } from './app.svelte.ts';
import { asking, type Asking } from './loaded.svelte.ts';
import { pages, type Pages } from './pages.svelte.ts';

/** What was asked and not answered yet, in order. */
let open: { asked: string; answer: (told: unknown) => void; fail: (error: Error) => void }[];
let stop: () => void;
const settle = () => vi.advanceTimersByTimeAsync(0);

async function answer(told: unknown, number = 0) {
	open.splice(number, 1)[0]!.answer(told);
	await settle();
	flushSync();
}

beforeEach(() => {
	vi.useFakeTimers();
	open = [];
	app.phase = 'up';
});

afterEach(() => {
	stop();
	vi.restoreAllMocks();
	vi.useRealTimers();
});

describe('what is asked', () => {
	let key = $state<string | null>('a');
	let found: Asking<string>;

	beforeEach(() => {
		key = 'a';
		stop = $effect.root(() => {
			found = asking<string>(
				() => key,
				(asked) => new Promise((answer, fail) => open.push({ asked, answer: answer as (told: unknown) => void, fail })),
				5_000
			);
		});
		flushSync();
	});

	const change = (next: string | null) => {
		key = next;
		flushSync();
	};
	const waiting = () => open.map((one) => one.asked);

	it('has the answer of what is asked now, and the one before apart', async () => {
		expect([found.data, found.pending]).toEqual([null, true]);
		await answer('A');
		expect([found.data, found.pending]).toEqual(['A', false]);
		change('b');
		expect([found.data, found.before, found.pending]).toEqual([null, 'A', true]);
		await answer('B');
		expect([found.data, found.before]).toEqual(['B', 'B']);
		change(null);
		expect([found.data, found.pending]).toEqual([null, false]);
	});

	it('does not take a late answer, nor a late failure', async () => {
		change('b');
		await answer('B', 1);
		await answer('A');
		expect(found.data).toBe('B');
		change('c');
		change('d');
		open.shift()!.fail(new Error('late'));
		await answer('D');
		expect([found.data, found.problem]).toEqual(['D', null]);
	});

	it('asks a slow server once at a time, and hears it', async () => {
		await vi.advanceTimersByTimeAsync(12_000);
		expect(waiting()).toEqual(['a']);
		await answer('A');
		expect(found.data).toBe('A');
		await vi.advanceTimersByTimeAsync(5_000);
		open.shift()!.fail(new Error('It hangs.'));
		await settle();
		expect([found.data, found.problem]).toEqual(['A', 'It hangs.']);
	});

	it('asks once more where something changed meanwhile', async () => {
		found.again();
		found.again();
		expect(waiting()).toEqual(['a']);
		await answer('old');
		expect(waiting()).toEqual(['a']);
		await answer('new');
		expect([found.data, waiting()]).toEqual(['new', []]);
	});

	it('asks the same again in a new chapter, and keeps what there is', async () => {
		await answer('A');
		change('a#2');
		expect([waiting(), found.data, found.pending]).toEqual([['a'], 'A', false]);
		await answer('A2');
		expect(found.data).toBe('A2');
	});

	it('does not wait for what was asked over a connection that broke', async () => {
		app.phase = 'down';
		flushSync();
		app.phase = 'connecting';
		flushSync();
		expect(waiting()).toEqual(['a', 'a']);
		await answer('new', 1);
		expect(found.data).toBe('new');
	});

	it('tells a failure of its own question only', async () => {
		await answer('A');
		change('b');
		open.shift()!.fail(new Error('No.'));
		await settle();
		expect([found.data, found.before, found.problem]).toEqual([null, null, 'No.']);
		change('c');
		expect(found.problem).toBeNull();
	});
});

describe('pages', () => {
	type Row = { id: number; said: string };
	let path = $state('list#1');
	let list: Pages<Row>;
	/** What the server has. */
	let rows: Row[];
	let asked: string[];

	const told = async () => {
		await settle();
		flushSync();
		await settle();
		flushSync();
	};
	const ids = () => list.items.map((row) => row.id);

	beforeEach(async () => {
		path = 'list#1';
		asked = [];
		rows = [1, 2, 3, 4, 5].map((id) => ({ id, said: 'before' }));
		vi.spyOn(app.api, 'get').mockImplementation(async (path) => {
			asked.push(path);
			const url = new URL(path, 'http://x');
			const from = Number(url.searchParams.get('cursor') ?? 0);
			const to = from + Number(url.searchParams.get('limit'));
			return { items: rows.slice(from, to), next_cursor: to < rows.length ? String(to) : null };
		});
		stop = $effect.root(() => {
			list = pages<Row>(() => path, (row) => String(row.id), { size: 2, everyMs: 1_000 });
		});
		flushSync();
		await told();
	});

	it('go on where they ended, whatever chapter it is', async () => {
		expect(ids()).toEqual([1, 2]);
		list.more();
		await told();
		list.more();
		await told();
		expect([ids(), list.ended]).toEqual([[1, 2, 3, 4, 5], true]);
		expect(asked).toEqual(['list?limit=2', 'list?limit=2&cursor=2', 'list?limit=2&cursor=4']);
	});

	it('are all asked anew after a change, with what came between', async () => {
		list.more();
		await told();
		rows = [{ id: 0, said: 'new' }, ...rows.map((row) => ({ ...row, said: 'after' }))];
		path = 'list#2';
		flushSync();
		await told();
		expect(ids()).toEqual([0, 1, 2, 3]);
		expect(list.items[3]!.said).toBe('after');
		rows = rows.filter((row) => row.id !== 2);
		list.again();
		await told();
		expect(ids()).toEqual([0, 1, 3, 4]);
	});

	it('are asked anew by turns as time goes on, the first of them always', async () => {
		list.more();
		await told();
		rows = rows.map((row) => ({ ...row, said: 'after' }));
		await vi.advanceTimersByTimeAsync(1_000);
		expect(list.items.map((row) => row.said)).toEqual(['after', 'after', 'before', 'before']);
		await vi.advanceTimersByTimeAsync(1_000);
		expect(list.items.map((row) => row.said)).toEqual(Array(4).fill('after'));
	});

	it('of another list are of none of the one before', async () => {
		list.more();
		await told();
		path = 'other';
		flushSync();
		expect([ids(), list.pending, list.ended]).toEqual([[], true, true]);
		await told();
		expect(ids()).toEqual([1, 2]);
	});

	it('have a row once that moved to the next page meanwhile', async () => {
		rows = [{ id: 0, said: 'new' }, ...rows];
		list.more();
		await told();
		expect(ids()).toEqual([1, 2, 3]);
	});
});
