// The command line of this process, and the program that runs another.

import { fileURLToPath } from 'node:url';

/** Its words without the program; null where commands are called from elsewhere, as by tests. */
export const commandLine: { words: readonly string[] | null } = { words: null };

/** The tinygpt program, for `node`. */
export const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
