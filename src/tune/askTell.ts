// A sampler by itself: it proposes, you tell it the values. No study, no journal, no clock; for your own loops and
// for comparisons with other optimizers.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { bestTrial } from './best.js';
import { CONSTRAINTS } from './constraints.js';
import { directionsOf } from './objectives.js';
import { paretoFront } from './pareto.js';
import { checkSpace } from './space.js';
import type { TwoDirections, TwoValues } from './studyTypes.js';
import { listOf } from './trial.js';
import type { Direction, Params, ParamsOf, Sampler, SearchSpace, StudyView, Trial } from './types.js';

export type AskTellOptions<S extends SearchSpace> = {
  space: S;
  /** Where samplers start; the middle of the range for parameters left out. */
  defaults?: Partial<ParamsOf<NoInfer<S>>>;
  direction?: Direction;
  /** Two directions: every proposal is then told two values. */
  directions?: TwoDirections;
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
   * Gives a proposal its value, or two where two directions were asked for; NaN says that it failed, for no value.
   * @param violations by how much it violates each constraint, at most 0 where one is satisfied
   * @throws UsageError for a number that was not asked for or has its value already, or another number of values
   */
  tell(
    proposal: { readonly number: number } | number,
    value: number | TwoValues,
    violations?: readonly number[],
  ): void;
  /** The best proposal that satisfies the constraints, or null. */
  best(): (Trial<ParamsOf<S>> & { value: number }) | null;
  /** The Pareto front of two objectives. */
  front(): Trial<ParamsOf<S>>[];
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
  const { seed = 0 } = options;
  const directions = directionsOf({ ...options, sampler } as never);
  const direction = directions[0]!;
  const { space, defaults } = checkSpace(options.space, options.defaults);
  const trials: Trial[] = [];
  const several = directions.length > 1 && { directions };
  const view: StudyView = { space, defaults, direction, ...several, seed, trials };
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
    tell(proposal, given, violations) {
      const number = typeof proposal === 'number' ? proposal : proposal.number;
      const trial = trials[number];
      if (trial?.state !== 'running')
        throw new UsageError(`Expected the number of a proposal without a value, got ${show(number)}`);
      const values = listOf(given) as number[];
      if (values.length !== directions.length)
        throw new UsageError(
          `Expected ${directions.length === 1 ? 'a value' : 'two values'}, got ${show(given)}`,
        );
      const failed = values.some((value) => typeof value !== 'number' || Number.isNaN(value));
      if (violations) Object.assign(trial.systemAttrs, { [CONSTRAINTS]: violations });
      // Samplers go by the order in which trials ended.
      Object.assign(trial, {
        state: failed ? 'fail' : 'complete',
        value: failed ? null : values[0],
        ...(several && !failed && { values }),
        end: finished++,
      });
    },
    best: () => bestTrial(trials, direction),
    front: () => paretoFront(trials, directions),
  };
  return search as unknown as AskTell<S>;
}
