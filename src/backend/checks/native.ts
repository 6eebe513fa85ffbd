// The native backend's own cases of the self-test: the fused kernels', and products deeper than a pass over a tile,
// so that a faulty kernel for an instruction set that was never tested on such a machine is found before anything is
// trained with it.

import type { SelfCheck } from '../types.js';
import { differentiable } from './case.js';
import { fusedChecks } from './fused.js';
import { linear } from './model.js';

/** The cases. */
export const checks = (): SelfCheck[] => [
  ...fusedChecks(),
  differentiable(linear(45, 601, 18)),
  differentiable(linear(700, 37, 17)),
];
