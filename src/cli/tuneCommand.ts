// tinygpt tune: searches hyperparameters by training, each trial under the same budget, and reports.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../base/files.js';
import { prunerByName } from '../tune/pruners/index.js';
import { samplerByName } from '../tune/samplers/index.js';
import { createStudy } from '../tune/study.js';
import type { Study } from '../tune/studyTypes.js';
import { REPORT_PERCENTS, trainCheck, trainObjective } from '../tune/trainObjective.js';
import type { Trial } from '../tune/types.js';
import { concludeStudy } from './conclude.js';
import { contestFolder, runContest } from './contestCommand.js';
import { describeData } from './dataOptions.js';
import { openLog } from './log.js';
import { command } from './options.js';
import { orInNewProcess, secondsLeft } from './restart.js';
import { abortOnInterrupt, counted, duration, fitted, openProgress } from './terminal.js';
import { stepLine } from './trainCommand.js';
import { trialLine } from './trialLine.js';
import { readEnqueued, studyPlace, TUNE_EXAMPLES, TUNE_OPTIONS, type TuneArguments } from './tuneOptions.js';
import { fixEvalTokens, objectiveIdentity, prepareTuning, type TuneSetup } from './tuneSetup.js';
import { runWorkers, workerIndex } from './workers.js';

/** Tokens of an intermediate evaluation, as a part of the final one. */
const REPORT_SHARE = 1 / 8;

export const tuneCommand = command({ options: TUNE_OPTIONS, examples: TUNE_EXAMPLES, run: runTune });

/** Runs the command; resolves to the exit code. */
async function runTune(args: TuneArguments): Promise<number> {
  const { name, folder } = studyPlace(args);
  const isWorker = workerIndex() !== null;
  if (args.contest !== undefined)
    return orInNewProcess(contestFolder(args), isWorker, () => runContest(args));
  if (args.workers !== 1 && !isWorker) return runWorkers(args, { name, folder });
  return orInNewProcess(folder, isWorker, () => runStudy(args, name, folder));
}

async function runStudy(args: TuneArguments, name: string, folder: string): Promise<number> {
  const say = (line: string) => (args.json ? process.stderr : process.stdout).write(`${line}\n`);
  const progress = openProgress();
  const { signal, release } = abortOnInterrupt(() =>
    progress.note('Stopping: the running trial is recorded, then the summary (Ctrl-C again leaves at once)'),
  );
  try {
    const tuning = await prepareTuning(args, progress, signal);
    const study = await openStudy(args, tuning, name, folder, progress);
    announce(args, tuning, study, folder, say);
    const outcome = await search(args, tuning, study, folder, { progress, signal, say });
    progress.end();
    // A worker leaves the report to its parent.
    if (workerIndex() === null) await concludeStudy(folder, study, { ...args, say });
    return outcome.stopped === 'signal' ? 130 : 0;
  } finally {
    progress.end();
    release();
  }
}

async function openStudy(
  args: TuneArguments,
  tuning: TuneSetup,
  name: string,
  folder: string,
  progress: ReturnType<typeof openProgress>,
): Promise<Study> {
  const journal = join(folder, 'journal.log');
  const sampler = samplerByName(args.sampler);
  const pruner = prunerByName(prunerName(args));
  makeFolder(folder);
  const evalTokens = await fixEvalTokens(args, tuning, journal, name, progress);
  tuning.objective.base = { ...tuning.objective.base, evalTokens };
  const { space, defaults } = tuning.setup;
  const fresh = !existsSync(journal);
  const study = createStudy({
    name,
    space,
    defaults,
    sampler,
    pruner,
    storage: journal,
    seed: args.seed,
    objective: objectiveIdentity(tuning, evalTokens),
    metricName: 'val_bpb',
    check: trainCheck(tuning.objective),
  });
  if (args.enqueue && fresh) for (const params of readEnqueued(args.enqueue)) study.enqueue(params);
  return study;
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
      `${perTrial[1]} ${perTrial[0]} a trial, ${total.filter(Boolean).join(' within ')}; study in ${folder}`,
  );
  if (study.trials.length > 0 && study.trials.some((trial) => trial.state !== 'waiting'))
    say(
      `Resuming after ${counted(study.trials.filter((trial) => trial.state !== 'waiting').length, 'trial')}`,
    );
  if (limits.taste)
    say('A taste. For a night on a GPU: tinygpt-tune --hours 8 --trial-seconds 300 (see --help)');
  say('   #  val_bpb         best    time  status         changed from the defaults');
}

type Screen = { progress: ReturnType<typeof openProgress>; signal: AbortSignal; say: (line: string) => void };

async function search(
  args: TuneArguments,
  tuning: TuneSetup,
  study: Study,
  folder: string,
  { progress, signal, say }: Screen,
) {
  const log = openLog(join(folder, 'tune.log'), progress.note);
  const { limits, objective, setup } = tuning;
  const pruning = prunerName(args) !== 'nop';
  let current = 0;
  const run = trainObjective({
    ...objective,
    reportAt: pruning ? REPORT_PERCENTS : [],
    reportTokens: Math.ceil((objective.base.evalTokens ?? 0) * REPORT_SHARE),
    onStep: (report) => progress.update(() => `trial ${current} ${stepLine(report)}`),
  });
  const onTrial = (trial: Trial) => {
    progress.end();
    say(fitted(trialLine(trial, study.trials, setup.defaults)));
    const { number, state, value, params, userAttrs } = trial;
    log.info({ number, state, value, params, ...userAttrs }, 'trial');
  };
  const left = secondsLeft(limits.seconds);
  const seconds = left === undefined ? undefined : Math.max(left, Number.MIN_VALUE);
  log.info({ study: study.name, sampler: args.sampler, limits: { ...limits, seconds } }, 'start');
  const outcome = await study.optimize(
    (trial) => {
      current = trial.number;
      return run(trial);
    },
    {
      signal,
      onTrial,
      ...(limits.trials !== undefined && { trials: limits.trials }),
      ...(seconds !== undefined && { seconds }),
    },
  );
  log.info(outcome, 'end');
  return outcome;
}
