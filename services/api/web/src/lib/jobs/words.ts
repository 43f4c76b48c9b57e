/** Jobs in plain words, and how one that failed is asked for again. */

const KINDS: Record<string, string> = {
	resync: 'Compare with the broker',
	import: 'Import a statement',
	undo: 'Take an import back',
	snapshot: 'Save a snapshot',
	rules: 'Check what is kept',
	dead_retry: 'Apply what was set aside'
};

export const jobWord = (kind: string) => KINDS[kind] ?? kind.replaceAll('_', ' ');

const AGAIN: Record<string, string> = { resync: 'sync/resync', snapshot: 'snapshots', rules: 'issues/check' };

/** What to send to have the same done again; null where it needs more than that: the file itself, say. */
export const askedAgainAt = (kind: string) => AGAIN[kind] ?? null;

export const statusChip = (status: string) =>
	status === 'succeeded' ? 'chip chip-gain' : status === 'failed' ? 'chip chip-loss' : 'chip';
