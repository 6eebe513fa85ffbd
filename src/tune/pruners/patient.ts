// Patience around another pruner, decision for decision as Optuna's PatientPruner: the inner one is asked only
// when the last `patience` + 1 reports brought no improvement over those before. Without an inner pruner this
// is early stopping.

import { UsageError } from '../../base/errors.js';
import { checkInteger } from '../../base/valid.js';
import { isBetter, signOf } from '../best.js';
import type { Pruner } from '../types.js';
import { bestOf } from './steps.js';

export type PatientOptions = {
  /** Reports without improvement that are forgiven. */
  patience: number;
  /** An improvement must exceed this. */
  minDelta?: number;
};

/**
 * @throws UsageError for a negative patience or delta
 */
export function patientPruner(inner: Pruner | null, options: PatientOptions): Pruner {
  const { patience, minDelta = 0 } = options;
  checkInteger('patience', patience, 0);
  if (!(minDelta >= 0)) throw new UsageError(`Expected minDelta to be >= 0, got ${minDelta}`);

  return {
    name: inner === null ? 'patient' : `patient-${inner.name}`,
    shouldPrune(study, trial, setSystemAttr) {
      const { direction } = study;
      const values = [...trial.intermediate].sort(([a], [b]) => a - b).map(([, value]) => value);
      if (values.length <= patience + 1) return false;
      const before = bestOf(values.slice(0, -patience - 1), direction);
      const after = bestOf(values.slice(-patience - 1), direction);
      const stalled = isBetter(before + signOf(direction) * minDelta, after, direction);
      return stalled && (inner?.shouldPrune(study, trial, setSystemAttr) ?? true);
    },
  };
}
