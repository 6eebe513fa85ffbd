// The command line of this process, without the program; null where commands are called from elsewhere, as by tests.

export const commandLine: { words: readonly string[] | null } = { words: null };
