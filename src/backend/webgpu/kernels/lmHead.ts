// Language-model head and cross-entropy in chunks of rows (kernels/webgpu/cross_entropy.wgsl and products).

import { grid } from '../backend.js';
import { chunkRows } from '../footprint.js';
import { type WebGpuKernel, WORKGROUP } from './kernel.js';
import { multiply } from './matmul.js';

export const lmHeadCrossEntropy: WebGpuKernel<'LmHeadCrossEntropy'> = ({ inputs, attrs, backend }) => {
  const { x, w, targets } = inputs;
  const { softcap, reduction, withGrad, maxLogitsBytes } = attrs;
  const [tokens, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const loss = backend.make(reduction === 'none' ? [tokens] : []);
  const grads = withGrad ? ([backend.make(x.shape), backend.make(w.shape)] as const) : undefined;
  const step = chunkRows(tokens, vocab, maxLogitsBytes);
  const mean = reduction === 'mean' ? 1 : 0;
  const source = 'cross_entropy';
  const constants = { WORKGROUP, WITH_GRAD: withGrad };
  const whole = {
    source,
    constants: { ...constants, WORKGROUP: 256 },
    floats: [softcap],
    groups: [1] as const,
  };
  const ints = (rows: number, first: number) => [rows, vocab, first, tokens, mean];
  backend.scratch([1, tokens, step * vocab], (weight, sums, logits) => {
    const losses = reduction === 'none' ? loss : sums!;
    backend.run({ ...whole, entry: 'loss_weight', bind: [targets, weight], ints: ints(0, 0) });
    for (let first = 0; first < tokens; first += step) {
      const rows = Math.min(step, tokens - first);
      const at = first * width;
      const product = { m: rows, n: vocab, k: width, a: x, b: w, c: logits!, transposeB: true, aOffset: at };
      multiply(backend, product);
      backend.run({
        source,
        entry: 'cross_entropy',
        constants,
        bind: [logits!, targets, losses, weight],
        ints: ints(rows, first),
        floats: [softcap],
        groups: grid(rows),
      });
      if (!grads) continue;
      const [dx, dw] = grads;
      multiply(backend, { m: rows, n: width, k: vocab, a: logits!, b: w, c: dx, cOffset: at });
      const add = first > 0 ? { e: 'c' as const } : {};
      multiply(backend, {
        ...{ m: vocab, n: width, k: rows, a: logits!, b: x, c: dw, transposeA: true, bOffset: at },
        ...add,
      });
    }
    if (reduction !== 'none')
      backend.run({ ...whole, entry: 'loss_sum', bind: [sums!, loss], ints: ints(0, 0) });
  });
  return grads ? [loss, ...grads] : [loss];
};
