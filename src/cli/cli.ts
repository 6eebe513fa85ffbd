// Finds the command, reads its options, runs it, and turns errors into one line and an exit code:
// 2 for invalid arguments or input, 1 for a failure, 130 after Ctrl-C.

import { readFileSync } from 'node:fs';
import yargs from 'yargs';
import { isSystemError, messageOf, systemErrorMessage, UsageError } from '../base/errors.js';
import { printable } from '../base/format.js';
import { suggestion } from '../base/names.js';
import { type Command, helpOf, readOptions } from './options.js';

type Entry = { describe: string; load: () => Promise<Command<never, never>> };
const entry = (describe: string, load: () => Promise<unknown>): Entry => ({ describe, load }) as Entry;

/** Loaded on demand: a command starts without the libraries of the others. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  train: entry(
    'train a model and print a sample',
    async () => (await import('./trainCommand.js')).trainCommand,
  ),
  tune: entry('search hyperparameters', async () => (await import('./tuneCommand.js')).tuneCommand),
  sample: entry(
    'generate text with a trained model',
    async () => (await import('./sampleCommand.js')).sampleCommand,
  ),
  report: entry(
    'write the report of a study',
    async () => (await import('./reportCommand.js')).reportCommand,
  ),
  space: entry(
    "propose a search space for a script's constants",
    async () => (await import('./spaceCommand.js')).spaceCommand,
  ),
  import: entry(
    "turn an agent's log of experiments into a study",
    async () => (await import('./importCommand.js')).importCommand,
  ),
  dashboard: entry(
    'serve a live page of studies and runs',
    async () => (await import('./dashboardCommand.js')).dashboardCommand,
  ),
  study: entry(
    'watch, export, wait for or stop a study',
    async () => (await import('./studyCommand.js')).studyCommand,
  ),
  prepare: entry(
    'train the tokenizer and cache the tokens',
    async () => (await import('./prepareCommand.js')).prepareCommand,
  ),
  bench: entry(
    'benchmark training on each backend',
    async () => (await import('./benchCommand.js')).benchCommand,
  ),
  doctor: entry(
    'show which backends work here and what is missing',
    async () => (await import('./doctorCommand.js')).doctorCommand,
  ),
  setup: entry(
    'install what a backend needs beyond npm install',
    async () => (await import('./setupCommand.js')).setupCommand,
  ),
  cache: entry(
    'list or clean the cache folder',
    async () => (await import('./cacheCommand.js')).cacheCommand,
  ),
  mcp: entry(
    'serve studies to a coding agent (Model Context Protocol on stdin and stdout)',
    async () => (await import('./mcpCommand.js')).mcpCommand,
  ),
  verify: entry(
    'replay golden files, or compare two backends on random models',
    async () => (await import('./verifyCommand.js')).verifyCommand,
  ),
};

/**
 * Runs one command line.
 * @param argv without the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  try {
    const [first, ...rest] = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
    if (first === undefined || first === '--help' || first === '-h') return print(await overview());
    // `tinygpt-tune --version` is `tinygpt tune --version`.
    if (argv.length < 3 && argv.at(-1) === '--version') return print(packageVersion());
    const command = await findCommand(first);
    const args = readOptions(rest, command.options, command.positionals);
    return args ? await command.run(args) : print(await commandHelp(first, command));
  } catch (error) {
    return reportError(error);
  }
}

/** The command of a name. @throws UsageError where there is none */
export async function findCommand(name: string): Promise<Command> {
  if (!Object.hasOwn(COMMANDS, name))
    throw new UsageError(
      name.startsWith('-')
        ? `Expected a command before ${name}; see tinygpt --help`
        : `Unknown command ${name}${suggestion(name, Object.keys(COMMANDS), '; see tinygpt --help')}`,
    );
  return COMMANDS[name]!.load();
}

/** Prints one line about an error, none about an interruption. @returns the exit code */
export function reportError(error: unknown): number {
  // Ctrl-C while data is read or prepared: the command has said that it stops.
  if ((error as Error | null | undefined)?.name === 'AbortError') return 130;
  const known = (error as { exitCode?: number } | null | undefined)?.exitCode;
  const system = known === undefined && isSystemError(error);
  const message = system ? systemErrorMessage(error) : messageOf(error);
  process.stderr.write(`error: ${oneLine(message)}\n`);
  if (process.env.TINYGPT_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else if (known === undefined && !system) process.stderr.write('(TINYGPT_DEBUG=1 shows the stack trace)\n');
  return known ?? 1;
}

/** Long words (paths, values) shortened, line breaks and control characters of a terminal taken out. */
const oneLine = (message: string): string =>
  printable(message)
    .trim()
    .replace(/\s*[\r\n]\s*/g, ' ')
    .replace(/\S{300,}/gu, (word) => `${word.slice(0, 150)}...`);

/** The version in package.json. */
export function packageVersion(): string {
  const path = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

function print(output: string): number {
  process.stdout.write(`${output}\n`);
  return 0;
}

const columns = () => Math.min(110, process.stdout.columns || 110);

function overview(): Promise<string> {
  const help = yargs()
    .scriptName('tinygpt')
    .usage('Train tiny GPTs and tune their hyperparameters.\n\nUsage: tinygpt <command> [options]')
    .help('help', 'show this help')
    .alias('h', 'help')
    .version('version', 'show the version', packageVersion())
    .epilogue('tinygpt <command> --help lists the options of a command. Start with: tinygpt train')
    .wrap(columns());
  for (const [name, { describe }] of Object.entries(COMMANDS)) help.command(name, describe);
  return help.getHelp();
}

function commandHelp(name: string, command: Command): Promise<string> {
  const words = Object.entries(command.positionals ?? {}).map(([word, option]) => {
    const shown = option.many ? `${word}..` : word;
    return 'default' in option ? `[${shown}]` : `<${shown}>`;
  });
  const usage = ['tinygpt', name, ...words, '[options]'].join(' ');
  const { describe } = COMMANDS[name]!;
  return helpOf(`${usage}\n\n${describe[0]!.toUpperCase()}${describe.slice(1)}.`, command, columns());
}
