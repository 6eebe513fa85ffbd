// tinygpt tune --contest: samplers under equal budgets and seeds, then the defaults and each winner on fresh seeds.
// Every study has its own journal, so the same command resumes where it was stopped.

import { join } from 'node:path';
import { expect } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { formatStandardJson } from '../base/json.js';
import { writeContest } from '../report/index.js';
import { completeTrials } from '../tune/best.js';
import { contestTable, type Race, winnerOf } from '../tune/contest.js';
import { int } from '../tune/distributions.js';
import { prunerByName } from '../tune/pruners/index.js';
import { samplerByName } from '../tune/samplers/index.js';
import { createStudy } from '../tune/study.js';
import type { Objective, Study } from '../tune/studyTypes.js';
import type { Params } from '../tune/types.js';
import { checkSampler, contestantName, openSampler, recordCalls } from './llmOptions.js';
import { openTask } from './openTask.js';
import type { Task } from './task.js';
import { abortOnInterrupt, counted, openProgress, printable } from './terminal.js';
import { splitNames, studyPlace, type TuneArguments } from './tuneOptions.js';
import { journalIn, runTrials, type Screen } from './tuneRun.js';
import { warmStartOf } from './warmStart.js';

/** Fresh training seeds start here, away from the contest's own. */
const FRESH_SEED = 1000;

/** Where its studies lie, a folder each. */
export const contestFolder = (args: TuneArguments): string => studyPlace(args, 'contest').folder;

/** Runs the command; resolves to the exit code. */
export async function runContest(args: TuneArguments): Promise<number> {
  const samplers = splitNames(args.contest ?? '').map((name) => contestantName(name, args));
  expect(samplers.length > 0, () => `Expected --contest to name samplers, got "${args.contest}"`);
  for (const name of samplers) checkSampler(name, args, contestFolder(args));
  const say = (line: string) => (args.json ? process.stderr : process.stdout).write(`${line}\n`);
  const progress = openProgress();
  const { signal, release } = abortOnInterrupt(() =>
    progress.note('Stopping; the same command resumes from here (Ctrl-C again exits at once)'),
  );
  const screen = { progress, signal, say };
  const folder = contestFolder(args);
  try {
    const first = { journal: join(folder, `${samplers[0]}-1`, 'journal.log'), name: `${samplers[0]}-1` };
    const task = await openTask(args, first, progress, signal);
    for (const line of task.about) say(line);
    say(`Contest of ${samplers.join(', ')}, ${counted(args.seeds, 'seed')} each; in ${folder}`);

    const races: Race[] = [];
    for (let seed = 1; seed <= args.seeds; seed++)
      for (const sampler of samplers) {
        if (signal.aborted) break;
        const study = await race(task, args, folder, sampler, seed, screen);
        races.push({ sampler, seed, trials: study.trials });
      }
    const defaults = await again(task, folder, 'defaults', task.setup.defaults, args, screen);
    const winners = new Map<string, readonly number[]>();
    for (const sampler of samplers) {
      const own = races.filter((entry) => entry.sampler === sampler);
      const winner = winnerOf(own, task.direction, []);
      if (!winner) continue;
      // Named by its trial: after more trials the winner may be another.
      const name = `${sampler}-${winner.seed}-trial-${winner.number}`;
      winners.set(sampler, await again(task, folder, name, winner.params, args, screen));
    }
    const { direction } = task;
    const table = contestTable(races, defaults, winners, { direction, reference: args.reference });
    const { text, svg } = writeContest(folder, races, table);
    writeFileAtomic(join(folder, 'contest.json'), `${formatStandardJson(table)}\n`);
    say(printable(text));
    say(`Table: ${join(folder, 'contest.json')}   Plot: ${svg}`);
    if (args.json) process.stdout.write(`${formatStandardJson(table)}\n`);
    return signal.aborted ? 130 : 0;
  } finally {
    progress.end();
    release();
  }
}

/** One sampler's study with one seed; training uses the same seed for every sampler. */
async function race(
  task: Task,
  args: TuneArguments,
  folder: string,
  sampler: string,
  seed: number,
  screen: Screen,
): Promise<Study> {
  const name = `${sampler}-${seed}`;
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
    warmStart: warmStartOf(args, task, journal),
    seed,
    direction: task.direction,
    objective: task.identity(seed),
    metricName: task.metricName,
    ...(task.check && { check: task.check }),
  });
  screen.say(`\n${name}`);
  const run = task.objective({ seed, label: name, pruning, folder: join(folder, name) }, screen);
  const onTrial = () => recordCalls(study, place, opened.caller);
  await runTrials(study, run, screen, { trials, seconds, defaults, onTrial });
  onTrial();
  return study;
}

/** Values of one configuration on fresh training seeds, kept in a separate journal. */
async function again(
  task: Task,
  folder: string,
  name: string,
  params: Params,
  args: TuneArguments,
  screen: Screen,
): Promise<number[]> {
  const { repeats } = args;
  const study = createStudy({
    name,
    space: { train_seed: int(FRESH_SEED, FRESH_SEED + 9999) },
    sampler: samplerByName('random'),
    storage: journalIn(join(folder, 'again', name)),
    seed: 1,
    direction: task.direction,
    objective: { ...task.identity(args.seed), params },
    metricName: task.metricName,
    runDefaults: false,
  });
  const seeds = Array.from({ length: repeats }, (_, i) => ({ train_seed: FRESH_SEED + i }));
  study.enqueue(seeds, { skipIfExists: true });
  screen.say(`\n${name} on ${counted(repeats, 'fresh seed')}`);
  const run: Objective = (trial) => {
    const seed = Number(trial.params.train_seed);
    return task.objective(
      { seed, label: name, pruning: false, fixed: params, folder: join(folder, 'again', name) },
      screen,
    )({ ...trial, params: {} });
  };
  await runTrials(study as unknown as Study, run, screen, { trials: repeats, defaults: {} });
  return completeTrials(study.trials).map(({ value }) => value);
}
