// @vitest-environment node
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { licences, packageOf } from '../../scripts/licences.js';

let installed: string;

beforeEach(() => {
	installed = mkdtempSync(join(tmpdir(), 'licences-'));
});
afterEach(() => rmSync(installed, { recursive: true }));

function install(name: string, license: string, text?: string) {
	const folder = join(installed, name);
	mkdirSync(folder, { recursive: true });
	writeFileSync(join(folder, 'package.json'), JSON.stringify({ version: '1.0.0', license }));
	if (text !== undefined) writeFileSync(join(folder, 'LICENSE.md'), text);
}

test.each([
	['/a/node_modules/svelte/src/index.js', 'svelte'],
	['/a/node_modules/@sveltejs/kit/src/runtime/app.js?x', '@sveltejs/kit'],
	['/a/node_modules/one/node_modules/two/index.js', 'two'],
	['\0vite/preload-helper.js', 'vite'],
	['/a/src/lib/api.ts', undefined],
	['\0virtual', undefined]
])('%j is of %s', (id, name) => {
	expect(packageOf(id)).toBe(name);
});

test('each package is named once with the text of its licence', () => {
	install('b', 'MIT', 'of b');
	install('@a/a', 'ISC', 'of a\n# Licenses of bundled dependencies\nof others');
	const text = licences(['b', '@a/a', 'b'], installed);
	expect(text).toMatch(/@a\/a 1\.0\.0 \(ISC\)\n\nof a\n[^]*\nb 1\.0\.0 \(MIT\)\n\nof b\n$/);
	expect(text).not.toContain('of others');
	expect(text.match(/of b/g)).toHaveLength(1);
});

test('what may not be passed on, or has no text, ends the build by its name', () => {
	install('closed', 'UNLICENSED', 'no');
	install('bare', 'MIT');
	expect(() => licences(['closed'], installed)).toThrow(/closed.*UNLICENSED/);
	expect(() => licences(['bare'], installed)).toThrow(/bare.*no text/);
});
