// Language-model head and cross-entropy in chunks of rows (kernels/webgpu/cross_entropy.wgsl and products).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { grid } from '../backend.js';
import { type WebGpuKernel, WORKGROUP } from './kernel.js';
import { multiply } from './matmul.js';

/** The most bytes of one chunk of logits. */
export const CHUNK_BYTES = 64 * 2 ** 20;

/** Rows of logits held at once. */
export const chunkRows = (rows: number, vocab: number, bytes = CHUNK_BYTES): number =>
  Math.max(1, Math.min(rows, Math.floor(bytes / (4 * vocab))));

export const lmHeadCrossEntropy: WebGpuKernel = ({ inputs, attrs, backend }) => {
  const { x, w, targets } = inputs as Record<'x' | 'w' | 'targets', TensorInfo>;
  const { softcap, reduction, withGrad, maxLogitsBytes } = attrs as {
    softcap: number;
    reduction: 'none' | 'mean' | 'sum';
    withGrad: boolean;
    maxLogitsBytes?: number;
  };
  const [tokens, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const loss = backend.make(reduction === 'none' ? [tokens] : []);
  const grads = withGrad ? [backend.make(x.shape), backend.make(w.shape)] : [];
  const [dx, dw] = grads;
  const step = chunkRows(tokens, vocab, maxLogitsBytes);
  const mean = reduction === 'mean' ? 1 : 0;
  const source = 'cross_entropy';
  const constants = { WORKGROUP, WITH_GRAD: withGrad };
  const whole = {
    source,
    constants: { ...constants, WORKGROUP: 256 },
    floats: [softcap],
    groups: [1] as [number],
  };
  backend.scratch(1, (weight) =>
    backend.scratch(tokens, (losses) =>
      backend.scratch(step * vocab, (logits) => {
        backend.run({
          ...whole,
          entry: 'loss_weight',
          bind: [targets, weight],
          ints: [0, vocab, 0, tokens, mean],
        });
        const each = reduction === 'none' ? loss : losses;
        for (let first = 0; first < tokens; first += step) {
          const rows = Math.min(step, tokens - first);
          multiply(backend, {
            m: rows,
            n: vocab,
            k: width,
            a: x,
            b: w,
            c: logits,
            transposeB: true,
            aOffset: first * width,
          });
          backend.run({
            source,
            entry: 'cross_entropy',
            constants,
            bind: [logits, targets, each, weight],
            ints: [rows, vocab, first, tokens, mean],
            floats: [softcap],
            groups: grid(rows),
          });
          if (!dx || !dw) continue;
          multiply(backend, { m: rows, n: width, k: vocab, a: logits, b: w, c: dx, cOffset: first * width });
          multiply(backend, {
            m: vocab,
            n: width,
            k: rows,
            a: logits,
            b: x,
            c: dw,
            transposeA: true,
            bOffset: first * width,
            ...(first > 0 && { e: 'c' as const }),
          });
        }
        if (reduction !== 'none')
          backend.run({
            ...whole,
            entry: 'loss_sum',
            bind: [losses, loss],
            ints: [0, vocab, 0, tokens, mean],
          });
      }),
    ),
  );
  return [loss, ...grads];
};
