// Parses the command line, runs a command and turns errors into one line and an exit code:
// 2 for a mistake in what was asked, 1 for a failure on the way, 130 after Ctrl-C.

import { readFileSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { messageOf, UsageError } from '../base/errors.js';

type Command = { options: (yargs: Argv) => Argv; run: (args: never) => Promise<number> };

/** Loaded when asked for: a command starts without the libraries of the others. */
const COMMANDS: Record<string, { describe: string; load: () => Promise<Command> }> = {
  train: {
    describe: 'train a model and tell a story',
    load: async () => {
      const { trainOptions: options, trainCommand: run } = await import('./trainCommand.js');
      return { options, run };
    },
  },
  tune: {
    describe: 'search hyperparameters',
    load: async () => {
      const { tuneOptions: options } = await import('./tuneOptions.js');
      const { tuneCommand: run } = await import('./tuneCommand.js');
      return { options, run };
    },
  },
  'sample <checkpoint>': {
    describe: 'write text with a trained model',
    load: async () => {
      const { sampleOptions: options, sampleCommand: run } = await import('./sampleCommand.js');
      return { options, run };
    },
  },
  'report <study>': {
    describe: 'make the report of a study again',
    load: async () => {
      const { reportOptions: options, reportCommand: run } = await import('./reportCommand.js');
      return { options, run };
    },
  },
  prepare: {
    describe: 'train the tokenizer and cache the tokens',
    load: async () => {
      const { prepareOptions: options, prepareCommand: run } = await import('./prepareCommand.js');
      return { options, run };
    },
  },
  bench: {
    describe: 'how fast this machine trains, a backend at a time',
    load: async () => {
      const { benchOptions: options, benchCommand: run } = await import('./benchCommand.js');
      return { options, run };
    },
  },
  doctor: {
    describe: 'what this machine can do, and what is missing',
    load: async () => {
      const { doctorOptions: options, doctorCommand: run } = await import('./doctorCommand.js');
      return { options, run };
    },
  },
  'setup <what>': {
    describe: 'get a backend ready that needs more than npm install',
    load: async () => {
      const { setupOptions: options, setupCommand: run } = await import('./setupCommand.js');
      return { options, run };
    },
  },
  'verify [files..]': {
    describe: 'replay golden files, or compare a backend with another on random models',
    load: async () => {
      const { verifyOptions: options, verifyCommand: run } = await import('./verifyCommand.js');
      return { options, run };
    },
  },
};

/**
 * Runs one command line.
 * @param argv without the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  let parser: Argv = yargs()
    .scriptName('tinygpt')
    .usage('$0 <command>\n\nTrain tiny GPTs and tune their hyperparameters.');
  for (const [name, { describe, load }] of Object.entries(COMMANDS))
    parser = parser.command(
      name,
      describe,
      async (command) => (await load()).options(command),
      async (args) => {
        exitCode = await (await load()).run(args as never);
      },
    );
  parser = parser
    .demandCommand(1, 'Expected a command')
    .strict()
    .recommendCommands()
    .middleware(checkArguments, true)
    .version(packageVersion())
    .wrap(Math.min(110, process.stdout.columns || 110))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw error ?? new UsageError(`${message}; see tinygpt --help`);
    });
  try {
    await parser.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    return reportError(error);
  }
}

/** Prints one line about an error. @returns the exit code */
export function reportError(error: unknown): number {
  const known = error as { exitCode?: number };
  process.stderr.write(`error: ${messageOf(error).replace(/\s*\n\s*/g, ' ')}\n`);
  if (process.env.TINYGPT_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else if (known.exitCode === undefined) process.stderr.write('(TINYGPT_DEBUG=1 shows where it came from)\n');
  return known.exitCode ?? 1;
}

/** The version in package.json. */
export function packageVersion(): string {
  const path = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

/** Options that may be given more than once. */
const LISTS = ['_', 'files', 'fix'];

function checkArguments(args: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(args)) {
    if (typeof value === 'number' && Number.isNaN(value))
      throw new UsageError(`Expected a number for --${name}`);
    if (Array.isArray(value) && !LISTS.includes(name))
      throw new UsageError(`Expected --${name} once, got ${value.join(' and ')}`);
  }
}
