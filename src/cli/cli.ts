// Parses the command line, runs a command and turns errors into one line and an exit code:
// 2 for a mistake in what was asked, 1 for a failure on the way, 130 after Ctrl-C.

import { readFileSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { messageOf, UsageError } from '../base/errors.js';
import { doctorCommand, doctorOptions } from './doctorCommand.js';
import { prepareCommand, prepareOptions } from './prepareCommand.js';
import { sampleCommand, sampleOptions } from './sampleCommand.js';
import { trainCommand, trainOptions } from './trainCommand.js';
import { verifyCommand, verifyOptions } from './verifyCommand.js';

/**
 * Runs one command line.
 * @param argv without the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const command =
    <A>(run: (args: A) => Promise<number>) =>
    async (args: unknown) => {
      exitCode = await run(args as A);
    };
  const parser: Argv = yargs()
    .scriptName('tinygpt')
    .usage('$0 <command>\n\nTrain tiny GPTs and tune their hyperparameters.')
    .command('train', 'train a model and tell a story', trainOptions, command(trainCommand))
    .command('sample <checkpoint>', 'write text with a trained model', sampleOptions, command(sampleCommand))
    .command('prepare', 'train the tokenizer and cache the tokens', prepareOptions, command(prepareCommand))
    .command('doctor', 'what this machine can do, and what is missing', doctorOptions, command(doctorCommand))
    .command(
      'verify <files..>',
      'replay golden files from the reference',
      verifyOptions,
      command(verifyCommand),
    )
    .demandCommand(1, 'Expected a command; see tinygpt --help')
    .strict()
    .recommendCommands()
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .middleware(rejectNotANumber, true)
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

function rejectNotANumber(args: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(args))
    if (typeof value === 'number' && Number.isNaN(value))
      throw new UsageError(`Expected a number for --${name}`);
}
