// All benchmark problems by name: functions, the two of the published benchmark first, and real training.

import { ackley, branin, ellipsoid, levy, rosenbrock } from './classic.js';
import { network, styblinski, trid } from './heldOut.js';
import { LANDSCAPES } from './landscapes.js';
import { TAILS } from './tails.js';
import { cliff, pretrain, pretrainFromDefaults, svm } from './tuning.js';
import type { Problem } from './types.js';
import { hartmann, valley } from './yardstick.js';

export const PROBLEMS: readonly Problem[] = [
  hartmann,
  valley,
  branin,
  ackley,
  rosenbrock,
  pretrain,
  levy,
  svm,
  cliff,
  ellipsoid,
  styblinski,
  trid,
  network,
  ...TAILS,
  ...LANDSCAPES,
  pretrainFromDefaults,
];

export { TRAINING } from './training.js';
