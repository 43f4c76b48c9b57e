/** What the palette offers, and how well each answers what was typed. Pure. */
import type { Position } from '#lib/contract.ts';

export interface Command {
	id: string;
	kind: 'Screen' | 'Position' | 'Action';
	name: string;
	/** Told beside it, and found by it. */
	hint: string;
	/** The keys that do the same. */
	keys?: string[];
	run(): void;
}

/** Higher is better, 0 not at all: a beginning beats a word's beginning, that beats letters in order. */
export function score(text: string, wanted: string): number {
	const [name, typed] = [text.toLowerCase(), wanted.toLowerCase().trim()];
	if (!typed) return 1;
	if (name === typed) return 5;
	if (name.startsWith(typed)) return 4;
	if (new RegExp(`[\\s·(]${escaped(typed)}`).test(name)) return 3;
	if (name.includes(typed)) return 2;
	let at = 0;
	for (const letter of name) if (letter === typed[at]) at += 1;
	return at === typed.length && typed.length > 1 ? 1 : 0;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The best first; what is equally good stays in its order. */
export function found(commands: readonly Command[], wanted: string, most: number): Command[] {
	return commands
		.map((command) => ({ command, points: Math.max(2 * score(command.name, wanted), score(command.hint, wanted)) }))
		.filter(({ points }) => points > 0)
		.sort((a, b) => b.points - a.points)
		.slice(0, most)
		.map(({ command }) => command);
}

/** One of a position; the same symbol in two accounts is told apart by its account. */
export function positionCommand(position: Position, account: string, go: (href: string) => void): Command {
	const name = position.local_symbol && position.local_symbol !== position.symbol ? position.local_symbol.replace(/\s+/g, ' ') : position.symbol;
	return {
		id: `position ${position.id}`,
		kind: 'Position',
		name,
		hint: [position.description, account].filter(Boolean).join(' · '),
		run: () => go(`/positions/${position.id}`)
	};
}
