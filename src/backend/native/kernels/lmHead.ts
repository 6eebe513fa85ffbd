// Language-model head and cross-entropy (kernels/native/lm_head.c).

import type { Info } from '../../flat/store.js';
import { OUT_OF_MEMORY } from '../library.js';
import type { NativeKernel } from './kernel.js';

const REDUCTIONS = { none: 0, mean: 1, sum: 2 };

export const lmHeadCrossEntropy: NativeKernel<'LmHeadCrossEntropy'> = ({ inputs, attrs, backend, c }) => {
  const { x, w, targets } = inputs;
  const { softcap, reduction, withGrad } = attrs;
  const [rows, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const outputs: [Info, Info?, Info?] = [backend.make(reduction === 'none' ? [rows] : [])];
  if (withGrad) outputs.push(backend.make(x.shape), backend.make(w.shape));
  const [loss, dx = null, dw = null] = outputs.map((tensor) => backend.floats(tensor!));
  const { arrays, bf16 } = backend.cells(x);
  const outcome = c.tg_lm_head(
    bf16,
    rows,
    width,
    vocab,
    softcap,
    REDUCTIONS[reduction],
    arrays[0],
    backend.parameter(w),
    backend.ints(targets),
    loss!,
    dx,
    dw,
  );
  if (outcome === 0) return outputs;
  for (const made of outputs) backend.disposeData(made!.dataId);
  if (outcome < 0) throw new Error(`${OUT_OF_MEMORY} LmHeadCrossEntropy; make batch or vocabulary smaller`);
  const at = outcome - 1;
  throw new Error(
    `LmHeadCrossEntropy: expected targets in [0, ${vocab}) or -1, got ${backend.ints(targets)[at]} at ${at}`,
  );
};
