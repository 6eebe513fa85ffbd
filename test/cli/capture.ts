// Runs command lines in the test's own process and keeps what they print.

import { jest } from '@jest/globals';
import { runCli } from '../../src/cli/cli.js';

/** What the last command wrote to stdout and to stderr. */
export let out = '';
export let err = '';

/** Runs a command line; resolves to its exit code. */
export async function run(...argv: string[]): Promise<number> {
  out = '';
  err = '';
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += chunk;
    return true;
  });
  const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    err += chunk;
    return true;
  });
  try {
    return await runCli(argv);
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}
