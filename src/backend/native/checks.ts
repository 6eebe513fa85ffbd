// The native backend's own cases of the self-test: the fused kernels', and products deeper than a pass over a tile, so that a
// kernel for an instruction set that was never tried on such a machine is found out before anything is trained on it.

import { differentiable, dot, kernel } from '../checks/case.js';
import { fusedChecks } from '../checks/index.js';
import type { SelfCheck } from '../selfTest.js';

/** y [N,O] = x [N,I] w [O,I]^T and its gradients, whose depths are I, O and N. */
function linear(N: number, I: number, O: number): SelfCheck {
  return differentiable({
    name: `linear map of ${N} rows, ${I} to ${O}`,
    shapes: [
      [N, I],
      [O, I],
    ],
    reference: ([x, w]) =>
      Float64Array.from({ length: N * O }, (_, i) => {
        const [row, column] = [Math.floor(i / O), i % O];
        return dot(x!.subarray(row * I, (row + 1) * I), w!.subarray(column * I, (column + 1) * I));
      }),
    run: ([x, w]) => ({
      value: kernel('Linear', { x: x!, w: w! })[0]!,
      backward: (dy) => kernel('LinearGrad', { x: x!, w: w!, dy }),
    }),
  });
}

/** The cases. */
export function checks(): SelfCheck[] {
  return [...fusedChecks(), linear(45, 601, 18), linear(700, 37, 17)];
}
