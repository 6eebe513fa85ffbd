// A val_bpb-like surface whose bad region has extreme but finite (or infinite) values, as when training nearly
// diverges. Only the kind of tail differs; the optimum and its surroundings are the same.

import type { SearchSpace } from '../../src/tune/types.js';
import { float, int, type Problem, unit } from './types.js';

const space: SearchSpace = {
  matrixLr: float(0.005, 0.5, true),
  embeddingLr: float(0.01, 2, true),
  unembeddingLr: float(0.0005, 0.05, true),
  depth: int(2, 12),
  weightDecay: float(0, 0.5),
  warmdown: float(0.1, 0.9),
};

/** @param tail value at `excess` > 0, the distance beyond the edge of stability, given the value without a tail */
function tailed(name: string, tail: (excess: number, value: number) => number): Problem {
  return {
    name,
    space,
    noise: 0.0005,
    minimum: 0.97,
    heldOut: false,
    evaluate(p) {
      const u = (parameter: string) => unit(space, p, parameter);
      const rate = u('matrixLr') - 0.45 + 0.2 * (u('depth') - 0.5);
      let value =
        0.97 + (rate > 0 ? 0.4 : 0.12) * rate ** 2 + 0.05 * (u('embeddingLr') - 0.7 - 0.3 * rate) ** 2;
      value += 0.03 * (u('unembeddingLr') - 0.55) ** 2 + 0.06 * (u('depth') - 0.6) ** 2;
      value += 0.02 * (u('weightDecay') - 0.3) ** 2 + 0.03 * (u('warmdown') - 0.7) ** 2;
      const excess = rate + 0.3 * (u('embeddingLr') - 0.7) - 0.15;
      return excess > 0 ? tail(excess, value) : value;
    },
  };
}

const none = tailed('tail_none_6d', (_, value) => value);
const exponential = tailed('tail_exponential_6d', (excess, value) => value + Math.expm1(20 * excess));
const defaults = {
  matrixLr: 0.02,
  embeddingLr: 0.2,
  unembeddingLr: 0.002,
  depth: 5,
  weightDecay: 0.2,
  warmdown: 0.5,
};

export const TAILS: readonly Problem[] = [
  none,
  exponential,
  tailed('tail_steep_6d', (excess, value) => value + 50 * Math.expm1(20 * excess)),
  tailed('tail_plateau_6d', () => 11.09),
  tailed('tail_infinite_6d', () => Infinity),
  { ...none, name: 'tail_none_from_defaults_6d', defaults },
  { ...exponential, name: 'tail_exponential_from_defaults_6d', defaults },
];
