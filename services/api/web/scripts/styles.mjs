/**
 * Fails when the built styles go by a variable that nothing defines: such a declaration is silently ignored,
 * and the page has the wrong weight, size or radius.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} folder @param {RegExp} named */
const textOf = (folder, named) =>
	readdirSync(folder, { recursive: true })
		.map(String)
		.filter((file) => named.test(file))
		.map((file) => readFileSync(join(folder, file), 'utf8'))
		.join('\n');

const styles = textOf(join(here, '..', 'static', '_app'), /\.css$/);
const used = new Set([...styles.matchAll(/var\((--[\w-]+)\)/g)].map(([, name]) => name));
const defined = new Set([...styles.matchAll(/[{;](--[\w-]+):/g)].map(([, name]) => name));
// A component may set one itself.
for (const [, name] of textOf(join(here, 'src'), /\.svelte$/).matchAll(/style:(--[\w-]+)/g)) defined.add(name);
const missing = [...used].filter((name) => !defined.has(name)).sort();
if (used.size === 0 || missing.length > 0) {
	console.error(`styles that nothing defines: ${missing.join(', ') || 'no styles were found'}`);
	process.exit(1);
}
