// Pruners by name, for the command line.

import { UsageError } from '../../base/errors.js';
import type { Pruner } from '../types.js';
import { finalValuesPruner } from './finalValues.js';
import { hyperbandPruner } from './hyperband.js';
import { medianPruner } from './median.js';
import { nopPruner } from './nop.js';
import { patientPruner } from './patient.js';
import { successiveHalvingPruner } from './successiveHalving.js';
import { wilcoxonPruner } from './wilcoxon.js';

export {
  finalValuesPruner,
  hyperbandPruner,
  medianPruner,
  nopPruner,
  patientPruner,
  successiveHalvingPruner,
  wilcoxonPruner,
};

const byName: Record<string, () => Pruner> = {
  nop: nopPruner,
  median: medianPruner,
  'successive-halving': successiveHalvingPruner,
  hyperband: hyperbandPruner,
  wilcoxon: wilcoxonPruner,
  patient: () => patientPruner(medianPruner(), { patience: 1 }),
};

/** Names that `prunerByName` knows. */
export const prunerNames: readonly string[] = Object.keys(byName);

/**
 * A pruner with its default settings; `patient` wraps the median rule with a patience of 1.
 * @throws UsageError for an unknown name
 */
export function prunerByName(name: string): Pruner {
  const make = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (!make) throw new UsageError(`Expected a pruner among ${prunerNames.join(', ')}, got ${name}`);
  return make();
}
