// Language-model head and cross-entropy (kernels/native/lm_head.c). Contract: src/ops/lmHead.ts.

import type { Info } from '../../flat/store.js';
import { OUT_OF_MEMORY } from '../library.js';
import type { NativeKernel } from './kernel.js';

const REDUCTIONS = { none: 0, mean: 1, sum: 2 };

export const lmHeadCrossEntropy: NativeKernel = ({ inputs, attrs, backend, c }) => {
  const { x, w, targets } = inputs as { x: Info; w: Info; targets: Info };
  const { softcap, reduction, withGrad } = attrs as {
    softcap: number;
    reduction: keyof typeof REDUCTIONS;
    withGrad: boolean;
  };
  const [rows, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const outputs = [backend.make(reduction === 'none' ? [rows] : [])];
  if (withGrad) outputs.push(backend.make(x.shape), backend.make(w.shape));
  const [loss, dx = null, dw = null] = outputs.map((tensor) => backend.floats(tensor));
  const { arrays, halves } = backend.cells(x);
  const outcome = c.tg_lm_head(
    halves,
    rows,
    width,
    vocab,
    softcap,
    REDUCTIONS[reduction],
    arrays[0]!,
    backend.parameter(w),
    backend.ints(targets),
    loss!,
    dx,
    dw,
  );
  if (outcome === 0) return outputs;
  for (const { dataId } of outputs) backend.disposeData(dataId);
  if (outcome < 0) throw new Error(`${OUT_OF_MEMORY} LmHeadCrossEntropy; make batch or vocabulary smaller`);
  const at = outcome - 1;
  throw new Error(
    `LmHeadCrossEntropy: expected targets in [0, ${vocab}) or -1, got ${backend.ints(targets)[at]} at ${at}`,
  );
};
