/**
 * What one question to the server is answered. Asked again when the question changes, when the connection is back, and
 * every few minutes; meanwhile the last answer stays.
 */
import { untrack } from 'svelte';
import { ApiError } from '#lib/api.ts';
import { app } from './app.svelte.ts';

export const EVERY_MS = 300_000;

/** Why it is asked: it was not before, the time has come, something changed, or for more of it. */
export type Why = 'new' | 'tick' | 'again' | 'more';

export interface Asked<T> {
	/** The answer to what is asked now, maybe not the newest; null until there is one. */
	readonly data: T | null;
	/** The last answer, be it to the question before: for what is drawn as such while `pending`. */
	readonly before: T | null;
	/** Why there is no newer answer, in words. */
	readonly problem: string | null;
	readonly code: string | null;
	/** What is asked now was not answered yet. */
	readonly pending: boolean;
	again(): void;
}

/** One that further parts can be asked of. */
export interface Asking<T> extends Asked<T> {
	/** What for it is being asked just now. */
	readonly doing: Why | null;
	more(): void;
}

/** A path and its query; what is null or empty is left out. */
export function query(path: string, asked: Record<string, string | number | null | undefined>): string {
	const said = Object.entries(asked).filter(([, value]) => value != null && value !== '');
	return said.length ? `${path}?${new URLSearchParams(said.map(([name, value]) => [name, String(value)]))}` : path;
}

/** Asks for what `path` names, a GET; null asks nothing. Call it while a component is made. */
export function loaded<T>(path: () => string | null, everyMs = EVERY_MS): Asked<T> {
	return asking(path, (asked) => app.api.get<T>(asked), everyMs);
}

/**
 * The same of something that takes more than one call; `key` says what is asked. Another word after a `#` in it is a
 * reason to ask the same again.
 */
export function asking<T>(key: () => string | null, ask: (asked: string, last: T | null, why: Why) => Promise<T>, everyMs = EVERY_MS): Asking<T> {
	let data = $state.raw<T | null>(null);
	let problem = $state<string | null>(null);
	let code = $state<string | null>(null);
	let answered = $state<string | null>(null);
	let doing = $state<Why | null>(null);
	let attempt = 0;
	/** What waits for the answer that is on its way: asked at once, a slow server would never be heard. */
	const due = new Set<Why>();
	const named = $derived(key());
	const wanted = $derived(named?.split('#', 1)[0] ?? null);
	const reachable = $derived(app.phase !== 'down');

	async function load(asked: string, why: Why) {
		if (why !== 'new' && doing) {
			if (why !== 'tick') due.add(why);
			return;
		}
		const mine = ++attempt;
		doing = why;
		try {
			const found = await ask(asked, answered === asked ? data : null, why);
			if (mine !== attempt) return;
			data = found;
			problem = code = null;
		} catch (error) {
			if (mine !== attempt) return;
			problem = error instanceof Error ? error.message : String(error);
			code = error instanceof ApiError ? error.code : null;
			if (answered !== asked) data = null; // What is shown would be an answer to another question.
		}
		answered = asked;
		doing = null;
		const [next] = due;
		if (next === undefined) return;
		due.delete(next);
		now(next);
	}

	const now = (why: Why) =>
		untrack(() => {
			if (wanted !== null && !(why === 'more' && doing === 'more')) void load(wanted, why);
		});

	let last: { named: string; asked: string } | null = null;
	$effect(() => {
		if (named === null || wanted === null || !reachable) return;
		const asked = wanted;
		// A connection that is back does not wait for what was asked over the one that broke.
		const why = last && last.asked === asked && last.named !== named ? 'again' : 'new';
		last = { named, asked };
		untrack(() => {
			if (why === 'new') due.clear();
			void load(asked, why);
		});
		const timer = setInterval(() => document.visibilityState === 'visible' && void load(asked, 'tick'), everyMs);
		return () => clearInterval(timer);
	});

	return {
		get data() {
			return answered === wanted ? data : null;
		},
		get before() {
			return data;
		},
		get problem() {
			return answered === wanted ? problem : null;
		},
		get code() {
			return code;
		},
		get pending() {
			return wanted !== null && answered !== wanted;
		},
		get doing() {
			return doing;
		},
		again: () => now('again'),
		more: () => now('more')
	};
}
