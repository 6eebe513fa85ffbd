// Optimizer steps in place (kernels/native/{adamw,muon}.c). Contracts: src/optim/{adamw,muon}.ts.

import type { Info } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import { type NativeKernel, numbersOf } from './kernel.js';

export const adamwStep: NativeKernel = ({ inputs, attrs, backend, c }) => {
  const { param, expAvg, expAvgSq, grad } = inputs as Record<'param' | 'expAvg' | 'expAvgSq' | 'grad', Info>;
  const { lr, beta1, beta2, eps, weightDecay, step } = numbersOf<
    'lr' | 'beta1' | 'beta2' | 'eps' | 'weightDecay' | 'step'
  >(attrs);
  const slope = backend.floats(grad);
  const [p, m, v] = [param, expAvg, expAvgSq].map((variable) => backend.writable(variable));
  const rate = lr / (1 - beta1 ** step);
  const correction = 1 / (1 - beta2 ** step);
  c.tg_adamw(slope.length, 1 - lr * weightDecay, rate, beta1, beta2, correction, eps, p!, m!, v!, slope);
  return [];
};

export const muonStep: NativeKernel = ({ inputs, attrs, backend, c }) => {
  const { momentum, secondMoment } = inputs as { momentum: Info; secondMoment: Info };
  const { count, lr, beta2, weightDecay, nsSteps } = numbersOf<
    'count' | 'lr' | 'beta2' | 'weightDecay' | 'nsSteps'
  >(attrs);
  const [rows, columns] = inputs.param0!.shape as [number, number];
  // C keeps addresses between the calls: the arrays are held here.
  const held = Array.from({ length: count }, (_, i) => {
    const pair = [backend.writable(inputs[`param${i}`]!), backend.floats(inputs[`grad${i}`]!)] as const;
    assertMemory(c.tg_muon_matrix(i, ...pair), 'MuonStep');
    return pair;
  });
  const done = c.tg_muon(
    held.length,
    rows,
    columns,
    lr,
    attrs.momentum as number,
    beta2,
    weightDecay,
    nsSteps,
    backend.writable(momentum),
    backend.writable(secondMoment),
  );
  assertMemory(done, 'MuonStep');
  return [];
};
