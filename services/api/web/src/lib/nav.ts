/** The screens, in the order of the menu. A new screen is a line here and a folder in `routes`. */
import type { IconName } from '#lib/ui/icons.ts';

export interface Screen {
	href: string;
	label: string;
	/** The second key of `g …`. */
	key: string;
	icon: IconName;
	/** Shown in the bottom bar of a phone; the others are under "More". */
	primary: boolean;
}

export const SCREENS: readonly Screen[] = [
	{ href: '/', label: 'Overview', key: 'o', icon: 'overview', primary: true },
	{ href: '/positions', label: 'Positions', key: 'p', icon: 'positions', primary: true },
	{ href: '/performance', label: 'Performance', key: 'f', icon: 'performance', primary: true },
	{ href: '/realized', label: 'Realized P&L', key: 'l', icon: 'realized', primary: false },
	{ href: '/executions', label: 'Executions', key: 'e', icon: 'executions', primary: true },
	{ href: '/reconciliation', label: 'Reconciliation', key: 'c', icon: 'compare', primary: false },
	{ href: '/sync', label: 'Sync health', key: 's', icon: 'pulse', primary: false },
	{ href: '/settings', label: 'Settings', key: ',', icon: 'settings', primary: false }
];
