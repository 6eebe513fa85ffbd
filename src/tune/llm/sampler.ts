// A model as sampler, alone or in turn with a classic one. Guards, each of which public studies found to matter
// (arXiv 2603.24647): the model proposes at most a share of the trials; a proposal is checked against the space, against the
// trials so far and by the study's check before it runs, corrected once, and else replaced by the classic sampler's; its
// results reach the classic sampler only where they are complete and within reach of its distribution. Failures never do.
//
// What was decided is stored with the trials, so that a resumed study and several processes agree.

import { UsageError } from '../../base/errors.js';
import { keyOf } from '../samplers/admission.js';
import type { Attributes, Params, Proposal, Sampler, StudyView, Trial } from '../types.js';
import { AnswerError, readAnswer } from './answer.js';
import type { Caller } from './caller.js';
import type { EndRecord } from './callLog.js';
import { converse } from './converse.js';
import { type PromptContext, proposalPrompt } from './prompt.js';

export type LlmSamplerOptions = {
  caller: Caller;
  context: PromptContext;
  /** Proposes where the model does not. */
  base: Sampler;
  /** Part of the trials that the model may propose at most: 1 makes it `llm`, less `hybrid`. */
  share: number;
};

/** System attribute of a model's proposal: whether its result may be told to the classic sampler. */
export const WITHIN_REACH = 'llm:within_reach';
/** User attribute: calls made for a trial, whether or not they led to a proposal. */
const CALLS = 'llm_calls';

/**
 * The model as sampler. `ask`, which cannot wait, gives the classic sampler's proposal.
 * @throws UsageError for a share outside (0, 1]
 */
export function llmSampler({ caller, context, base, share }: LlmSamplerOptions): Sampler {
  if (!(share > 0 && share <= 1)) throw new UsageError(`Expected a share in (0, 1], got ${share}`);
  const told = toldTrials();
  return {
    name: share === 1 ? 'llm' : 'hybrid',
    ask: (study, number) => base.ask(told(study), number),
    async askAsync(study, number, signal) {
      if (!isModelsTurn(study.trials, share)) return null;
      const view = told(study);
      const baseline = share < 1 ? { sampler: base.name, params: base.ask(view, number).params } : undefined;
      const prompt = proposalPrompt(study, number, context, baseline);
      const read = (text: string) => {
        const given = readAnswer(text, study.space);
        checkProposal(study, given.params);
        return given;
      };
      const key = { purpose: 'propose', trial: number } as const;
      const { answer, failed, ends } = await converse(caller, key, prompt, read, signal);
      const spent = spentAttributes(ends);
      if (!answer)
        return { userAttrs: { [CALLS]: 0, ...spent, llm_outcome: `fallback: ${failed}`.slice(0, 300) } };
      const proposal: Partial<Proposal> = {
        params: answer.params,
        stillFits: (trials) => isModelsTurn(trials, share),
        systemAttrs: { [WITHIN_REACH]: base.reaches?.(view, answer.params) ?? true },
        userAttrs: {
          ...spent,
          llm_outcome:
            ends.length > 1 && ends.some(({ purpose }) => purpose === 'repair') ? 'repaired' : 'proposed',
          ...(answer.reason && { llm_reason: answer.reason }),
        },
      };
      return proposal;
    },
  };
}

/** Whether the model has had less than its share, at every point of the study. Trials it was asked for in vain count. */
export function isModelsTurn(trials: readonly Trial[], share: number): boolean {
  const started = trials.filter(({ state }) => state !== 'waiting');
  const isAsked = ({ userAttrs, systemAttrs }: Trial) => CALLS in userAttrs || WITHIN_REACH in systemAttrs;
  const asked = started.filter(isAsked).length;
  // A share of 0.3 of ten trials is three, although 0.3 * 10 may be a little less.
  return asked + 1 <= share * (started.length + 1) + 1e-9;
}

/** @throws AnswerError for a configuration that was tried or cannot run */
function checkProposal(study: StudyView, params: Params): void {
  const key = keyOf(study.space, params);
  const same = study.trials.find(
    (trial) => trial.state !== 'waiting' && keyOf(study.space, trial.params) === key,
  );
  if (same) throw new AnswerError(`Trial ${same.number} has this configuration already; propose another`);
  const refused = study.refusal?.(params);
  if (refused) throw new AnswerError(`This configuration cannot run (${refused.reason}: ${refused.detail})`);
  if (study.canRun && !study.canRun(params)) throw new AnswerError('This configuration cannot run');
}

/** Calls, tokens, cost and time of a trial's calls, as attributes; what is unknown is left out. */
function spentAttributes(ends: readonly EndRecord[]): Attributes {
  const sum = (pick: (end: EndRecord) => number | null) =>
    ends.reduce<number | null>((total, end) => {
      const value = pick(end);
      return total === null || value === null ? null : total + value;
    }, 0);
  const amounts = {
    [CALLS]: ends.length,
    llm_input_tokens: sum((end) => end.input_tokens),
    llm_output_tokens: sum((end) => end.output_tokens),
    llm_cost_usd: sum((end) => end.cost_usd),
    llm_seconds: sum((end) => end.seconds),
    llm_replayed: ends.some(({ status }) => status === 'replayed') || null,
  };
  return Object.fromEntries(Object.entries(amounts).filter(([, value]) => value !== null));
}

/**
 * The study as the classic sampler sees it: without results of the model that failed, were pruned or lie beyond its reach.
 * Their configurations count as tried. The array of trials stays the same for a study, since samplers cache by it.
 */
function toldTrials(): (study: StudyView) => StudyView {
  const views = new WeakMap<readonly Trial[], Trial[]>();
  return (study) => {
    const kept = views.get(study.trials) ?? [];
    views.set(study.trials, kept);
    kept.length = 0;
    const hidden: Trial[] = [];
    for (const trial of study.trials) (isTold(trial) ? kept : hidden).push(trial);
    if (hidden.length === 0) return { ...study, trials: kept };
    const tried = new Set(hidden.map(({ params }) => keyOf(study.space, params)));
    const canRun = (params: Params) =>
      !tried.has(keyOf(study.space, params)) && (study.canRun?.(params) ?? true);
    return { ...study, trials: kept, canRun };
  };
}

function isTold({ state, systemAttrs }: Trial): boolean {
  if (!(WITHIN_REACH in systemAttrs) || state === 'running') return true;
  return state === 'complete' && systemAttrs[WITHIN_REACH] === true;
}
