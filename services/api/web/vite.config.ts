import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { svelteTesting } from './scripts/browser-conditions.js';
import { licenceFile } from './scripts/licences.js';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a running Lotkeeper. */
const server = process.env.LOTKEEPER_DEV_SERVER ?? 'http://127.0.0.1:8321';

/** What nearly every screen needs, in files of its own: many small ones together compress worse, by six kilobytes. */
const TOGETHER = [
	{ name: 'svelte', test: /node_modules|vite\/|kit\/src|\0/, priority: 3 },
	// What the first paint needs.
	{ name: 'base', test: /src\/lib\/(stores\/(prefs|app)|ui\/(Brand|Waiting)|api|contract|live\/(clock|feed|backoff))\b/, priority: 2 },
	{
		name: 'frame',
		test: /src\/lib\/(ui\/(Icon|icons|Trouble|Pnl|Modal|More|flash|rows)|format\/\w+|stores\/(query|loaded|fmt|names|pages|title|shortcuts)|settings\/Choice|history\/AccountChoice|nav|live\/(advice|words)|jobs\/\w+|positions\/window)\b/,
		priority: 1
	}
];

export default defineConfig({
	plugins: [
		// Vite minifies the styles for the browsers named below; a second pass would lower `light-dark()` again.
		tailwindcss({ optimize: false }),
		sveltekit({
			adapter: adapter({
				pages: '../static',
				assets: '../static',
				fallback: 'index.html',
				precompress: true
			}),
			// The start script is the only inline script: its hash goes into the page's own policy,
			// and the server sends that policy as a header as well.
			csp: {
				mode: 'hash',
				directives: {
					'default-src': ['none'],
					'script-src': ['self'],
					'style-src': ['self'],
					// The hidden element in which SvelteKit announces page changes carries one style attribute.
					'style-src-attr': [
						'unsafe-hashes',
						'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='
					],
					'img-src': ['self', 'data:'],
					'font-src': ['self'],
					'connect-src': ['self'],
					'manifest-src': ['self'],
					'base-uri': ['none'],
					'form-action': ['self'],
					'object-src': ['none']
				}
			}
		}),
		svelteTesting(),
		licenceFile()
	],
	server: {
		// The Host header stays: the server lets a page sign in only from the host that it was asked as.
		proxy: { '/api': { target: server, ws: true, changeOrigin: false } }
	},
	// Browsers of 2024 and later: the first ones with `light-dark()`.
	build: {
		target: 'es2022',
		rolldownOptions: {
			output: {
				advancedChunks: { groups: TOGETHER }
			}
		},
		cssTarget: ['chrome123', 'firefox120', 'safari17.5']
	},
	test: {
		environment: 'jsdom',
		include: ['src/**/*.test.ts'],
		restoreMocks: true
	}
});
