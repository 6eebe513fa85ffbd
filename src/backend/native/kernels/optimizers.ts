// Optimizer steps in place (kernels/native/{adamw,muon}.c).

import { adamwFactors } from '../../updates.js';
import { assertMemory } from '../library.js';
import type { NativeKernel } from './kernel.js';

export const adamWStep: NativeKernel<'AdamWStep'> = ({ inputs, attrs, backend, c }) => {
  const { param, expAvg, expAvgSq, grad } = inputs;
  const { beta1, beta2, eps } = attrs;
  const g = backend.floats(grad);
  const [p, m, v] = [param, expAvg, expAvgSq].map((variable) => backend.writable(variable));
  const { keep, rate, correction } = adamwFactors(attrs);
  c.tg_adamw(g.length, keep, rate, beta1, beta2, correction, eps, p!, m!, v!, g);
  return [];
};

export const muonStep: NativeKernel<'MuonStep'> = ({ inputs, attrs, backend, c }) => {
  const { count, lr, momentum, beta2, weightDecay, nsSteps } = attrs;
  const [rows, columns] = inputs.param0!.shape as [number, number];
  // C keeps addresses between the calls: the arrays are held here.
  const held = Array.from({ length: count }, (_, i) => {
    const pair = [backend.writable(inputs[`param${i}`]!), backend.floats(inputs[`grad${i}`]!)] as const;
    assertMemory(c.tg_muon_matrix(i, ...pair), 'MuonStep');
    return pair;
  });
  const state = [inputs.momentum, inputs.secondMoment].map((variable) => backend.writable(variable));
  const constants = [lr, momentum, beta2, weightDecay, nsSteps];
  assertMemory(c.tg_muon(held.length, rows, columns, ...constants, ...state), 'MuonStep');
  return [];
};
