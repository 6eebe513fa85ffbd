// tinygpt tune: searches hyperparameters by training, each trial under the same budget, and reports.

import { join } from 'node:path';
import { UsageError } from '../base/errors.js';
import { finalValuesPruner, prunerByName } from '../tune/pruners/index.js';
import { samplerByName } from '../tune/samplers/index.js';
import { createStudy } from '../tune/study.js';
import type { OptimizeResult, Study } from '../tune/studyTypes.js';
import { trainCheck } from '../tune/trainObjective.js';
import type { Params } from '../tune/types.js';
import { concludeStudy } from './conclude.js';
import { contestFolder, runContest } from './contestCommand.js';
import { describeData } from './dataOptions.js';
import { openLog } from './log.js';
import { command } from './options.js';
import { orInNewProcess, secondsLeft } from './restart.js';
import { abortOnInterrupt, counted, duration, openProgress } from './terminal.js';
import { readEnqueued, studyPlace, TUNE_EXAMPLES, TUNE_OPTIONS, type TuneArguments } from './tuneOptions.js';
import { journalIn, runTrials, type Screen, shownObjective } from './tuneRun.js';
import { fixEvalTokens, objectiveIdentity, prepareTuning, type TuneSetup } from './tuneSetup.js';
import { runWorkers, stopWithParent, workerIndex } from './workers.js';

export const tuneCommand = command({ options: TUNE_OPTIONS, examples: TUNE_EXAMPLES, run: runTune });

/** Runs the command; resolves to the exit code. */
async function runTune(args: TuneArguments): Promise<number> {
  const isWorker = workerIndex() !== null;
  if (args.contest !== undefined)
    return orInNewProcess(contestFolder(args), isWorker, () => runContest(args));
  const place = studyPlace(args);
  if (args.workers !== 1 && !isWorker) return runWorkers(args, place);
  return orInNewProcess(place.folder, isWorker, () => runStudy(args, place, isWorker));
}

async function runStudy(
  args: TuneArguments,
  place: { name: string; folder: string },
  isWorker: boolean,
): Promise<number> {
  const say = (line: string) => (args.json ? process.stderr : process.stdout).write(`${line}\n`);
  const progress = openProgress();
  const { signal, release } = isWorker
    ? stopWithParent()
    : abortOnInterrupt(() =>
        progress.note('Stopping: recording the running trial, then the summary (Ctrl-C again exits at once)'),
      );
  const screen = { progress, signal, say };
  try {
    const enqueued = args.enqueue === undefined ? [] : readEnqueued(args.enqueue);
    const tuning = await prepareTuning(args, progress, signal);
    const study = await openStudy(args, tuning, place, screen);
    enqueue(study, enqueued, args.enqueue);
    announce(args, tuning, study, place.folder, say);
    const outcome = await search(args, tuning, study, place.folder, screen);
    progress.end();
    // A worker leaves the report to its parent.
    if (!isWorker) await concludeStudy(place.folder, study, { ...args, say });
    return outcome.stopped === 'signal' ? 130 : 0;
  } finally {
    progress.end();
    release();
  }
}

async function openStudy(
  args: TuneArguments,
  tuning: TuneSetup,
  { name, folder }: { name: string; folder: string },
  { progress }: Screen,
): Promise<Study> {
  const journal = journalIn(folder);
  const evalTokens = await fixEvalTokens(args, tuning, journal, name, progress);
  tuning.objective.base = { ...tuning.objective.base, evalTokens };
  const { space, defaults } = tuning.setup;
  return createStudy({
    name,
    space,
    defaults,
    sampler: samplerByName(args.sampler),
    pruner: finalValuesPruner(prunerByName(prunerName(args))),
    storage: journal,
    seed: args.seed,
    objective: objectiveIdentity(tuning, evalTokens),
    metricName: 'val_bpb',
    check: trainCheck(tuning.objective),
  });
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
const prunerName = (args: TuneArguments): string =>
  args.pruner ?? (args.sampler === 'random' ? 'median' : 'nop');

function announce(
  args: TuneArguments,
  { backend, data, setup, limits, preset }: TuneSetup,
  study: Study,
  folder: string,
  say: (line: string) => void,
): void {
  const perTrial = Object.entries(limits.trial)[0]!;
  const total = [
    limits.trials === undefined ? '' : counted(limits.trials, 'trial'),
    limits.seconds === undefined ? '' : duration(limits.seconds),
  ];
  say(`Backend ${backend.name} ${backend.precision} on ${backend.device} (${backend.version})`);
  say(describeData(data));
  say(
    `Searching ${counted(Object.keys(setup.space).length, 'parameter')} from preset ${preset} with ${args.sampler}: ` +
      `${perTrial[1]} ${perTrial[0]} per trial, ${total.filter(Boolean).join(' within ')}; study in ${folder}`,
  );
  const started = study.trials.filter((trial) => trial.state !== 'waiting').length;
  if (started > 0) say(`Resuming after ${counted(started, 'trial')}`);
  if (limits.isDemo)
    say('A short demo. To run overnight on a GPU: tinygpt-tune --hours 8 --trial-seconds 300 (see --help)');
  say('   #  val_bpb         best    time  status         changed from the defaults');
}

async function search(
  args: TuneArguments,
  { limits, objective, setup }: TuneSetup,
  study: Study,
  folder: string,
  screen: Screen,
): Promise<OptimizeResult> {
  const log = openLog(join(folder, 'tune.log'), screen.progress.note);
  const run = shownObjective(objective, 'trial', prunerName(args) !== 'nop', screen);
  const left = secondsLeft(limits.seconds);
  const seconds = left === undefined ? undefined : Math.max(left, Number.MIN_VALUE);
  const { trials } = limits;
  log.info({ study: study.name, sampler: args.sampler, limits: { ...limits, seconds } }, 'start');
  const outcome = await runTrials(study, run, screen, { trials, seconds, defaults: setup.defaults, log });
  log.info(outcome, 'end');
  return outcome;
}
