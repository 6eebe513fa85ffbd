// Schedules over the fraction of the budget used. Source: get_lr_multiplier, get_muon_momentum and
// get_weight_decay of the reference.

/** Shape of the learning-rate schedule, all fractions of the budget. */
export interface LrSchedule {
  warmupRatio: number;
  warmdownRatio: number;
  finalLrFrac: number;
}

/**
 * Trapezoid: linear warm-up, flat, linear warm-down to `finalLrFrac`.
 * @param progress fraction of the budget used, 0 to 1
 */
export function lrMultiplier(progress: number, schedule: LrSchedule): number {
  const { warmupRatio, warmdownRatio, finalLrFrac } = schedule;
  if (progress < warmupRatio) return progress / warmupRatio;
  if (progress < 1 - warmdownRatio) return 1;
  const left = (1 - progress) / warmdownRatio;
  return left + (1 - left) * finalLrFrac;
}

/** Muon's momentum at a step: from `start` to `end`, linear over `warmupSteps`. */
export function muonMomentum(
  step: number,
  options: { start: number; end: number; warmupSteps: number },
): number {
  const fraction = options.warmupSteps > 0 ? Math.min(step / options.warmupSteps, 1) : 1;
  return (1 - fraction) * options.start + fraction * options.end;
}

/** Muon's weight decay falls linearly to zero. */
export const muonWeightDecay = (progress: number, weightDecay: number): number =>
  weightDecay * (1 - progress);
