/**
 * Lets vitest resolve Svelte's browser build, so that components mount in jsdom.
 * @returns {import('vite').Plugin}
 */
export function svelteTesting() {
	return {
		name: 'svelte-browser-conditions',
		config: () => (process.env.VITEST ? { resolve: { conditions: ['browser'] } } : undefined)
	};
}
