// tinygpt tune --contest: samplers under equal budgets and seeds, then the defaults and each winner on fresh seeds.
// Every study has its own journal, so the same command resumes where it was stopped.

import { join } from 'node:path';
import { expect } from '../base/errors.js';
import { valueText } from '../report/labels.js';
import { confirm } from '../tune/confirm.js';
import { type Race, winnerOf } from '../tune/contest.js';
import { clockOf } from '../tune/contestStatistics.js';
import { prunerByName } from '../tune/pruners/index.js';
import { createStudy } from '../tune/study.js';
import type { Study } from '../tune/studyTypes.js';
import type { KnownStudy } from '../tune/warmStart.js';
import { concludeContest, poolOf } from './concludeContest.js';
import { USUAL_TOP } from './confirmStudy.js';
import { goalsOf } from './goals.js';
import { checkSampler, contestantName, openSampler, recordCalls } from './llmOptions.js';
import { openTask } from './openTask.js';
import { expectNone } from './options.js';
import type { Task } from './task.js';
import { counted, openScreen, type Screen } from './terminal.js';
import { splitNames, studyPlace, type TuneArguments } from './tuneOptions.js';
import { journalIn, runTrials } from './tuneRun.js';
import { warmStartOf } from './warmStart.js';

/** Options of a single study. */
const STUDY_ONLY = [
  ...(['gpus', 'storage', 'enqueue', 'pruner', 'stopWhenConverged', 'advise', 'tensorboard'] as const),
];

/** Where its studies lie, a folder each. */
export const contestFolder = (args: TuneArguments): string => studyPlace(args, 'contest').folder;

/** Runs the command; resolves to the exit code. */
export async function runContest(args: TuneArguments): Promise<number> {
  const samplers = [...new Set(splitNames(args.contest ?? '').map((name) => contestantName(name, args)))];
  const workers = args.workers === 1 ? [] : (['workers'] as const);
  const why =
    'with --contest, which runs its studies one after the other, in one folder, under the same conditions';
  expectNone(args, [...workers, ...STUDY_ONLY], why);
  expect(samplers.length > 0, () => `Expected --contest to name samplers, got "${args.contest}"`);
  for (const name of samplers) checkSampler(name, args, contestFolder(args));
  const stopping = 'Stopping; the same command resumes from here (Ctrl-C again exits at once)';
  const screen = openScreen(stopping, args);
  const { progress, signal, say } = screen;
  const folder = contestFolder(args);
  try {
    const seeds = Array.from({ length: args.seeds }, (_, i) => i + 1);
    const names = seeds.flatMap((seed) => samplers.map((sampler) => raceName(sampler, seed)));
    const journals = names.map((name) => join(folder, name, 'journal.log'));
    const first = { journal: journals[0]!, name: names[0]! };
    let known!: Known;
    const task = await openTask(args, first, progress, signal, (outline) => {
      const { constraints } = goalsOf(args, outline);
      known = { constraints, warmStart: warmStartOf(args, outline, ...journals) };
    });
    for (const line of task.about) say(line);
    say(`Contest of ${samplers.join(', ')}, ${counted(args.seeds, 'seed')} each; in ${folder}`);

    const races: Race[] = [];
    for (const seed of seeds)
      for (const sampler of samplers) {
        if (signal.aborted) break;
        const study = await race(task, args, known, folder, sampler, seed, screen);
        races.push({ sampler, seed, trials: study.trials });
      }
    await rerun(task, args, folder, races, samplers, screen);
    concludeContest(folder, { ...args, say });
    return signal.aborted ? 130 : 0;
  } finally {
    screen.close();
  }
}

/** What its studies share beside the task. */
type Known = { constraints: readonly string[]; warmStart: KnownStudy[] };

/** Name and folder of a race's study. */
const raceName = (sampler: string, seed: number) => `${sampler}-${seed}`;

/** A race is over when less than this part of its time is left: a sampler may have been asking at its end. */
const OVER = 0.01;

/** One sampler's study with one seed; training uses the same seed for every sampler. */
async function race(
  task: Task,
  args: TuneArguments,
  { constraints, warmStart }: Known,
  folder: string,
  sampler: string,
  seed: number,
  screen: Screen,
): Promise<Study> {
  const name = raceName(sampler, seed);
  const { space, defaults } = task.setup;
  const { trials, seconds } = task.limits;
  const pruning = sampler === 'random' && task.reports;
  const place = join(folder, name);
  const opened = openSampler(sampler, args, task, place, screen.progress.note);
  const journal = journalIn(place);
  const study = createStudy({
    name,
    space,
    defaults,
    sampler: opened.sampler,
    pruner: task.pruner(prunerByName(pruning ? 'median' : 'nop')),
    storage: journal,
    warmStart,
    seed,
    direction: task.direction,
    objective: task.identity(seed),
    metricName: task.metricName,
    constraints,
    ...(task.check && { check: task.check }),
  });
  screen.say(`\n${name}`);
  const run = task.objective({ seed, label: name, pruning, folder: join(folder, name) }, screen);
  const onTrial = () => recordCalls(study, place, opened.caller);
  const left = seconds && seconds - clockOf(study.trials).total; // what earlier starts of the command have left
  if (left === undefined || left > OVER * seconds!)
    await runTrials(study, run, screen, { trials, seconds: left, defaults, onTrial });
  onTrial();
  return study;
}

/** Runs the defaults and the best of each sampler, over all seeds, again on fresh seeds, scored on held-out text too. */
async function rerun(
  task: Task,
  args: TuneArguments,
  folder: string,
  races: readonly Race[],
  samplers: readonly string[],
  screen: Screen,
): Promise<void> {
  const { repeats, confirm: top = USUAL_TOP } = args;
  const { progress, signal, say } = screen;
  for (const name of ['defaults', ...samplers]) {
    const place = join(folder, 'again', name);
    const own = races.filter(({ sampler }) => sampler === name);
    if (signal.aborted || (name !== 'defaults' && !winnerOf(own, task.direction, []))) continue;
    const pool = {
      ...poolOf(name, own, task.direction, { ...task.setup, objective: task.identity(args.seed) }),
      path: journalIn(place),
    };
    say(`\n${name} on ${counted(repeats, 'fresh seed')}`);
    await confirm(
      pool,
      (trial, seed) =>
        task.objective({ seed, label: name, pruning: false, folder: place, test: true }, screen)(trial),
      {
        top: name === 'defaults' ? 0 : Math.max(1, top),
        withDefaults: name === 'defaults',
        repeats,
        signal,
        catch: true,
        onTrial: ({ params, state, value, userAttrs }) => {
          progress.end();
          say(`  seed ${params.seed}  ${state === 'complete' ? valueText(value, 4) : userAttrs.fail_reason}`);
        },
      },
    );
  }
}
