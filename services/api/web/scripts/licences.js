/**
 * Writes `licences.txt` beside the built page: the licences of all packages of which code or styles are in
 * it, for they ask to be passed on. Taken from what was bundled, not from what is installed.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILE = 'licences.txt';
const INSTALLED = fileURLToPath(new URL('../node_modules', import.meta.url));

/** Those that let us pass code on in a page that is under MIT itself. Any other fails the build. */
const ALLOWED = new Set(['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0']);

/**
 * The name of the package that a module is of; undefined: it is ours.
 * @param {string} id as the bundler names it
 */
export function packageOf(id) {
	// Helpers that Vite puts in are its own.
	if (id.startsWith('\0vite/')) return 'vite';
	const [, inside] = id.replaceAll('\\', '/').match(/^.*\/node_modules\/(.+)$/) ?? [];
	return inside?.split('/', inside.startsWith('@') ? 2 : 1).join('/');
}

/**
 * Name, version, licence and its text.
 * @param {string} name
 * @param {string} [installed] the folder of packages
 */
export function licenceOf(name, installed = INSTALLED) {
	const folder = join(installed, name);
	const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
	if (!ALLOWED.has(license)) {
		throw new Error(`${name} is in the page, and nothing says that its licence (${license}) lets us pass it on.`);
	}
	const file = readdirSync(folder).find((one) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(one));
	if (file === undefined) throw new Error(`${name} is in the page, and has no text of its licence.`);
	// What Vite has bundled itself, and lists below its own licence, is not in the page.
	const [text = ''] = readFileSync(join(folder, file), 'utf8').split(/^# Licenses of bundled dependencies/m);
	return `${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/**
 * All of it, by name.
 * @param {Iterable<string>} names
 * @param {string} [installed]
 */
export function licences(names, installed = INSTALLED) {
	const parts = [...new Set(names)].sort().map((name) => licenceOf(name, installed));
	const head = 'The page of Lotkeeper has code and styles of these packages.\n';
	return [head, ...parts].join(`\n${'-'.repeat(72)}\n\n`);
}

/**
 * The plugin for Vite: of the page's own build, not of that which renders it.
 * @returns {import('vite').Plugin}
 */
export function licenceFile() {
	return {
		name: 'lotkeeper-licences',
		applyToEnvironment: (environment) => environment.name === 'client',
		generateBundle(_options, bundle) {
			const names = new Set();
			for (const made of Object.values(bundle)) {
				if (made.type === 'chunk') {
					for (const id of Object.keys(made.modules)) names.add(packageOf(id));
				} else if (made.fileName.endsWith('.css')) {
					// Styles are no modules by now; whatever wants to be named does so in a comment that stays.
					for (const [, name] of String(made.source).matchAll(/\/\*! (\S+) v/g)) names.add(name);
				}
			}
			names.delete(undefined);
			this.emitFile({ type: 'asset', fileName: FILE, source: licences(names) });
		}
	};
}
