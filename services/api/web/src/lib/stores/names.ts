/** An account as people call it: by its alias, else by its number, which privacy shortens. */
import { app } from './app.svelte.ts';
import { fmt } from './fmt.ts';

export const nameOf = (account: string) => app.accounts?.find((one) => one.account === account)?.alias || fmt.account(account);
