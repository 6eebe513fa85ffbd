// Language-model head and cross-entropy (kernels/cuda/cross_entropy.cu and products). Contract: src/ops/lmHead.ts.
// Logits are held for a chunk of rows at a time; their gradient overwrites them. In bf16 the matmul of a step writes
// them as bfloat16, and the gradient is used as an operand directly: 2 bytes per number instead of 4 and a rounding,
// as in the original's autocast. Without a gradient they are float32, so that an evaluation's loss is exact.

import { logitBytes, logitsRowsOnDevice } from '../footprint.js';
import type { CudaKernel } from './kernel.js';
import { operandType } from './products.js';
import { blockTeam, warpTeam } from './team.js';

const SOURCE = 'cuda/cross_entropy.cu';

/** Rows up to this width are a warp's work, wider ones a block's. */
const NARROW = 1024;
/** Logits that a thread may hold in registers; in blocks of 1024 threads it has too few of these. */
const MOST_HELD = 64;

export const lmHeadCrossEntropy: CudaKernel<'LmHeadCrossEntropy'> = ({ inputs, attrs, backend }) => {
  const { x, w, targets } = inputs;
  const { softcap, reduction, withGrad, maxLogitsBytes } = attrs;
  const [rows, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const perToken = reduction === 'none';
  const loss = backend.make(perToken ? [rows] : []);
  const gradients = withGrad ? { dx: backend.makeActivation(x.shape), dw: backend.make(w.shape) } : undefined;
  const losses = perToken ? backend.address(loss) : backend.scratch(4 * rows);
  const labels = backend.address(targets);
  const operands = operandType(backend);
  // Logits are bfloat16 only in a step.
  const result = withGrad ? operands : 'fp32';
  const team = vocab > NARROW ? blockTeam(vocab, result) : warpTeam(vocab, result);
  const held = Math.ceil(vocab / (team.size * team.vector));
  const fits = team.size <= 256 && held * team.vector <= MOST_HELD;
  const defines = { ...team.defines, ...(fits && { HELD: held }) };
  // A block that works alone has the same team, so that the source is compiled once.
  const launchOneBlock = (name: string, values: number[]) =>
    backend.launch({ source: SOURCE, name, defines }, 1, team.size, values);

  let weight = 0;
  if (reduction === 'mean') {
    weight = backend.scratch(4);
    launchOneBlock('mean_weight', [rows, labels, weight]);
  }
  const each = logitBytes(result);
  const step = logitsRowsOnDevice(rows, width, vocab, each, maxLogitsBytes);
  const logits = backend.scratch(each * step * vocab);
  const [xs, ws] = [backend.activation(x), backend.activation(w)];
  const bytes = operands === 'bf16' ? 2 : 4;
  for (let from = 0; from < rows; from += step) {
    const m = Math.min(step, rows - from);
    const at = bytes * from * width;
    const scores = { m, n: vocab, k: width, transposeB: true, a: xs + at, b: ws, c: logits };
    backend.multiply({ ...scores, operands, result });
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
    const dx = backend.activation(gradients.dx) + at;
    const dw = backend.address(gradients.dw);
    backend.multiply({ operands, result: operands, m, n: width, k: vocab, a: logits, b: ws, c: dx });
    backend.multiply({
      operands,
      m: vocab,
      n: width,
      k: m,
      transposeA: true,
      a: logits,
      b: xs + at,
      c: dw,
      beta: from === 0 ? 0 : 1,
    });
  }
  if (!perToken) launchOneBlock('sum_losses', [rows, losses, weight, backend.address(loss)]);
  return gradients ? [loss, gradients.dx, gradients.dw] : [loss];
};
