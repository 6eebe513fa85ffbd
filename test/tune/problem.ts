// A small space, a sampler that draws from it, and an objective: shared by the study tests.

import { categorical, float, int } from '../../src/tune/distributions.js';
import type { Params, SearchSpace } from '../../src/tune/types.js';

export { uniform } from '../../experiments/optuna-interop/problem.js';

export const space: SearchSpace = {
  x: float(-5, 5),
  lr: float(1e-4, 1, { log: true }),
  depth: int(2, 12, { step: 2 }),
  kind: categorical(['a', 'b', null]),
};
export const defaults: Params = { x: 1, lr: 0.01, depth: 4, kind: 'b' };

export function value({ x, depth }: Params): number {
  return (x as number) ** 2 + (depth as number) / 100;
}
