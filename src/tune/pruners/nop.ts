// Never prunes: the default for samplers that learn more from complete trials.

import type { Pruner } from '../types.js';

export function nopPruner(): Pruner {
  return { name: 'nop', shouldPrune: () => false };
}
