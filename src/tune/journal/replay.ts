// Turns the records of a journal into studies and trials, with Optuna's semantics: records about unknown or finished
// trials are ignored, the first claim of a waiting trial wins, ids count what was created.

import { formatJson } from '../../base/json.js';
import { fromInternal } from '../distributions.js';
import { setOwn } from '../objects.js';
import type { Attributes, Direction, Distribution, Trial } from '../types.js';
import { type DecodedTrial, decodeRecord, type JournalRecord } from './decode.js';
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
export type Replay = {
  /** In order of creation, deleted ones left out. */
  studies(): StudyLog[];
  study(name: string): StudyLog | undefined;
  /** How many studies were ever created: the next one's id. */
  studyCount(): number;
  trial(id: number): Trial | undefined;
  /** @throws Error for a record that `decodeRecord` refuses */
  apply(record: unknown): void;
};

/** Same class, log flag and choices: what Optuna asks of two distributions under one name. */
export function compatible(a: Distribution, b: Distribution): boolean {
  if (a.kind === 'categorical' || b.kind === 'categorical')
    return a.kind === b.kind && formatJson(a) === formatJson(b);
  return a.kind === b.kind && a.log === b.log;
}

/** An empty log. */
export function createReplay(): Replay {
  const studies = new Map<number, StudyLog>();
  const firstDistributions = new Map<number, Map<string, Distribution>>();
  const trials: { trial: Trial; studyId: number }[] = [];
  const known = new Map<string, Distribution>();
  let studyCount = 0;

  /** The trial, or undefined where the record has no effect. */
  function openTrial(id: number): { trial: Trial; studyId: number } | undefined {
    const entry = trials[id];
    return entry && !isFinished(entry.trial.state) ? entry : undefined;
  }

  function setParam(trial: Trial, studyId: number, name: string, dist: Distribution, internal: number): void {
    const first = firstDistributions.get(studyId)!;
    if (!first.has(name)) first.set(name, dist);
    setOwn(trial.distributions, name, dist);
    setOwn(trial.params, name, fromInternal(dist, internal));
  }

  function setState(trial: Trial, state: Trial['state'], value: number | null): void {
    // A complete trial without a usable value would poison every reader; Optuna never writes one.
    const unusable = state === 'complete' && (value === null || Number.isNaN(value));
    trial.state = unusable ? 'fail' : state;
    trial.value = unusable ? null : value;
  }

  function createStudy(name: string, directions: Direction[]): void {
    for (const study of studies.values()) if (study.name === name) return;
    const id = studyCount++;
    studies.set(id, { id, name, directions, userAttrs: {}, systemAttrs: {}, trials: [] });
    firstDistributions.set(id, new Map());
  }

  function createTrial(study: StudyLog | undefined, from: DecodedTrial): void {
    if (!study) return;
    const trial: Trial = {
      number: study.trials.length,
      id: trials.length,
      state: 'running',
      value: null,
      params: {},
      distributions: {},
      intermediate: new Map(from.intermediate),
      userAttrs: { ...from.userAttrs },
      systemAttrs: { ...from.systemAttrs },
      start: from.start,
      end: from.end,
    };
    for (const [name, internal, dist] of from.params) setParam(trial, study.id, name, dist, internal);
    setState(trial, from.state, from.value);
    trials.push({ trial, studyId: study.id });
    study.trials.push(trial);
  }

  function setTrialState({ trialId, state, value, date }: JournalRecord & { op: 'setState' }): void {
    const trial = openTrial(trialId)?.trial;
    if (!trial) return;
    if (state === 'running') {
      if (trial.state === 'running') return; // another worker's claim came first
      trial.start = date;
    } else if (isFinished(state)) trial.end = date;
    setState(trial, state, value ?? trial.value);
  }

  /** The attributes that a record sets; undefined where it has no effect. */
  function attributesOf({ op, target }: { op: string; target: number }): Attributes | undefined {
    if (op === 'studyUserAttr') return studies.get(target)?.userAttrs;
    if (op === 'studySystemAttr') return studies.get(target)?.systemAttrs;
    const trial = openTrial(target)?.trial;
    return op === 'trialUserAttr' ? trial?.userAttrs : trial?.systemAttrs;
  }

  function setTrialParam(record: JournalRecord & { op: 'setParam' }): void {
    const open = openTrial(record.trialId);
    if (!open) return;
    const { name, distribution, internal } = record;
    const first = firstDistributions.get(open.studyId)!.get(name);
    if (first === undefined || compatible(first, distribution))
      setParam(open.trial, open.studyId, name, distribution, internal);
  }

  function applyDecoded(record: JournalRecord): void {
    if (record.op === 'createStudy') createStudy(record.name, record.directions);
    else if (record.op === 'deleteStudy') studies.delete(record.studyId);
    else if (record.op === 'createTrial') createTrial(studies.get(record.studyId), record.trial);
    else if (record.op === 'setParam') setTrialParam(record);
    else if (record.op === 'setState') setTrialState(record);
    else if (record.op === 'intermediate')
      openTrial(record.trialId)?.trial.intermediate.set(record.step, record.value);
    else if (record.op !== 'discardTrials') {
      const attributes = attributesOf(record);
      if (attributes) setOwn(attributes, record.key, record.value);
    }
  }

  return {
    studies: () => [...studies.values()],
    study: (name) => [...studies.values()].find((study) => study.name === name),
    studyCount: () => studyCount,
    trial: (id) => trials[id]?.trial,
    apply: (record) => applyDecoded(decodeRecord(record, known)),
  };
}
