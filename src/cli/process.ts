// A command line as a whole process: closed pipes, uncaught errors, the exit code.

import { hasCode } from '../base/errors.js';
import { reportError, runCli } from './cli.js';
import { commandLine } from './commandLine.js';

/** Runs a command line and sets the exit code of the process. */
export async function runMain(argv: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // `tinygpt train | head`: training continues, output that nobody reads is dropped.
      if (!hasCode(error, 'EPIPE', 'EIO')) fail(error); // EIO: the terminal has closed
    });
  process.on('uncaughtException', fail);
  commandLine.words = argv;
  process.exitCode = await runCli(argv);
}

function fail(error: unknown): never {
  process.exit(reportError(error));
}
