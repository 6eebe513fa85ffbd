// Two priors on length scales. One expects the same of all parameters. The other expects shorter length scales on log
// scales, whose ranges cover orders of magnitude, than on linear ones. Which one suits a task is not known beforehand, and
// few trials do not tell: the acquisition is averaged over a model with each.

import type { Axis } from '../axes.js';

/** How much shorter in ln l: e^2 = 7.4 times. */
const LOG_SHORTER = 2;

/**
 * [D] where the second prior's mean of ln l differs from the first's, with mean zero over the numeric parameters; null in
 * a space with one kind of scale, where the two are the same.
 */
export function scaleShift(axes: readonly Axis[]): Float64Array | null {
  const numeric = axes.filter(({ kind }) => kind !== 'categorical').length;
  const share = axes.filter(isLog).length / numeric;
  if (!(share > 0 && share < 1)) return null;
  return Float64Array.from(axes, (axis) =>
    axis.kind === 'categorical' ? 0 : LOG_SHORTER * (share - Number(isLog(axis))),
  );
}

const isLog = ({ distribution }: Axis): boolean => distribution.kind !== 'categorical' && distribution.log;
