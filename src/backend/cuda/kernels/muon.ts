// Muon steps in place: K matrices [R,S] of one shape at once (kernels/cuda/muon.cu; the products of Polar Express by
// cuBLASLt, batched). Contract: src/optim/muon.ts. In bf16 the iterates are bfloat16, as the reference's are.

import type { KernelAttributes } from '../../contract.js';
import { POLAR_EXPRESS_COEFFICIENTS } from '../../updates.js';
import type { CudaBackend } from '../backend.js';
import type { Defines } from '../compile.js';
import type { Grid } from '../launch.js';
import type { ProductCall } from '../products.js';
import type { CudaKernel } from './kernel.js';
import { operandType } from './products.js';
import { piecesOf, pieceTeam, rowTeam } from './team.js';

const SOURCE = 'cuda/muon.cu';
/** Addresses of a matrix, its gradient, and its copy in bfloat16 or 0. */
const MATRIX_BYTES = 24;

/** Rows of 32 columns at a time, each column summed by this many threads. */
const COLUMN_THREADS = 256;

/** The kernels' settings: lr, momentum, beta2, lr weightDecay. */
export const muonSettings = ({
  lr,
  momentum,
  beta2,
  weightDecay,
}: Omit<KernelAttributes<'MuonStep'>, 'count'>): number[] => [lr, momentum, beta2, lr * weightDecay];

export const muonStep: CudaKernel<'MuonStep'> = ({ inputs, attrs, backend }) => {
  const { momentum, secondMoment } = inputs;
  const { count: K, nsSteps } = attrs;
  const [R, S] = inputs.param0!.shape as [number, number];
  const n = R * S;
  const bf16 = operandType(backend) === 'bf16';
  const bytes = bf16 ? 2 : 4;
  const run = (name: string, grid: Grid, threads: number, defines: Defines, values: number[]) =>
    backend.launch(
      { source: SOURCE, name, defines: bf16 ? { ...defines, ACT_BF16: 1 } : defines },
      grid,
      threads,
      values,
    );

  const table = new DataView(new ArrayBuffer(MATRIX_BYTES * K));
  for (let i = 0; i < K; i++) {
    const { address, copy } = backend.updatable(inputs[`param${i}`]!);
    [address, backend.address(inputs[`grad${i}`]!), copy].forEach((value, j) => {
      table.setBigUint64(MATRIX_BYTES * i + 8 * j, BigInt(value), true);
    });
  }
  const [matrices, settings] = backend.tables(table, muonSettings(attrs));
  const [m, second] = [backend.writable(momentum), backend.writable(secondMoment)];

  const pieces = piecesOf(n);
  const piece = pieceTeam(n);
  const [u, squares] = [backend.scratch(4 * K * n), backend.scratch(4 * K * pieces)];
  run('muon_momentum', [pieces, K], piece.threads, piece.defines, [n, matrices, settings, m, u, squares]);
  let x = backend.scratch(bytes * K * n);
  run('muon_start', [pieces, K], piece.threads, piece.defines, [n, squares, u, x]);
  // What u held is in x now: its memory takes the next iterates.
  x = orthogonalise(backend, x, u, K, R, S, nsSteps);

  const [longer, shorter] = [Math.max(R, S), Math.min(R, S)];
  const means = backend.scratch(4 * K * longer);
  const row = rowTeam(S);
  if (R >= S) run('muon_row_squares', row.blocks(K * R), row.threads, row.defines, [K, R, S, x, means]);
  else run('muon_column_squares', [Math.ceil(S / 32), K], COLUMN_THREADS, piece.defines, [R, S, x, means]);
  run('muon_factors', K, piece.threads, piece.defines, [longer, shorter, settings, means, second]);
  run('muon_update', row.blocks(K * R), row.threads, row.defines, [K, R, S, matrices, settings, x, means]);
  return [];
};

/** Polar Express on x [K,R,S] (Amsel et al. 2025, algorithm 1): X <- a X + (b A + c A A) X, A = X X^T, or from the right. */
function orthogonalise(
  backend: CudaBackend,
  x: number,
  next: number,
  K: number,
  R: number,
  S: number,
  steps: number,
): number {
  const operands = operandType(backend);
  const bytes = operands === 'bf16' ? 2 : 4;
  const wide = R <= S;
  const side = Math.min(R, S);
  const [gram, polynomial] = [backend.scratch(bytes * K * side ** 2), backend.scratch(bytes * K * side ** 2)];
  const multiply = (call: Omit<ProductCall, 'operands'>) =>
    backend.multiply({ ...call, operands, result: operands, batch: K });
  const squares = { aStride: side ** 2, bStride: side ** 2, cStride: side ** 2 };
  for (const [a, b, c] of POLAR_EXPRESS_COEFFICIENTS.slice(0, steps)) {
    const sides = { m: side, n: side, k: Math.max(R, S), transposeA: !wide, transposeB: wide };
    multiply({ ...sides, a: x, b: x, c: gram, aStride: R * S, bStride: R * S, cStride: side ** 2 });
    multiply({
      ...squares,
      m: side,
      n: side,
      k: side,
      a: gram,
      b: gram,
      c: polynomial,
      alpha: c,
      beta: b,
      added: gram,
    });
    const [left, right] = wide ? [polynomial, x] : [x, polynomial];
    const [leftStride, rightStride] = wide ? [side ** 2, R * S] : [R * S, side ** 2];
    multiply({
      m: R,
      n: S,
      k: side,
      a: left,
      b: right,
      c: next,
      aStride: leftStride,
      bStride: rightStride,
      cStride: R * S,
      beta: a,
      added: x,
    });
    [x, next] = [next, x];
  }
  return x;
}
