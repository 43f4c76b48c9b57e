/**
 * Weighs what the browser downloads, gzipped, and fails when a budget is exceeded.
 *
 *     shell   what the first paint needs: the page, the start script, the styles and the layout
 *     route   the shell, the signed-in frame with its menu, the live stream and everything one screen adds
 *     total   all scripts and styles there are
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUDGET_KB = { shell: 45, route: 120, total: 180 };

const here = fileURLToPath(new URL('..', import.meta.url));
const built = join(here, '..', 'static');
const manifest = JSON.parse(
	readFileSync(join(here, '.svelte-kit/output/client/.vite/manifest.json'), 'utf8')
);
const html = readFileSync(join(built, 'index.html'), 'utf8');

/** @param {string} file */
const weigh = (file) => statSync(join(built, `${file}.gz`)).size;

/** @param {string} key @param {Set<string>} [into] */
function filesOf(key, into = new Set()) {
	const chunk = manifest[key];
	if (!chunk || into.has(chunk.file)) return into;
	into.add(chunk.file);
	for (const css of chunk.css ?? []) into.add(css);
	for (const imported of chunk.imports ?? []) filesOf(imported, into);
	return into;
}

const nodes = Object.keys(manifest).filter((key) => /(^|\/)nodes\/\d+\.js$/.test(key));
const numberOf = (/** @type {string} */ key) => Number(/(\d+)\.js$/.exec(key)?.[1]);
const entries = Object.keys(manifest).filter((key) => manifest[key].isEntry && !nodes.includes(key));
const shell = new Set(['index.html', 'theme.js']);
for (const key of [...entries, ...nodes.filter((key) => numberOf(key) === 0)]) filesOf(key, shell);

/** The layout fetches these at once, beside the screen. */
const frame = new Set([...filesOf('src/lib/ui/Shell.svelte'), ...filesOf('src/lib/live/stream.ts')]);
if (frame.size < 2) throw new Error('the frame is not where the budget looks for it');

/** @param {Iterable<string>} files */
const sum = (files) => [...files].reduce((bytes, file) => bytes + weigh(file), 0);

/** @type {[string, number, number][]} */
const rows = [['shell', sum(shell), BUDGET_KB.shell]];
for (const key of nodes.filter((key) => numberOf(key) > 1)) {
	const name = routeName(numberOf(key));
	rows.push([`route ${name}`, sum(new Set([...shell, ...frame, ...filesOf(key)])), BUDGET_KB.route]);
}
const all = readdirSync(built, { recursive: true })
	.map(String)
	.filter((file) => /\.(js|css|html)$/.test(file));
rows.push(['total', sum(all), BUDGET_KB.total]);

/** @param {number} node */
function routeName(node) {
	const app = readFileSync(join(here, '.svelte-kit/generated/client-optimized/app.js'), 'utf8');
	const match = new RegExp(`"(/[^"]*)":\\s*\\[${node}[,\\]]`).exec(app);
	return match?.[1] ?? String(node);
}

let exceeded = false;
for (const [name, bytes, limit] of rows) {
	const over = bytes > limit * 1000;
	exceeded ||= over;
	console.log(`${name.padEnd(18)} ${(bytes / 1000).toFixed(1).padStart(6)} kB gz  of ${limit}${over ? '  EXCEEDED' : ''}`);
}

// The server sends this policy as a header too: without it the page would stand open, and nobody would notice.
if (!/http-equiv="content-security-policy" content="[^"]*'sha256-/i.test(html)) {
	throw new Error('index.html carries no Content-Security-Policy with the hash of its start script');
}
if (exceeded) {
	console.error('A budget is exceeded.');
	process.exit(1);
}
