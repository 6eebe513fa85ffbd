// Language-model head and cross-entropy, in chunks of rows. N tokens, C width, V
// vocabulary; with s the softcap and t = tanh(x w^T / s) the logits are s t, so they lie within +-s and their
// exponentials need no shift unless s is large.

import type { Eager, Handle } from './eager.js';
import type { TensorflowKernel } from './kernel.js';

/** The most bytes of one [rows, V] matrix. */
const MAX_BYTES = 64 * 2 ** 20;
const MIN_ROWS = 256;

/** exp(s) V^(1/2) stays far below float32's largest number. */
const MAX_UNSHIFTED = 40;

/** Rows held at once: as many logits as x has numbers, at least 256 rows. */
function chunkRows(rows: number, width: number, vocab: number): number {
  const most = Math.floor(MAX_BYTES / (4 * vocab));
  return Math.max(1, Math.min(rows, most, Math.max(MIN_ROWS, Math.floor((rows * width) / vocab))));
}

export const lmHeadCrossEntropy: TensorflowKernel<'LmHeadCrossEntropy'> = ({ inputs, attrs, e }) => {
  const { softcap, reduction, withGrad } = attrs;
  const [x, w, targets] = e.inputs(inputs.x, inputs.w, inputs.targets);
  const [rows, width] = x.shape as [number, number];
  const vocab = w.shape[0]!;
  const counted = e.cast(e.notEqual(targets, e.ints([-1], [])));
  const weights = reduction === 'mean' ? e.div(counted, e.maximum(e.sum(counted, 0), 1)) : counted;
  const known = e.maximum(targets, e.ints([0], []));
  const scaledX = e.mul(x, 1 / softcap);
  const step = chunkRows(rows, width, vocab);
  const losses: Handle[] = [];
  const [dxs, dws, pulls]: [Handle[], Handle[], Handle[]] = [[], [], []];
  for (let start = 0; start < rows; start += step) {
    const size = Math.min(step, rows - start);
    const rowsOf = (a: Handle) =>
      e.slice(a, [start, 0].slice(0, a.shape.length), [size, ...a.shape.slice(1)]);
    const [ids, weight] = [rowsOf(known), e.reshape(rowsOf(weights), [size, 1])];
    const z = e.matMul(rowsOf(scaledX), w, { transposeB: true });
    const t = e.tanh(z);
    e.free(z);
    const places = e.add(ids, e.ints(Array.from({ length: size }, (_, i) => i * vocab)));
    const target = e.reshape(e.gather(e.reshape(t, [size * vocab]), places), [size, 1]);
    const { weightsOfTokens, total, shift } = exponentials(e, t, softcap);
    // log(sum) - logit of the target, both less the shift
    const logit = e.mul(shift ? e.sub(target, shift) : target, softcap);
    const loss = e.sub(e.log(total), logit);
    // Of a nearly certain target the difference may round to less than 0: (x + |x|) / 2 is max(x, 0) that keeps NaN.
    losses.push(e.reshape(e.mul(e.mul(e.add(loss, e.abs(loss)), 0.5), weight), [size]));
    if (withGrad) {
      // dz = weight (p - onehot) (1 - t^2): the one-hot's share is taken apart
      const dz = e.tanhGrad(t, weightsOfTokens);
      const share = e.div(weight, total);
      dxs.push(e.mul(e.matMul(dz, w), share));
      dws.push(e.matMul(dz, e.mul(rowsOf(x), share), { transposeA: true }));
      pulls.push(e.tanhGrad(target, weight));
      e.free(dz);
    }
    e.free(t, weightsOfTokens);
  }
  const loss = e.concat(losses, 0);
  const value = reduction === 'none' ? loss : e.reshape(e.sum(loss, 0), []);
  if (!withGrad) return e.outputs(value);
  const pull = e.concat(pulls, 0);
  return e.outputs(
    value,
    e.sub(e.concat(dxs, 0), e.mul(e.gather(w, known), pull)),
    e.sub(e.addN(dws), e.segmentSum(e.mul(x, pull), known, vocab)),
  );
};

/** exp(s t - shift) [rows,V], their sums [rows,1] and, for a large s, the shift / s: the row's largest t. */
function exponentials(
  e: Eager,
  t: Handle,
  softcap: number,
): { weightsOfTokens: Handle; total: Handle; shift?: Handle } {
  const shift = softcap > MAX_UNSHIFTED ? e.max(t, 1) : undefined;
  const weightsOfTokens = e.exp(e.mul(shift ? e.sub(t, shift) : t, softcap));
  return { weightsOfTokens, total: e.sum(weightsOfTokens, 1), ...(shift && { shift }) };
}
