// tinygpt tune: searches hyperparameters by training, each trial under the same budget, and reports.

import { join } from 'node:path';
import { expect, UsageError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { stepsLog } from '../report/steps.js';
import { trialEvents } from '../report/trialEvents.js';
import type { Confirmation } from '../tune/confirm.js';
import type { Caller } from '../tune/llm/index.js';
import { prunerByName } from '../tune/pruners/index.js';
import { isRemote, shownPlace } from '../tune/storage/index.js';
import { createStudy } from '../tune/study.js';
import type { OptimizeResult, Study } from '../tune/studyTypes.js';
import type { Params, Sampler, Trial } from '../tune/types.js';
import type { KnownStudy } from '../tune/warmStart.js';
import { advise } from './advise.js';
import { commandLine } from './commandLine.js';
import { concludeShared } from './conclude.js';
import { confirmStudy, mustConfirm } from './confirmStudy.js';
import { contestFolder, runContest } from './contestCommand.js';
import { convergenceOf, recordConvergence } from './converged.js';
import { withDashboard } from './dashboardOption.js';
import { describeGoals, type Goals, goalsOf, withGoals } from './goals.js';
import { checkSampler, describeModel, openSampler, recordCalls } from './llmOptions.js';
import { openLog } from './log.js';
import { openTask } from './openTask.js';
import { command } from './options.js';
import { needsPlacement, placeLabel } from './placement.js';
import { orInNewProcess, secondsLeft } from './restart.js';
import { rememberCommand } from './resumption.js';
import type { Task } from './task.js';
import { tensorboardFolder } from './tensorboardOption.js';
import { counted, duration, openScreen, type Screen } from './terminal.js';
import {
  readEnqueued,
  type StudyPlace,
  studyPlace,
  TUNE_EXAMPLES,
  TUNE_OPTIONS,
  type TuneArguments,
} from './tuneOptions.js';
import { journalIn, runTrials } from './tuneRun.js';
import { describeWarmStart, warmStartOf } from './warmStart.js';
import { runWorkers, stopWithParent, workerIndex } from './workers.js';

export const tuneCommand = command({ options: TUNE_OPTIONS, examples: TUNE_EXAMPLES, run: runTune });

/** Runs the command; resolves to the exit code. */
async function runTune(args: TuneArguments): Promise<number> {
  const isWorker = workerIndex() !== null;
  if (args.contest !== undefined)
    return withDashboard(args.dashboard, contestFolder(args), () =>
      orInNewProcess(contestFolder(args), isWorker, () => runContest(args)),
    );
  const place = studyPlace(args);
  checkSampler(args.advise ? 'llm' : args.sampler, args, place.folder);
  if (!isWorker && commandLine.words) rememberCommand(place.storage, commandLine.words);
  return withDashboard(args.dashboard, args.storage ? place : place.folder, () =>
    needsPlacement(args) && !isWorker && !args.advise
      ? runWorkers(args, place)
      : orInNewProcess(args.storage ?? place.folder, isWorker, () => runStudy(args, place, isWorker)),
  );
}

async function runStudy(args: TuneArguments, place: StudyPlace, isWorker: boolean): Promise<number> {
  const stopping = 'Stopping: recording the running trial, then the summary (Ctrl-C again exits at once)';
  const screen = openScreen(stopping, args, isWorker ? stopWithParent : undefined);
  const { progress, signal, say } = screen;
  try {
    const enqueued = args.enqueue === undefined ? [] : readEnqueued(args.enqueue);
    const journal = args.storage ?? journalIn(place.folder);
    if (args.storage) makeFolder(place.folder);
    let known!: Known;
    const open = () =>
      openTask(args, { journal, name: place.name }, progress, signal, (outline) => {
        known = { goals: goalsOf(args, outline), warmStart: warmStartOf(args, outline, place.storage) };
      });
    let task = await open();
    if (args.advise) return await advise(args, task, place.folder, screen);
    const opened = openSampler(
      args.sampler,
      args,
      task,
      place.folder,
      progress.note,
      timer(task.limits.seconds),
    );
    const begin = () => openStudy(args, task, known, place, opened.sampler, progress.note);
    let study: Study;
    try {
      study = begin();
    } catch (error) {
      if (!(error instanceof UsageError) || args.command !== undefined || args.evalTokens !== undefined)
        throw error;
      task = await open(); // another worker has measured the default configuration and begun the study meanwhile
      study = begin();
    }
    const { goals } = known;
    enqueue(study, enqueued, args.enqueue);
    announce(args, task, goals, study, place, say);
    if (opened.caller) say(describeModel(args, opened.caller));
    await search(args, task, goals, study, place.folder, screen, opened.caller);
    progress.end();
    // A worker leaves the report to its parent.
    if (!isWorker) await concludeShared(place, { ...args, say });
    study.close();
    return signal.aborted ? 130 : 0;
  } finally {
    screen.close();
  }
}

/** What is read before the task measures anything. */
type Known = { goals: Goals; warmStart: KnownStudy[] };

function openStudy(
  args: TuneArguments,
  task: Task,
  { goals: { constraints, front }, warmStart }: Known,
  { name, storage }: StudyPlace,
  sampler: Sampler,
  onNote: (line: string) => void,
): Study {
  const { space, defaults } = task.setup;
  const options = {
    name,
    space,
    defaults,
    sampler,
    pruner: task.pruner(prunerByName(prunerName(args, task))),
    storage,
    onNote,
    graceSeconds: args.grace,
    retries: args.retries,
    seed: args.seed,
    objective: task.identity(args.seed),
    constraints,
    ...(warmStart.length > 0 && { warmStart }),
    ...(task.check && { check: task.check }),
    userAttrs: Object.fromEntries(Object.entries(task.hashes ?? {}).map(([key, { hash }]) => [key, hash])),
  };
  const study =
    front === null
      ? createStudy({ ...options, direction: task.direction, metricName: task.metricName })
      : (createStudy({ ...options, ...front }) as unknown as Study);
  checkHashes(study, task);
  return study;
}

/** Whether this worker has the study's data. @throws UsageError where it has other data of the same name */
function checkHashes({ name, userAttrs }: Study, { hashes = {} }: Task): void {
  for (const [key, { hash, what }] of Object.entries(hashes))
    expect(
      userAttrs[key] === undefined || userAttrs[key] === hash,
      () =>
        `Expected the ${what} of study ${name}, ${String(userAttrs[key]).slice(0, 12)}, got ${hash.slice(0, 12)}: this machine has other data; ` +
        'copy the text that the study began with, or share its cache folder (--cache-folder)',
    );
}

/** Enqueues what the study does not have yet, on every start. @throws UsageError naming the file and its entry */
function enqueue(study: Study, configurations: Params[], file: string | undefined): void {
  try {
    study.enqueue(configurations, { skipIfExists: true });
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`In --enqueue ${file}: ${error.message}`) : error;
  }
}

/** Pruning pays for random search; the others learn from whole trials (experiments/). */
const prunerName = (args: TuneArguments, task: Task): string => {
  expect(
    task.reports || (args.pruner ?? 'nop') === 'nop',
    () => `Expected --intermediate with --pruner ${args.pruner}: a command's values on the way`,
  );
  const usual = args.sampler === 'random' && task.reports && args.objectives === undefined ? 'median' : 'nop';
  return args.pruner ?? usual;
};

function announce(
  args: TuneArguments,
  { about, setup, limits, metricName, perTrial }: Task,
  goals: Goals,
  study: Study,
  { folder, storage }: StudyPlace,
  say: (line: string) => void,
): void {
  const total = [
    limits.trials === undefined ? '' : counted(limits.trials, 'trial'),
    limits.seconds === undefined ? '' : duration(limits.seconds),
  ];
  for (const line of [...about, ...describeWarmStart(study), ...describeGoals(goals)]) say(line);
  say(
    `Searching ${counted(Object.keys(setup.space).length, 'parameter')} with ${args.sampler}: ` +
      `${[perTrial, total.filter(Boolean).join(' within ')].filter(Boolean).join(', ')}; study in ${isRemote(storage) ? `${shownPlace(storage)}, report in ${folder}` : folder}`,
  );
  const started = study.trials.filter((trial) => trial.state !== 'waiting').length;
  if (started > 0) say(`Resuming after ${counted(started, 'trial')}`);
  if (limits.isDemo)
    say(
      'A short demo. To run overnight on a GPU: npx tinygpt-tune --hours 8 --trial-seconds 300 (see --help)',
    );
  const cut = (name: string) => name.slice(0, 11).padStart(11);
  const columns = goals.front
    ? goals.front.metricNames.map(cut).join('  ')
    : `${metricName.slice(0, 12).padEnd(12)} best`;
  say(`   #  ${columns}    time  status         changed from the defaults`);
}

async function search(
  args: TuneArguments,
  task: Task,
  goals: Goals,
  study: Study,
  folder: string,
  screen: Screen,
  caller: Caller | undefined,
): Promise<OptimizeResult & { confirmation: Confirmation | null }> {
  const { limits, setup } = task;
  const log = openLog(join(folder, 'tune.log'), screen.progress.note);
  const pruning = prunerName(args, task) !== 'nop';
  const eventFolder = tensorboardFolder(args.tensorboard, folder);
  const events = eventFolder === null ? null : trialEvents(eventFolder, screen.progress.note);
  const objective = task.objective(
    { seed: args.seed, label: `${placeLabel()}trial`, pruning, folder, events },
    screen,
  );
  const run = withGoals(objective, goals, task.metricName);
  const left = secondsLeft(limits.seconds);
  const seconds = left === undefined ? undefined : Math.max(left, Number.MIN_VALUE);
  const { trials } = limits;
  stepsLog(folder, screen.progress.note).run({ trials: trials ?? null, seconds: seconds ?? null });
  log.info({ study: study.name, sampler: args.sampler, limits: { ...limits, seconds } }, 'start');
  const { defaults } = setup;
  const begun = performance.now();
  const elapsed = () => (performance.now() - begun) / 1000;
  const metrics = goals.front?.metricNames ?? [task.metricName];
  const onTrial = (trial?: Trial) => {
    recordCalls(study, folder, caller);
    if (trial) events?.end(trial, metrics);
  };
  const isConverged = convergenceOf(args, study);
  const until = () =>
    (seconds !== undefined && mustConfirm(args, study, seconds, elapsed())) || (isConverged?.() ?? false);
  onTrial();
  const outcome = await runTrials(study, run, screen, { trials, seconds, until, defaults, log, onTrial });
  onTrial(); // the last call may have led to no trial
  if (isConverged && outcome.stopped === 'until') recordConvergence(study, log, screen.say);
  log.info(outcome, 'end');
  const rest = seconds === undefined ? undefined : seconds - elapsed();
  return { ...outcome, confirmation: await confirmStudy(args, task, study, folder, rest, screen) };
}

/** Seconds left of a limit that begins now. */
function timer(limit: number | undefined): () => number | undefined {
  const seconds = secondsLeft(limit);
  const begun = performance.now();
  return () => (seconds === undefined ? undefined : seconds - (performance.now() - begun) / 1000);
}
