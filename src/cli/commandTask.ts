// Any command as what a study searches, see tune/script.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '../base/errors.js';
import { readTextFile } from '../base/textFile.js';
import { splitCommand } from '../tune/script/commandLine.js';
import { type CommandOptions, commandObjective, takesSeed } from '../tune/script/commandObjective.js';
import { type Language, languageOf } from '../tune/script/lexer.js';
import { isMetricName } from '../tune/script/metric.js';
import { scriptComments, scriptValues } from '../tune/script/propose.js';
import { checkSpace, loadSpaceFile, parseAssignments, type TunableSpace } from '../tune/space.js';
import { metricsOf } from './goals.js';
import { expectNone } from './options.js';
import { proposalFor } from './spaceCommand.js';
import type { Task } from './task.js';
import { narrowed, outsideLines, type TuneArguments, wallSeconds } from './tuneOptions.js';

const TRAINER_ONLY = [
  ...(['trialSeconds', 'trialTokens', 'trialSteps', 'evalTokens', 'preset', 'config'] as const),
  ...(['bundled', 'text', 'valText', 'hub', 'tokenizer', 'memoryLimit'] as const),
];

/**
 * Reads the space: --space FILE, else the one proposed for --patch FILE.
 * @throws UsageError for options that do not fit together, and parameters that do not reach the command
 */
export async function commandTask(args: TuneArguments): Promise<Task> {
  const { command, metric, patch, timeLimit, intermediate } = args;
  expect(
    command !== undefined,
    () => 'Expected --command with --metric, --patch, --env or --time-limit, got none',
  );
  expect(
    metric !== undefined,
    () => 'Expected --metric with --command: the name of the value that it prints',
  );
  expectNone(args, TRAINER_ONLY, 'with --command, which has its own data and settings (see --time-limit)');
  const env = parseAssignments(args.env.map((each) => (each.includes('=') ? each : `${each}={${each}}`)));
  const whole = await commandSpace(args);
  const setup = narrowed(whole, args);
  const searched = { ...setup.space, ...setup.fixed };
  const options: Omit<CommandOptions, 'folder'> = {
    command,
    metric,
    record: metricsOf(args).filter((name) => name !== metric),
    parameters: Object.keys(searched),
    unset: Object.keys(whole.space).filter((name) => !Object.hasOwn(searched, name)),
    patch,
    env,
    timeLimit,
    intermediate,
  };
  const check = { ...options, folder: 'studies' };
  commandObjective(check);
  const words = splitCommand(command);
  const seconds = wallSeconds(args);
  expect(
    seconds !== undefined || args.trials !== undefined,
    () => 'Expected --trials, --minutes or --hours with --command, got none',
  );
  return {
    setup,
    limits: { trials: args.trials, seconds, isDemo: false },
    direction: args.direction ?? 'minimize',
    metricName: isMetricName(metric) ? metric : 'value',
    identity: (seed) => ({
      task: 'command',
      command,
      metric,
      seed,
      ...(args.env.length > 0 && { env }),
      ...(timeLimit !== undefined && { time_limit: timeLimit }),
      ...(patch !== undefined && { patch, patch_hash: hashOf(patch) }),
      ...(Object.keys(setup.fixed).length > 0 && { fixed: setup.fixed }),
    }),
    reports: intermediate !== undefined,
    pruner: (inner) => inner,
    objective: ({ seed, label, fixed = {}, folder }, { progress }) => {
      const all = { ...setup.fixed, ...fixed };
      let current = 0;
      const run = commandObjective({
        ...options,
        parameters: Object.keys({ ...setup.space, ...all }),
        seed,
        fixed: all,
        folder: join(folder, 'trials'),
        onLine: (line) => progress.update(() => `${label} ${current} ${line}`),
      });
      return (trial) => {
        current = trial.number;
        return run(trial);
      };
    },
    about: [
      `Command: ${command}${patch === undefined ? '' : `, with constants of ${patch} replaced in a private copy`}`,
      takesSeed(check)
        ? `Value: ${metric}`
        : `Value: ${metric}; the command takes no {seed}, so repeated runs differ by its own noise only`,
      ...outsideLines(setup, "The script's"),
    ],
    perTrial:
      timeLimit === undefined ? `${words[0]} sets the length of a trial` : `at most ${timeLimit} s per trial`,
    ...(patch !== undefined && { meanings: readScript(patch, scriptComments) }),
  };
}

const readScript = <T>(patch: string, read: (text: string, language: Language) => T): T =>
  read(readTextFile(patch, '--patch'), languageOf(patch));

async function commandSpace(args: TuneArguments): Promise<TunableSpace> {
  if (args.space !== undefined) return loadSpaceFile(args.space, wantedFrom(args.patch));
  expect(
    args.patch !== undefined,
    () => 'Expected --space FILE with --command; `npx tinygpt space SCRIPT` proposes one',
  );
  const { space, defaults } = proposalFor(args.patch, '--patch');
  return checkSpace(space, defaults);
}

/** Defaults that a space leaves out are the script's own values. */
const wantedFrom = (patch: string | undefined) => () =>
  patch === undefined ? {} : readScript(patch, scriptValues);

const hashOf = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
