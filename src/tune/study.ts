// A study: a space, a sampler and the trials so far, kept in a journal that several processes (ours, or Python's
// Optuna) may work on at once. Ask and tell live here; the loop around them is optimize.ts, the log journal/.
//
// Sharing. Each step reads what others wrote, decides, and records under the log's lock. A proposal is computed
// outside the lock for the number the next trial would have; if another process took that number meanwhile, it is
// computed again, the last time under the lock.

import { UsageError } from '../base/errors.js';
import { contains, describeDistribution } from './distributions.js';
import { checkSameStudy, recordedDefaults, recordedSpace } from './identity.js';
import { createStudyEntry, type Entry, studyAttrEntry } from './journal/records.js';
import type { StudyLog } from './journal/replay.js';
import { journalStorage, memoryStorage, type Storage } from './journal/storage.js';
import { identify } from './journal/worker.js';
import { type Objective, type OptimizeOptions, type OptimizeResult, optimize } from './optimize.js';
import { nopPruner } from './pruners/nop.js';
import { checkSpace, unknownParameter } from './space.js';
import {
  type Check,
  claimEntries,
  countsAsEvaluated,
  endEntries,
  isLost,
  lossEntries,
  plan,
  startEntry,
  waitingEntry,
} from './starting.js';
import { checkAttribute, type Outcome, openTrial, type RunningTrial } from './trial.js';
import type {
  Attributes,
  Direction,
  Params,
  Pruner,
  Sampler,
  SearchSpace,
  StudyView,
  Trial,
} from './types.js';

export type StudyOptions = {
  space: SearchSpace;
  /** Trial 0, and where samplers start; the middle of the space for parameters left out. */
  defaults?: Params;
  sampler: Sampler;
  pruner?: Pruner;
  /** Distinguishes studies in one journal. */
  name?: string;
  /** Path of the journal, created or continued; in memory when left out. */
  storage?: string;
  direction?: Direction;
  /** Fixes every proposal. A continued study keeps its own unless one is given. */
  seed?: number | string;
  /** What else decides the meaning of a value; a study with another objective is not continued. */
  objective?: Attributes;
  /** More to store with a new study. */
  userAttrs?: Attributes;
  /** Name of the value, for Optuna's dashboard. */
  metricName?: string;
  /** Asked before a trial runs; what it refuses is recorded as failed (`infeasible`) and never run. */
  check?: Check;
  /** Proposals in a row that `check` may refuse before `ask` gives up. */
  maxInfeasible?: number;
  /** Whether a new study begins with the defaults; true unless set. */
  runDefaults?: boolean;
};

export type AskOptions = {
  /** Passed to the trial. */
  signal?: AbortSignal;
  /** Called with trials that `check` refused on the way. */
  onInfeasible?: (trial: Trial) => void;
};

export type Study = StudyView & {
  readonly name: string;
  /** Absolute path of the journal; null in memory. */
  readonly path: string | null;
  readonly userAttrs: Attributes;
  /**
   * Starts the next trial: an enqueued one, else the sampler's proposal.
   * @throws UsageError when `maxInfeasible` proposals in a row cannot run
   */
  ask(options?: AskOptions): RunningTrial;
  /** `ask`, or null once the study has this many evaluated trials, running ones included. */
  askWithin(trials: number, options?: AskOptions): RunningTrial | null;
  /**
   * Ends a trial; NaN counts as failed. Does nothing where another process has ended it.
   * @returns the trial as recorded
   */
  tell(trial: RunningTrial | number, outcome: Outcome): Trial;
  /**
   * Adds a configuration to run before the sampler's; parameters left out take their defaults.
   * @param options.skipIfExists adds nothing where the study has this configuration already
   * @throws UsageError for an unknown parameter or a value outside its range
   */
  enqueue(params: Params, options?: { skipIfExists?: boolean }): void;
  /** Runs trials until a limit is reached. */
  optimize(objective: Objective, options: OptimizeOptions): Promise<OptimizeResult>;
  /** The best complete trial, or null. */
  best(): Trial | null;
  /** Takes in what other processes have written. */
  refresh(): void;
  /**
   * Fails running trials whose process is gone. Happens by itself before each trial for those known to be dead.
   * @param options.unknown also those of other machines, containers and Python, whose life cannot be seen from here
   * @returns the numbers of those trials
   */
  reclaim(options?: { unknown?: boolean }): number[];
  /** Stores something with the study. */
  setUserAttr(key: string, value: unknown): void;
};

/**
 * Creates a study, or continues the one of this name in the journal.
 * @example
 * const study = createStudy({ space: { x: float(-5, 5) }, sampler: randomSampler() });
 * await study.optimize(({ params }) => (params.x as number) ** 2, { trials: 20 });
 * @throws UsageError for a bad space, or a journal whose study has another space, direction or objective (named)
 * @throws EnvironmentError for a corrupt, foreign or unwritable journal
 */
export function createStudy(options: StudyOptions): Study {
  const { name = 'study', direction = 'minimize', maxInfeasible = 100 } = options;
  const { space, defaults } = checkSpace(options.space, options.defaults);
  for (const [key, value] of Object.entries(options.userAttrs ?? {})) checkAttribute(key, value);
  if (!(maxInfeasible >= 1)) throw new UsageError(`Expected maxInfeasible >= 1, got ${maxInfeasible}`);
  const identity = { space, defaults, direction, objective: options.objective };

  const storage =
    options.storage === undefined ? memoryStorage() : journalStorage(options.storage, { create: true });
  storage.transact(() => {
    const existing = storage.log.study(name);
    if (!existing) return creation(storage.log.studyCount(), name, direction, options, identity);
    checkSameStudy(existing, identity, storage.path ?? 'memory');
    // What is missing is added: a study that Python created, or whose creation was cut short.
    const entries = creation(existing.id, name, direction, options, identity).slice(1);
    return entries.filter((entry) => isMissing(existing, entry));
  });
  const log = storage.log.study(name)!;
  const seed = options.seed ?? (log.userAttrs.seed as number | string);
  return openStudy(storage, log, { ...options, space, defaults, direction, seed, maxInfeasible });
}

/**
 * Continues a study that exists, with the space and defaults it recorded (or that its trials show) unless given.
 * @throws UsageError where there is no such study, naming those there are
 */
export function loadStudy(
  options: Omit<StudyOptions, 'space' | 'storage'> & { storage: string; space?: SearchSpace },
): Study {
  const studies = journalStorage(options.storage).log.studies();
  const names = studies.map((study) => study.name);
  const log = options.name === undefined ? studies[0] : studies.find((study) => study.name === options.name);
  if (!log || (options.name === undefined && studies.length > 1))
    throw new UsageError(
      `Expected a study name among ${names.join(', ') || '(none)'} of ${options.storage}, got ${options.name ?? 'none'}`,
    );
  const space = options.space ?? recordedSpace(log);
  if (space === null)
    throw new UsageError(`Study ${log.name} has no trial to learn its space from; give the space`);
  const defaults = options.defaults ?? recordedDefaults(log) ?? {};
  const direction = options.direction ?? log.directions[0];
  return createStudy({ ...options, name: log.name, space, defaults, direction });
}

type Identified = { space: SearchSpace; defaults: Params; objective?: Attributes };

function selfDescription(options: StudyOptions, { space, defaults, objective }: Identified): Attributes {
  const { sampler, pruner = nopPruner(), seed = 0 } = options;
  return {
    space,
    defaults,
    seed,
    sampler: sampler.name,
    pruner: pruner.name,
    ...(objective && { objective }),
  };
}

/** Records of a new study, its defaults enqueued as trial 0. */
function creation(
  id: number,
  name: string,
  direction: Direction,
  options: StudyOptions,
  identity: Identified,
): Entry[] {
  const { metricName, runDefaults = true } = options;
  const attributes = { ...selfDescription(options, identity), ...options.userAttrs };
  const entries = [createStudyEntry(name, direction)];
  if (metricName) entries.push(studyAttrEntry('system', id, 'study:metric_names', [metricName]));
  for (const [key, value] of Object.entries(attributes)) entries.push(studyAttrEntry('user', id, key, value));
  if (runDefaults) entries.push(waitingEntry(id, identity.defaults));
  return entries;
}

/** Whether a record of the creation says something that the study does not know yet. */
function isMissing(log: StudyLog, entry: Entry): boolean {
  const { user_attr: user, system_attr: system } = entry as { user_attr?: object; system_attr?: object };
  if (user) return !(Object.keys(user)[0]! in log.userAttrs);
  if (system) return !(Object.keys(system)[0]! in log.systemAttrs);
  return log.trials.length === 0; // the defaults, as trial 0 or not at all
}

type Settings = StudyOptions & {
  defaults: Params;
  direction: Direction;
  seed: number | string;
  maxInfeasible: number;
};

function openStudy(storage: Storage, log: StudyLog, settings: Settings): Study {
  const { space, defaults, direction, seed, sampler, pruner = nopPruner(), check } = settings;
  const view: StudyView = { name: log.name, direction, space, defaults, seed, trials: log.trials };
  const worker = identify();
  const starter = { studyId: log.id, view, sampler, check, worker };

  function reclaim(options: { unknown?: boolean } = {}): number[] {
    const unknown = options.unknown ?? false;
    const lost = () => log.trials.filter((trial) => isLost(trial, worker, unknown));
    const numbers = lost().map((trial) => trial.number);
    if (numbers.length > 0) storage.transact(() => lost().flatMap((trial) => lossEntries(log.id, trial)));
    return numbers;
  }

  const evaluated = () => log.trials.filter(countsAsEvaluated).length;
  const firstWaiting = () => log.trials.find((trial) => trial.state === 'waiting');

  /** Starts, or refuses, one trial; null where the limit is reached. */
  function next(limit: number): Trial | null {
    storage.refresh();
    reclaim();
    for (let attempt = 0; ; attempt++) {
      if (evaluated() >= limit) return null;
      const number = log.trials.length;
      const ready = attempt < 3 && !firstWaiting() ? plan(starter, number) : null;
      let started: number | null = null;
      storage.transact(() => {
        if (evaluated() >= limit) return [];
        const waiting = firstWaiting();
        if (waiting) {
          started = waiting.number;
          return claimEntries(starter, waiting, Date.now());
        }
        const current = log.trials.length === number && ready;
        if (!current && attempt < 3) return []; // another process took the number, or the queue's last
        started = log.trials.length;
        const agreed = current || plan(starter, started);
        return [startEntry(starter, agreed, Date.now())];
      });
      if (started !== null) return log.trials[started]!;
    }
  }

  function askWithin(limit: number, options: AskOptions = {}): RunningTrial | null {
    for (let refusals = 0; refusals < settings.maxInfeasible; refusals++) {
      const trial = next(limit);
      if (trial === null) return null;
      if (trial.state === 'running')
        return openTrial(storage, view, pruner, trial, options.signal ?? new AbortController().signal);
      options.onInfeasible?.(trial);
    }
    const last = log.trials.findLast((trial) => trial.userAttrs.fail_reason === 'infeasible');
    throw new UsageError(
      `The last ${settings.maxInfeasible} proposals cannot run (${last?.userAttrs.fail_message}); narrow the space`,
    );
  }

  const study: Study = {
    ...view,
    name: log.name,
    path: storage.path,
    userAttrs: log.userAttrs,
    ask: (options) => askWithin(Infinity, options)!,
    askWithin,
    tell(given, outcome) {
      storage.refresh();
      const trial = log.trials[typeof given === 'number' ? given : given.number];
      if (!trial || trial.state === 'waiting')
        throw new UsageError(`Expected the number of a trial that was asked for, got ${String(given)}`);
      storage.transact(() => endEntries(log.id, trial, outcome, Date.now()));
      return trial;
    },
    enqueue(params, options = {}) {
      for (const [name, value] of Object.entries(params)) {
        if (!Object.hasOwn(space, name)) throw unknownParameter(name, Object.keys(space), 'to enqueue');
        if (!contains(space[name]!, value))
          throw new UsageError(
            `Parameter ${name}: expected a value within ${describeDistribution(space[name]!)}, got ${JSON.stringify(value)}`,
          );
      }
      const whole: Params = { ...defaults, ...params };
      storage.transact(() => {
        const isSame = ({ params: own, systemAttrs }: Trial) => {
          const theirs = { ...(systemAttrs.fixed_params as Params | undefined), ...own };
          return Object.keys(whole).every((name) => theirs[name] === whole[name]);
        };
        return options.skipIfExists && log.trials.some(isSame) ? [] : [waitingEntry(log.id, whole)];
      });
    },
    optimize: (objective, options) => optimize(study, objective, options),
    best() {
      const sign = direction === 'minimize' ? 1 : -1;
      let best: Trial | null = null;
      for (const trial of log.trials)
        if (trial.state === 'complete' && (best === null || sign * trial.value! < sign * best.value!))
          best = trial;
      return best;
    },
    refresh: () => storage.refresh(),
    reclaim,
    setUserAttr(key, value) {
      checkAttribute(key, value);
      storage.transact(() => [studyAttrEntry('user', log.id, key, value)]);
    },
  };
  return study;
}
