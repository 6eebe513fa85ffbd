// A sampler by itself: it proposes, you tell it the values. No study, no journal, no clock; for your own loops and
// for comparisons with other optimizers.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { bestTrial } from './best.js';
import { checkSpace } from './space.js';
import type { Direction, Params, ParamsOf, Sampler, SearchSpace, StudyView, Trial } from './types.js';

export type AskTellOptions<S extends SearchSpace> = {
  space: S;
  /** Where samplers start; the middle of the range for parameters left out. */
  defaults?: Partial<ParamsOf<NoInfer<S>>>;
  direction?: Direction;
  /** Fixes every proposal; 0 unless set. */
  seed?: number | string;
};

/** A sampler and the results reported to it. */
export type AskTell<S extends SearchSpace> = {
  /** All proposals by number, those without a value included. */
  readonly trials: readonly Trial<ParamsOf<S>>[];
  /** The next proposal. Several may be open at once. */
  ask(): { readonly number: number; readonly params: ParamsOf<S> };
  /**
   * Gives a proposal its value; NaN says that it failed, for no value.
   * @throws UsageError for a number that was not asked for or has its value already
   */
  tell(proposal: { readonly number: number } | number, value: number): void;
  /** The best proposal, or null. */
  best(): (Trial<ParamsOf<S>> & { value: number }) | null;
};

/**
 * Uses a sampler without a study.
 * @example
 * const search = askTell(cmaesSampler(), { space: { x: float(-5, 5), y: float(-5, 5) } });
 * for (let i = 0; i < 100; i++) {
 *   const { number, params } = search.ask();
 *   search.tell(number, params.x ** 2 + params.y ** 2);
 * }
 * console.log(search.best()?.params);
 * @throws UsageError for a bad space
 */
export function askTell<S extends SearchSpace>(sampler: Sampler, options: AskTellOptions<S>): AskTell<S> {
  const { direction = 'minimize', seed = 0 } = options;
  const { space, defaults } = checkSpace(options.space, options.defaults);
  const trials: Trial[] = [];
  const view: StudyView = { space, defaults, direction, seed, trials };
  let finished = 0;
  const search: AskTell<SearchSpace> = {
    trials,
    ask() {
      const number = trials.length;
      const { params, systemAttrs = {} } = sampler.ask(view, number);
      const times = { start: number, end: null };
      const empty = { value: null, intermediate: new Map(), userAttrs: {} };
      const trial = { number, id: number, params, distributions: space, systemAttrs, ...empty, ...times };
      trials.push({ ...trial, state: 'running' });
      return { number, params: params as Params };
    },
    tell(proposal, value) {
      const number = typeof proposal === 'number' ? proposal : proposal.number;
      const trial = trials[number];
      if (trial?.state !== 'running')
        throw new UsageError(`Expected the number of a proposal without a value, got ${show(number)}`);
      const failed = typeof value !== 'number' || Number.isNaN(value);
      // Samplers go by the order in which trials ended.
      Object.assign(trial, {
        state: failed ? 'fail' : 'complete',
        value: failed ? null : value,
        end: finished++,
      });
    },
    best: () => bestTrial(trials, direction),
  };
  return search as unknown as AskTell<S>;
}
