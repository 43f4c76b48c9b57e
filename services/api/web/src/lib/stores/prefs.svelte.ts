/** What this browser remembers about its reader. Kept in sync between tabs. */

export type Theme = 'auto' | 'dark' | 'light';
/** The colours of gain and loss; arrows and signs tell them apart under each. */
export type Palette = 'classic' | 'blue' | 'ink';

const PREFIX = 'lotkeeper.';

class Preferences {
	theme = $state<Theme>('auto');
	palette = $state<Palette>('classic');
	/** Amounts are masked. */
	privacy = $state(false);
	/** Shortcuts made of a single letter can be switched off: they get in the way of speech input. */
	shortcuts = $state(true);

	load(): void {
		this.theme = oneOf(read('theme'), ['auto', 'dark', 'light']) ?? 'auto';
		this.palette = oneOf(read('palette'), ['classic', 'blue', 'ink']) ?? 'classic';
		this.privacy = read('privacy') === true;
		this.shortcuts = read('shortcuts') !== false;
		this.paint();
	}

	setTheme(theme: Theme): void {
		this.theme = theme;
		write('theme', theme);
		this.paint();
	}

	setPalette(palette: Palette): void {
		this.palette = palette;
		write('palette', palette);
		this.paint();
	}

	setPrivacy(privacy: boolean): void {
		this.privacy = privacy;
		write('privacy', privacy);
	}

	setShortcuts(shortcuts: boolean): void {
		this.shortcuts = shortcuts;
		write('shortcuts', shortcuts);
	}

	private paint(): void {
		const { dataset } = document.documentElement;
		if (this.theme === 'auto') delete dataset.theme;
		else dataset.theme = this.theme;
		if (this.palette === 'classic') delete dataset.pnl;
		else dataset.pnl = this.palette;
	}
}

export const prefs = new Preferences();

function read(name: string): unknown {
	try {
		return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null');
	} catch {
		return null; // Storage is switched off, or somebody edited it.
	}
}

function write(name: string, value: unknown): void {
	try {
		localStorage.setItem(PREFIX + name, JSON.stringify(value));
	} catch {
		// Without storage a preference lasts as long as the page.
	}
}

function oneOf<T>(value: unknown, allowed: readonly T[]): T | null {
	return allowed.includes(value as T) ? (value as T) : null;
}
