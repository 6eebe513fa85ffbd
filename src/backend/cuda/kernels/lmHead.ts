// Language-model head and cross-entropy (kernels/cuda/cross_entropy.cu and products). Contract: src/ops/lmHead.ts.
// Logits are held for a chunk of rows at a time; their gradient takes their place. In bf16 the product of a step writes them
// as bfloat16, and the gradient is an operand as it stands: 2 bytes a number instead of 4 and a rounding, and what the
// original's autocast makes of them. Without a gradient they are float32, so that an evaluation's loss is exact.

import type { Info } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import { logitBytes, logitsRowsOnDevice } from '../footprint.js';
import type { CudaKernel } from './kernel.js';
import { operandType } from './products.js';
import { blockTeam, warpTeam } from './team.js';

const SOURCE = 'cuda/cross_entropy.cu';

/** Rows up to this width are a warp's work, wider ones a block's. */
const NARROW = 1024;

export const lmHeadCrossEntropy: CudaKernel<'LmHeadCrossEntropy'> = ({ inputs, attrs, backend }) => {
  const { x, w, targets } = inputs;
  const { softcap, reduction, withGrad, maxLogitsBytes } = attrs;
  const [rows, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const perToken = reduction === 'none';
  const loss = backend.make(perToken ? [rows] : []);
  const gradients = withGrad ? { dx: backend.make(x.shape), dw: backend.make(w.shape) } : undefined;
  const losses = perToken ? backend.address(loss) : backend.scratch(4 * rows);
  const labels = backend.address(targets);
  const team = vocab > NARROW ? blockTeam(vocab) : warpTeam(vocab);
  const bf16 = operandType(backend) === 'bf16';
  const half = bf16 && withGrad;
  const defines = half ? { ...team.defines, ACT_BF16: 1 } : team.defines;
  // A block that works alone has the same team, so that the source is compiled once.
  const launchAlone = (name: string, values: number[]) =>
    backend.launch({ source: SOURCE, name, defines }, 1, team.size, values);

  let weight = 0;
  if (reduction === 'mean') {
    weight = backend.scratch(4);
    launchAlone('mean_weight', [rows, labels, weight]);
  }
  const each = logitBytes(half ? 'bf16' : 'fp32');
  const step = logitsRowsOnDevice(rows, width, vocab, each, maxLogitsBytes);
  const logits = backend.scratch(each * step * vocab);
  const operands = { x: operandOf(backend, x), w: operandOf(backend, w), type: operandType(backend) };
  const bytes = bf16 ? 2 : 4;
  for (let from = 0; from < rows; from += step) {
    const m = Math.min(step, rows - from);
    const xs = operands.x + bytes * from * width;
    const common = { operands: operands.type };
    const result = half ? 'bf16' : 'fp32';
    const score = { m, n: vocab, k: width, transposeB: true, a: xs, b: operands.w, c: logits };
    backend.multiply({ ...common, ...score, result });
    backend.launch({ source: SOURCE, name: 'cross_entropy', defines }, team.blocks(m), team.threads, [
      m,
      vocab,
      softcap,
      Number(withGrad),
      weight,
      labels + 4 * from,
      logits,
      losses + 4 * from,
    ]);
    if (!gradients) continue;
    const dx = backend.address(gradients.dx) + 4 * from * width;
    const dw = backend.address(gradients.dw);
    backend.multiply({ ...common, m, n: width, k: vocab, a: logits, b: operands.w, c: dx });
    backend.multiply({
      ...common,
      m: vocab,
      n: width,
      k: m,
      transposeA: true,
      a: logits,
      b: xs,
      c: dw,
      beta: from === 0 ? 0 : 1,
    });
  }
  if (!perToken) launchAlone('sum_losses', [rows, losses, weight, backend.address(loss)]);
  return gradients ? [loss, gradients.dx, gradients.dw] : [loss];
};

const operandOf = (backend: CudaBackend, x: Info): number =>
  operandType(backend) === 'bf16' ? backend.half(x) : backend.address(x);
