// Turns the records of a journal into studies and trials, with Optuna's semantics: records about unknown or finished
// trials are ignored, the first claim of a waiting trial wins, ids count what was created.

import { formatJson } from '../../base/json.js';
import { fromInternal } from '../distributions.js';
import { setOwn } from '../objects.js';
import type { Studies } from '../storage/types.js';
import type { Attributes, Direction, Distribution, Trial } from '../types.js';
import { decodeRecord, type Operations } from './decode.js';
import { isFinished } from './records.js';

/** A study as the log holds it. `trials[i].number === i`. */
export type StudyLog = {
  readonly id: number;
  readonly name: string;
  readonly directions: readonly Direction[];
  readonly userAttrs: Attributes;
  readonly systemAttrs: Attributes;
  readonly trials: Trial[];
};

/** The state of a log after the records so far; live. */
export type Replay = Studies & {
  /** How many trials were ever created. */
  trialCount(): number;
  /** Trials created since there were `count`. */
  trialsFrom(count: number): Trial[];
  /** @throws Error for a record that `decodeRecord` refuses */
  apply(record: unknown): void;
  trial(id: number): Trial | undefined;
};

/** Same class, log flag and choices: what Optuna asks of two distributions under one name. */
export function compatible(a: Distribution, b: Distribution): boolean {
  if (a.kind === 'categorical' || b.kind === 'categorical')
    return a.kind === b.kind && formatJson(a) === formatJson(b);
  return a.kind === b.kind && a.log === b.log;
}

/**
 * What records do to unfinished trials.
 * @param openTrial the trial of an id and its study, or undefined where a record has no effect
 * @param mayHold whether a study accepts a parameter
 */
export function trialOperations(
  openTrial: (id: number) => { trial: Trial; study: StudyLog } | undefined,
  mayHold: (study: StudyLog, name: string, distribution: Distribution) => boolean = () => true,
): Pick<Operations, 'setParam' | 'setState' | 'setIntermediate'> {
  return {
    setParam(trialId, name, internal, dist) {
      const open = openTrial(trialId);
      if (open && mayHold(open.study, name, dist)) setParam(open.trial, name, dist, internal);
    },
    setState(trialId, state, values, date) {
      const { trial, study } = openTrial(trialId) ?? {};
      if (!trial || (state === 'running' && trial.state === 'running')) return; // another worker's claim came first
      if (state === 'running') trial.start = date;
      else if (isFinished(state)) trial.end = date;
      const before = trial.value === null ? null : [trial.value];
      setState(trial, state, values ?? before, study!);
    },
    setIntermediate: (trialId, step, value) => void openTrial(trialId)?.trial.intermediate.set(step, value),
  };
}

function setParam(trial: Trial, name: string, dist: Distribution, internal: number): void {
  setOwn(trial.distributions, name, dist);
  setOwn(trial.params, name, fromInternal(dist, internal));
}

/** Sets state and values. A complete trial without usable values would poison every reader; Optuna never writes one. */
export function setState(
  trial: Trial,
  state: Trial['state'],
  values: readonly number[] | null,
  { directions: { length: count } }: Pick<StudyLog, 'directions'>,
): void {
  const used = count > 1 ? values : (values?.slice(0, 1) ?? null);
  const unusable = state === 'complete' && (used === null || used.length < count || used.some(Number.isNaN));
  trial.state = unusable ? 'fail' : state;
  trial.value = unusable ? null : (used?.[0] ?? null);
  if (count > 1 && trial.state === 'complete') trial.values = used!;
}

/** An empty log. */
export function createReplay(): Replay {
  const studies = new Map<number, StudyLog>();
  const firstDistributions = new Map<number, Map<string, Distribution>>();
  const trials: { trial: Trial; study: StudyLog }[] = [];
  const known = new Map<string, Distribution>();
  let studyCount = 0;

  /** The trial, or undefined where a record has no effect. */
  function openTrial(id: number): { trial: Trial; study: StudyLog } | undefined {
    const entry = trials[id];
    return entry && !isFinished(entry.trial.state) ? entry : undefined;
  }

  /** As Optuna: what a study's first trial of a name was given decides what the others may hold. */
  function mayHold({ id }: StudyLog, name: string, dist: Distribution): boolean {
    const firsts = firstDistributions.get(id)!;
    const first = firsts.get(name);
    if (first === undefined) firsts.set(name, dist);
    return first === undefined || compatible(first, dist);
  }

  const operations: Operations = {
    createStudy(name, directions) {
      for (const study of studies.values()) if (study.name === name) return;
      const id = studyCount++;
      studies.set(id, { id, name, directions, userAttrs: {}, systemAttrs: {}, trials: [] });
      firstDistributions.set(id, new Map());
    },
    deleteStudy: (id) => void studies.delete(id),
    createTrial(studyId, { params, intermediate, state, values, ...fields }) {
      const study = studies.get(studyId);
      if (!study) return;
      const empty = {
        state,
        value: null,
        params: {},
        distributions: {},
        intermediate: new Map(intermediate),
      };
      const trial: Trial = { number: study.trials.length, id: trials.length, ...empty, ...fields };
      for (const [name, internal, dist] of params) {
        mayHold(study, name, dist);
        setParam(trial, name, dist, internal);
      }
      setState(trial, state, values, study);
      trials.push({ trial, study });
      study.trials.push(trial);
    },
    ...trialOperations(openTrial, mayHold),
    setAttribute(of, kind, id, key, value) {
      const owner = of === 'study' ? studies.get(id) : openTrial(id)?.trial;
      if (owner) setOwn(owner[kind], key, value);
    },
  };

  return {
    studies: () => [...studies.values()],
    study: (name) => [...studies.values()].find((study) => study.name === name),
    studyCount: () => studyCount,
    trialCount: () => trials.length,
    trialsFrom: (count) => trials.slice(count).map(({ trial }) => trial),
    trial: (id) => trials[id]?.trial,
    apply: (record) => decodeRecord(record, known)(operations),
  };
}
