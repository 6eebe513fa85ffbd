// A study: a space, a sampler and the trials so far, kept in a journal that several processes (ours, or Python's
// Optuna) may work on at once. Ask and tell live here; the loop around them is optimize.ts, the log journal/.
//
// Sharing. Each step reads what others wrote, decides, and records under the log's lock. A proposal is computed
// outside the lock for the number the next trial would have; if another process took that number meanwhile, it is
// computed again, the last time under the lock.

import { EnvironmentError, UsageError } from '../base/errors.js';
import { formatJson, show } from '../base/json.js';
import { bestTrial } from './best.js';
import { activeParams } from './conditions.js';
import { checkOptions, checkStudyAttribute, creationEntries, isMissing, isSeed } from './creation.js';
import { configurationsOf, missingOf } from './enqueue.js';
import {
  checkSameStudy,
  type Identity,
  recordedConstraints,
  recordedDefaults,
  recordedNames,
  recordedSpace,
  studyNamed,
} from './identity.js';
import { type Entry, op, states, studyAttrEntry } from './journal/records.js';
import type { StudyLog } from './journal/replay.js';
import { createLiveness, WORKER } from './liveness.js';
import type { AnyOptions } from './objectives.js';
import { optimize, type StartTrial } from './optimize.js';
import { paretoFront } from './pareto.js';
import { nopPruner } from './pruners/nop.js';
import { isTried } from './samplers/admission.js';
import {
  claimEntries,
  countsAsEvaluated,
  decideAhead,
  endEntries,
  lossEntries,
  plan,
  refusalOfAll,
  startEntry,
  waitingEntry,
} from './starting.js';
import { stopEntry, stopRequest } from './stopping.js';
import { openStorage, readJournal, type Storage } from './storage/index.js';
import { recoveredEntries } from './storage/recovered.js';
import { identify } from './storage/worker.js';
import type { AskOptions, ParetoOptions, ParetoStudy, Study, StudyOptions } from './studyTypes.js';
import { isGivenUp, type Outcome, openTrial, type RunningTrial, type Scoring } from './trial.js';
import type { Params, Proposal, SearchSpace, StudyView, Trial } from './types.js';
import { asTrials, recordedWarmStart } from './warmStart.js';

/**
 * Creates a study, or continues the one of this name in the journal.
 * @example
 * const study = createStudy({ space: { x: float(-5, 5) }, sampler: randomSampler() });
 * await study.optimize(({ params }) => params.x ** 2, { trials: 20 });
 * @example two objectives
 * const study = createStudy({ space: { x: float(-5, 5) }, sampler: gpSampler(), directions: ['minimize', 'minimize'] });
 * await study.optimize(({ params }) => [params.x ** 2, (params.x - 2) ** 2], { trials: 20 });
 * study.front();
 * @throws UsageError for a bad space or constraint, a sampler that cannot search for what is asked, or a journal whose
 * study has another space, direction, constraint or objective (named)
 * @throws EnvironmentError for a corrupt, foreign or unwritable journal
 */
export function createStudy<S extends SearchSpace>(options: StudyOptions<S>): Study<S>;
export function createStudy<S extends SearchSpace>(options: ParetoOptions<S>): ParetoStudy<S>;
export function createStudy<S extends SearchSpace>(
  typed: StudyOptions<S> | ParetoOptions<S>,
): Study<S> | ParetoStudy<S> {
  const options = typed as unknown as AnyOptions; // the types of parameters are the caller's
  const { name = 'study' } = options;
  const { identity, scoring } = checkOptions(options);
  const storage = openStorage(options.storage, { create: true, onNote: options.onNote });
  storage.transact(() => {
    const existing = storage.log.study(name);
    if (!existing) return creationEntries(storage.log.studyCount(), options, identity);
    checkSameStudy(existing, identity, storage.place);
    // What is missing is added: for a study that Python created, or whose creation was interrupted.
    const entries = creationEntries(existing.id, options, identity).slice(1);
    return entries.filter((entry) => isMissing(existing, entry));
  });
  const log = storage.log.study(name)!;
  const seed = options.seed ?? log.userAttrs.seed;
  if (!isSeed(seed)) throw new UsageError(`Study ${name} recorded ${show(seed)} as its seed; give a seed`);
  return openStudy(storage, log, { ...options, ...identity, seed, scoring }) as unknown as Study<S>;
}

/**
 * Continues a study that exists, with the space and defaults it recorded (or that its trials show) unless given.
 * @throws UsageError where there is no such study, naming those there are
 */
export function loadStudy<S extends SearchSpace>(
  options: Omit<StudyOptions<S>, 'space' | 'storage'> & { storage: string; space?: S },
): Study<S>;
export function loadStudy<S extends SearchSpace>(
  options: Omit<ParetoOptions<S>, 'space' | 'storage'> & { storage: string; space?: S },
): ParetoStudy<S>;
export function loadStudy<S extends SearchSpace>(
  options: Omit<AnyOptions<S>, 'space' | 'storage'> & { storage: string; space?: S },
): Study<S> | ParetoStudy<S> {
  const log = studyNamed(readJournal(options.storage), options.name, options.storage);
  const space = options.space ?? recordedSpace(log);
  if (space === null)
    throw new UsageError(`Study ${log.name} has no trial to infer its space from; pass the space`);
  const { directions } = log;
  const names = recordedNames(log) ?? undefined;
  const objectives =
    directions.length > 1
      ? { directions: options.directions ?? directions, metricNames: options.metricNames ?? names }
      : { direction: options.direction ?? directions[0], metricName: options.metricName ?? names?.[0] };
  return createStudy({
    ...options,
    ...objectives,
    name: log.name,
    space,
    defaults: options.defaults ?? recordedDefaults(log) ?? {},
    constraints: options.constraints ?? recordedConstraints(log) ?? [],
  } as StudyOptions<S>);
}

type Settings = Omit<StudyOptions, keyof Identity> & Identity & { scoring: Scoring; seed: number | string };

function openStudy(storage: Storage, log: StudyLog, settings: Settings): Study {
  const { space, defaults, directions, seed, sampler, pruner = nopPruner(), check, scoring } = settings;
  const direction = directions[0]!;
  const canRun = check && ((params: Params) => check(params) === null);
  const several = directions.length > 1 ? { directions } : {};
  const known = asTrials(recordedWarmStart(log));
  const view: StudyView = {
    name: log.name,
    direction,
    ...several,
    space,
    defaults,
    seed,
    trials: log.trials,
    canRun,
    refusal: check,
    ...(known.length > 0 && { warmStart: known }),
  };
  const { graceSeconds = 120, retries = 1, maxInfeasible = 100 } = settings;
  const liveness = createLiveness(storage, identify(), graceSeconds);
  const { worker } = liveness;
  const starter = { studyId: log.id, view, sampler, check, worker, scoring };

  function reclaim({ unknown = false } = {}): number[] {
    const findLost = () => log.trials.filter((trial) => liveness.isLost(trial, unknown));
    let lost = findLost();
    if (lost.length > 0)
      storage.transact(() => {
        lost = findLost(); // unless another process has failed them meanwhile
        return lost.flatMap((trial) => lossEntries(log.id, trial, retries));
      }, 'trials');
    return lost.map(({ number }) => number);
  }

  const evaluated = () => log.trials.filter(countsAsEvaluated).length;
  /** False where Optuna, behind a server without transactions, has claimed a waiting trial first. */
  const isOurs = ({ state, systemAttrs }: Trial) =>
    state === 'fail' || formatJson(systemAttrs[WORKER] ?? null) === formatJson(worker);
  const firstWaiting = () => log.trials.find((trial) => trial.state === 'waiting');

  /** What the sampler decides ahead of the next trial, where it takes time for that. */
  async function prepare(
    limit: number,
    signal: AbortSignal | undefined,
    seconds: number,
  ): Promise<Partial<Proposal> | null> {
    if (!sampler.askAsync) return null;
    storage.refresh('trials');
    reclaim();
    if (evaluated() >= limit || firstWaiting()) return null;
    return decideAhead(starter, log.trials.length, signal, seconds);
  }

  /** What was prepared, without a configuration that other processes have made obsolete. */
  function unlessObsolete(prepared: Partial<Proposal> | null): Partial<Proposal> | null {
    if (!prepared?.params) return prepared;
    const { params, userAttrs, stillFits } = prepared;
    if (!isTried(view, activeParams(space, params)) && (stillFits?.(log.trials) ?? true)) return prepared;
    return userAttrs ? { userAttrs } : null;
  }

  /** Starts, or refuses, one trial; null where the limit is reached or, unless it may repeat one, nothing is left. */
  function next(limit: number, mayRepeat: boolean, prepared: Partial<Proposal> | null): Trial | null {
    storage.refresh('trials');
    reclaim();
    for (let attempt = 0; ; attempt++) {
      if (storage.log.study(log.name) !== log)
        throw new EnvironmentError(`Study ${log.name} was deleted from ${storage.place} while in use`);
      if (evaluated() >= limit) return null;
      const number = log.trials.length;
      const ready = attempt < 3 && !firstWaiting() ? plan(starter, number, unlessObsolete(prepared)) : null;
      if (ready?.exhausted && !mayRepeat) return null;
      let waiting: Trial | undefined;
      const [created] = storage.transact(() => {
        waiting = undefined;
        if (evaluated() >= limit) return [];
        waiting = firstWaiting();
        if (waiting) return claimEntries(starter, waiting, Date.now());
        const current = log.trials.length === number && ready;
        if (!current && attempt < 3) return []; // another process took the number, or the queue's last
        const planned = current || plan(starter, log.trials.length, unlessObsolete(prepared));
        return [startEntry(starter, planned, Date.now())];
      }, 'trials');
      const started = waiting ?? created;
      if (started && isOurs(started)) return started;
    }
  }

  /** What trials that were asked for here recorded after others had given them up. */
  const late = new Map<number, Entry[]>();

  /** The trial that has the result of one that was given up while it ran; that one where it has none. */
  function recover(trial: Trial, outcome: Outcome): Trial {
    const { fail_reason: _, ...userAttrs } = trial.userAttrs;
    const running: Trial = { ...trial, state: 'running', userAttrs };
    const entries = endEntries(starter, running, outcome, Date.now());
    const end = entries.find(
      ({ op_code, state }) => op_code === op.setState && states[state as number] !== 'fail',
    );
    if (!end) return trial;
    const all = [...(late.get(trial.number) ?? []), ...entries];
    const [created] = storage.transact(() => recoveredEntries(log, trial, all, end), 'trials');
    late.delete(trial.number);
    return created ?? trial;
  }

  let refusals = 0; // in a row
  /** One trial, running or as refused; null as `next`. */
  function start(
    limit: number,
    signal?: AbortSignal,
    mayRepeat = false,
    prepared: Partial<Proposal> | null = null,
  ): RunningTrial | Trial | null {
    const trial = next(limit, mayRepeat, prepared);
    if (trial === null) return null;
    if (trial.state === 'running') {
      refusals = 0;
      liveness.keep(trial);
      const kept: Entry[] = [];
      late.set(trial.number, kept);
      return openTrial(storage, view, pruner, trial, signal ?? new AbortController().signal, kept);
    }
    const nothingRan = !log.trials.some(countsAsEvaluated);
    const refused = ++refusals === 1 && nothingRan ? refusalOfAll(starter) : null;
    if (refused)
      throw new UsageError(
        `No configuration of this space can run: the smallest and 1,000 random ones are refused, as ${refused.reason}: ${refused.detail}`,
      );
    if (refusals >= maxInfeasible) {
      const last = trial.userAttrs.fail_message;
      throw new UsageError(`The last ${refusals} proposals cannot run (${last}); narrow the space`);
    }
    return trial;
  }

  function askWithin(limit: number, options: AskOptions = {}, mayRepeat = false): RunningTrial | null {
    for (;;) {
      const trial = start(limit, options.signal, mayRepeat);
      if (trial === null || !('state' in trial)) return trial;
      options.onInfeasible?.(trial);
    }
  }

  /** As `start`, with what the sampler prepares. */
  const startAsync: StartTrial = async (limit, signal, seconds = Infinity) =>
    start(limit, signal, false, await prepare(limit, signal, seconds));

  const study: Study = {
    ...view,
    name: log.name,
    path: storage.path,
    userAttrs: log.userAttrs,
    ask: (options) => askWithin(Infinity, options, true)!,
    askWithin: (trials, options) => askWithin(trials, options),
    async askAsync(trials = Infinity, options = {}) {
      for (;;) {
        const trial = await startAsync(trials, options.signal);
        if (trial === null || !('state' in trial)) return trial;
        options.onInfeasible?.(trial);
      }
    },
    tell(given, outcome) {
      const number = typeof given === 'number' ? given : given?.number;
      if (log.trials[number]?.state !== 'running') storage.refresh('trials'); // started by another process
      const trial = log.trials[number];
      if (!trial || trial.state === 'waiting')
        throw new UsageError(`Expected the number of a trial that was asked for, got ${show(number)}`);
      storage.record(trial, endEntries(starter, trial, outcome, Date.now()));
      return isGivenUp(trial) && late.has(number) ? recover(trial, outcome) : trial;
    },
    enqueue(given, { skipIfExists = false } = {}) {
      const list = configurationsOf(view, given);
      storage.transact(() => {
        const wanted = skipIfExists ? missingOf(view, list) : list;
        return wanted.map((params) => waitingEntry(log.id, params));
      }, 'trials');
    },
    optimize: (objective, options) =>
      optimize(study, startAsync, objective, options, () => {
        storage.refresh();
        return stopRequest(log);
      }),
    stop: (asked = true) => void storage.transact(() => [stopEntry(log.id, asked)]),
    best() {
      if (directions.length > 1)
        throw new UsageError('Expected one objective for a best trial, got two; use front()');
      return bestTrial(log.trials, direction);
    },
    front: () => paretoFront(log.trials, directions),
    refresh: () => storage.refresh(),
    ready: (signal) => storage.ready(signal),
    close: () => storage.close(),
    reclaim,
    setUserAttr(key, value) {
      checkStudyAttribute(key, value);
      storage.transact(() => [studyAttrEntry('user', log.id, key, value)]);
    },
  };
  return study;
}
