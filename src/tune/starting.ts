// How a trial comes to run: planned from the sampler's proposal or claimed from the queue, refused where it cannot
// run, and given up when its process is gone. Each function makes the records of one step; study.ts appends them.

import { contains, describeDistribution } from './distributions.js';
import {
  claimEntry,
  createTrialEntry,
  type Entry,
  finishEntry,
  setParamEntry,
  trialAttrEntry,
} from './journal/records.js';
import { asWorker, mayBeAlive, type WorkerIdentity } from './journal/worker.js';
import { type Outcome, outcomeEntries } from './trial.js';
import type { Attributes, Params, Proposal, Sampler, StudyView, Trial } from './types.js';

/** Why a configuration cannot run, or null where it can. */
export type Check = (params: Params) => { reason: string; detail: string } | null;

/** What the steps need to know. */
export type Starter = {
  studyId: number;
  view: StudyView;
  sampler: Sampler;
  check: Check | undefined;
  worker: WorkerIdentity;
};

export type Plan = Proposal & { refused: ReturnType<Check> };

/**
 * The sampler's proposal for trial `number`, checked.
 * @throws Error where the sampler leaves the space
 */
export function plan({ view, sampler, check }: Starter, number: number): Plan {
  const proposal = sampler.ask(view, number);
  for (const [name, distribution] of Object.entries(view.space))
    if (!contains(distribution, proposal.params[name]))
      throw new Error(
        `Sampler ${sampler.name} proposed ${name} = ${proposal.params[name]} outside ${describeDistribution(distribution)}`,
      );
  return { ...proposal, refused: check?.(proposal.params) ?? null };
}

/** The record that creates a planned trial: running, or failed where it was refused. */
export function startEntry(starter: Starter, planned: Plan, now: number): Entry {
  const { studyId, view, sampler, worker } = starter;
  const { params, refused } = planned;
  const systemAttrs = { ...planned.systemAttrs, 'tinygpt:sampler': sampler.name };
  if (refused === null) {
    const attrs = { ...systemAttrs, 'tinygpt:worker': worker };
    return createTrialEntry(studyId, view.space, {
      state: 'running',
      params,
      start: now,
      systemAttrs: attrs,
    });
  }
  const userAttrs = { fail_reason: 'infeasible', fail_message: `${refused.reason}: ${refused.detail}` };
  const failed = { state: 'fail', params, start: now, end: now, systemAttrs, userAttrs } as const;
  return createTrialEntry(studyId, view.space, failed);
}

/** The record that enqueues a whole configuration. */
export function waitingEntry(studyId: number, params: Params, attrs: Attributes = {}): Entry {
  const systemAttrs = { fixed_params: params, ...attrs };
  return createTrialEntry(studyId, {}, { state: 'waiting', params: {}, start: null, systemAttrs });
}

/** Records that start an enqueued trial (defaults where it is silent), or fail it where it cannot run. */
export function claimEntries({ view, check, worker }: Starter, trial: Trial, now: number): Entry[] {
  const { space, defaults } = view;
  const fixed = trial.systemAttrs.fixed_params as Params | undefined;
  const given: Params = { ...defaults, ...fixed, ...trial.params };
  const params: Params = Object.fromEntries(Object.keys(space).map((name) => [name, given[name]!]));
  const outside = Object.keys(space).find((name) => !contains(space[name]!, params[name]));
  const refused = outside
    ? { reason: 'outside the space', detail: `${outside} = ${JSON.stringify(params[outside])}` }
    : (check?.(params) ?? null);
  const paramEntries = Object.entries(space)
    .filter(([name, distribution]) => !(name in trial.params) && contains(distribution, params[name]))
    .map(([name, distribution]) => setParamEntry(trial.id, name, params[name]!, distribution));
  if (refused === null) {
    const mark = trialAttrEntry('system', trial.id, 'tinygpt:worker', worker);
    return [claimEntry(trial.id, now), ...paramEntries, mark];
  }
  const message = `${refused.reason}: ${refused.detail}`;
  return [...paramEntries, ...outcomeEntries(trial, { state: 'fail', reason: 'infeasible', message }, now)];
}

/**
 * Whether a running trial's process is known to be gone.
 * @param unknown whether to count trials whose process cannot be seen from here (another machine, Python) too
 */
export function isLost(trial: Trial, worker: WorkerIdentity, unknown: boolean): boolean {
  if (trial.state !== 'running') return false;
  const owner = asWorker(trial.systemAttrs['tinygpt:worker']);
  if (owner !== null && !mayBeAlive(owner)) return true;
  const visible = owner !== null && owner.host === worker.host && owner.namespace === worker.namespace;
  return unknown && !visible;
}

/** Records that end a trial as told; none where it is already finished. */
export function endEntries(studyId: number, trial: Trial, outcome: Outcome, now: number): Entry[] {
  const entries = outcomeEntries(trial, outcome, now);
  const reason = (outcome as { reason?: string } | null)?.reason;
  return entries.length > 0 && reason === 'interrupted'
    ? [...entries, ...requeueEntries(studyId, trial)]
    : entries;
}

/** Records that fail a lost trial. */
export function lossEntries(studyId: number, trial: Trial): Entry[] {
  const owner = asWorker(trial.systemAttrs['tinygpt:worker']);
  const message = owner ? `Process ${owner.pid} on ${owner.host} ended` : 'Given up by request';
  return [
    trialAttrEntry('user', trial.id, 'fail_reason', 'killed'),
    trialAttrEntry('user', trial.id, 'fail_message', message),
    finishEntry(trial.id, 'fail', null, { start: trial.start, end: Date.now() }),
    ...requeueEntries(studyId, trial),
  ];
}

/**
 * What was enqueued (the defaults above all) and cut short goes back into the queue; once, since a configuration
 * may be what kills its process.
 */
function requeueEntries(studyId: number, trial: Trial): Entry[] {
  const params = trial.systemAttrs.fixed_params as Params | undefined;
  if (!params || 'tinygpt:retry_of' in trial.systemAttrs) return [];
  return [waitingEntry(studyId, params, { 'tinygpt:retry_of': trial.number })];
}

/** Failures that say nothing about the configuration's worth and do not count as evaluated. */
const notEvaluated = new Set<unknown>(['infeasible', 'killed', 'interrupted']);

/** Whether a trial counts against a limit on trials: evaluated, or about to be. */
export function countsAsEvaluated(trial: Trial): boolean {
  if (trial.state === 'fail') return !notEvaluated.has(trial.userAttrs.fail_reason);
  return trial.state !== 'waiting';
}
