import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { svelteTesting } from './scripts/browser-conditions.js';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a running Lotkeeper. */
const server = process.env.LOTKEEPER_DEV_SERVER ?? 'http://127.0.0.1:8321';

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
		svelteTesting()
	],
	server: {
		// The Host header stays: the server lets a page sign in only from the host that it was asked as.
		proxy: { '/api': { target: server, ws: true, changeOrigin: false } }
	},
	// Browsers of 2024 and later: the first ones with `light-dark()`.
	build: { target: 'es2022', cssTarget: ['chrome123', 'firefox120', 'safari17.5'] },
	test: {
		environment: 'jsdom',
		include: ['src/**/*.test.ts'],
		restoreMocks: true
	}
});
