// How a trial starts: planned from the sampler's proposal or claimed from the queue, refused where it cannot run, and
// failed when its process is gone. Each function makes the records of one step; study.ts appends them.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { LONGEST_WAIT } from '../base/pause.js';
import { randomStream } from '../base/random.js';
import { isObject } from '../base/valid.js';
import { activeParams, isActive } from './conditions.js';
import { contains, describeDistribution, isNumeric, sampleSpace } from './distributions.js';
import {
  claimEntry,
  createTrialEntry,
  type Entry,
  finishEntry,
  setParamEntry,
  trialAttrEntry,
} from './journal/records.js';
import { type BeatingWorker, WORKER } from './liveness.js';
import { own } from './objects.js';
import { isSilent } from './samplers/evidence.js';
import { asWorker } from './storage/worker.js';
import type { Check } from './studyTypes.js';
import { type Outcome, outcomeEntries, type Scoring } from './trial.js';
import type { Attributes, Params, Proposal, Sampler, StudyView, Trial } from './types.js';

/** What the steps need to know. */
export type Starter = {
  studyId: number;
  view: StudyView;
  sampler: Sampler;
  check: Check | undefined;
  worker: BeatingWorker | null;
  scoring: Scoring;
};

export type Plan = Proposal & { refused: ReturnType<Check> };

/**
 * The sampler's proposal for trial `number`, checked.
 * @param prepared what `askAsync` decided; null where that is nothing
 * @throws UsageError where the sampler leaves the space
 */
export function plan(
  { view, sampler, check }: Starter,
  number: number,
  prepared: Partial<Proposal> | null = null,
): Plan {
  const { params: decided, userAttrs } = prepared ?? {};
  const asked = decided ? { ...prepared, params: decided } : sampler.ask(view, number);
  const proposal = userAttrs ? { ...asked, userAttrs } : asked;
  const proposed = activeParams(view.space, isObject(proposal?.params) ? proposal.params : {});
  for (const [name, distribution] of Object.entries(view.space))
    if (isActive(view.space, name, proposed) && !contains(distribution, own(proposed, name)))
      throw new UsageError(
        `Sampler ${sampler.name} proposed ${name} = ${show(own(proposed, name))} outside ${describeDistribution(distribution)}`,
      );
  const params = Object.fromEntries(
    Object.entries(proposed).filter(([name]) => Object.hasOwn(view.space, name)),
  );
  return { ...proposal, params, refused: check?.(params) ?? null };
}

/**
 * What a sampler that takes time decides about trial `number`; null where it leaves it to `ask`.
 * @param seconds after which no proposal is needed any more; rejects then, and when the signal aborts
 */
export async function decideAhead(
  { view, sampler }: Starter,
  number: number,
  signal: AbortSignal | undefined,
  seconds: number,
): Promise<Partial<Proposal> | null> {
  // Timers may be a millisecond early.
  const timeout = AbortSignal.timeout(Math.min(Math.ceil(1000 * seconds) + 1, LONGEST_WAIT));
  const stop = signal ? AbortSignal.any([signal, timeout]) : timeout;
  const decided = await sampler.askAsync?.(view, number, stop);
  stop.throwIfAborted();
  return decided ?? null;
}

/** Random points that are tried before a space is said to hold nothing that can run. */
const PROBES = 1000;

/**
 * Why no configuration can run, as far as the check refuses the smallest and a thousand random ones alike; null where
 * one of them can.
 */
export function refusalOfAll({ view, check }: Starter): ReturnType<Check> {
  const { space, seed } = view;
  const random = randomStream(seed, 'feasibility');
  const smallest = Object.entries(space).map(([name, d]) => [name, isNumeric(d) ? d.low : d.choices[0]!]);
  let refused = check?.(activeParams(space, Object.fromEntries(smallest) as Params));
  for (let i = 0; refused && i < PROBES; i++)
    refused = check?.(activeParams(space, sampleSpace(space, random)));
  return refused ?? null;
}

/** The record that creates a planned trial: running, or failed where it was refused. */
export function startEntry(starter: Starter, planned: Plan, now: number): Entry {
  const { studyId, view, sampler, worker } = starter;
  const { params, refused, userAttrs = {} } = planned;
  const systemAttrs: Attributes = { ...planned.systemAttrs, 'tinygpt:sampler': sampler.name };
  const trial = { params, start: now, systemAttrs, userAttrs };
  if (refused === null) {
    if (worker) systemAttrs[WORKER] = worker;
    return createTrialEntry(studyId, view.space, { ...trial, state: 'running' });
  }
  const failure = { fail_reason: 'infeasible', fail_message: `${refused.reason}: ${refused.detail}` };
  const failed = { ...trial, state: 'fail', end: now, userAttrs: { ...userAttrs, ...failure } } as const;
  return createTrialEntry(studyId, view.space, failed);
}

/** The record that enqueues a whole configuration. */
export function waitingEntry(studyId: number, params: Params, attrs: Attributes = {}): Entry {
  const systemAttrs = { fixed_params: params, ...attrs };
  return createTrialEntry(studyId, {}, { state: 'waiting', params: {}, start: null, systemAttrs });
}

/** The values that a trial was enqueued with. */
export const enqueuedParams = ({ systemAttrs: { fixed_params: fixed } }: Trial): Params =>
  isObject(fixed) ? (fixed as Params) : {};

/** Records that start an enqueued trial (defaults where it is silent), or fail it where it cannot run. */
export function claimEntries({ view, check, worker, scoring }: Starter, trial: Trial, now: number): Entry[] {
  const { space, defaults } = view;
  const given: Params = { ...defaults, ...enqueuedParams(trial), ...trial.params };
  const entries = Object.entries(space).filter(([name]) => isActive(space, name, given));
  const params = Object.fromEntries(entries.map(([name]) => [name, own(given, name)!]));
  const outside = entries.find(([name, distribution]) => !contains(distribution, params[name]));
  const refused = outside
    ? { reason: 'outside the space', detail: `${outside[0]} = ${show(params[outside[0]])}` }
    : (check?.(params) ?? null);
  const paramEntries = entries
    .filter(([name, dist]) => !Object.hasOwn(trial.params, name) && contains(dist, params[name]))
    .map(([name, dist]) => setParamEntry(trial.id, name, params[name]!, dist));
  if (refused === null) {
    const mark = worker ? [trialAttrEntry('system', trial.id, WORKER, worker)] : [];
    return [claimEntry(trial.id, now), ...paramEntries, ...mark];
  }
  const message = `${refused.reason}: ${refused.detail}`;
  const ending = { state: 'fail', reason: 'infeasible', message } as const;
  return [...paramEntries, ...outcomeEntries(trial, ending, now, scoring)];
}

/** Records that end a trial as told; none where it is already finished. @throws UsageError as `outcomeEntries` */
export function endEntries(
  { studyId, scoring }: Starter,
  trial: Trial,
  outcome: Outcome,
  now: number,
): Entry[] {
  const entries = outcomeEntries(trial, outcome, now, scoring);
  const interrupted = (outcome as { reason?: string } | null)?.reason === 'interrupted';
  const isQueued = isObject(trial.systemAttrs.fixed_params);
  const again = entries.length > 0 && interrupted && isQueued;
  return again ? [...entries, ...retryEntries(studyId, trial, 1)] : entries;
}

/**
 * Records that fail a lost trial and enqueue it again.
 * @param retries how often a configuration is tried again
 */
export function lossEntries(studyId: number, trial: Trial, retries: number): Entry[] {
  const owner = asWorker(trial.systemAttrs[WORKER]);
  const message = owner ? `Process ${owner.pid} on ${owner.host} ended` : 'Reclaimed on request';
  return [
    trialAttrEntry('user', trial.id, 'fail_reason', 'killed'),
    trialAttrEntry('user', trial.id, 'fail_message', message),
    finishEntry(trial.id, 'fail', null, { start: trial.start, end: Date.now() }),
    ...retryEntries(studyId, trial, retries),
  ];
}

/** System attributes that belong to one attempt. */
const ofAttempt = /^(tinygpt:(worker|heartbeat|creation|retry_of)|completed_rung_\d+|constraints)$/;

/**
 * Enqueues a trial that was cut short again, as Optuna's `RetryHeartbeatStaleTrialCallback` does: `failed_trial` is the
 * number of the first attempt, `retry_history` those of all. Not without end, since a configuration may be what kills
 * its process.
 */
function retryEntries(studyId: number, trial: Trial, retries: number): Entry[] {
  const { fixed_params: _, retry_history, ...attrs } = trial.systemAttrs;
  const history = Array.isArray(retry_history) ? retry_history : isRetry(trial) ? [null] : [];
  if (history.length >= retries) return [];
  const kept = Object.fromEntries(Object.entries(attrs).filter(([key]) => !ofAttempt.test(key)));
  return [
    waitingEntry(
      studyId,
      { ...enqueuedParams(trial), ...trial.params },
      { failed_trial: trial.number, ...kept, retry_history: [...history, trial.number] },
    ),
  ];
}

/** Whether this is another attempt at a configuration. */
export const isRetry = ({ systemAttrs }: Trial): boolean =>
  Object.hasOwn(systemAttrs, 'retry_history') || Object.hasOwn(systemAttrs, 'tinygpt:retry_of');

/** Whether a trial counts against a limit on trials: evaluated, or about to be. */
export function countsAsEvaluated(trial: Trial): boolean {
  if (trial.state === 'fail') return !isSilent(trial) && trial.userAttrs.fail_reason !== 'infeasible';
  return trial.state !== 'waiting';
}
