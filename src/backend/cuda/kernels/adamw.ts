// AdamW steps in place (kernels/cuda/adamw.cu). Contract: src/optim/adamw.ts. Consecutive steps are deferred and
// become one launch, since most tensors are too small to be worth a separate one.

import type { KernelAttributes } from '../../contract.js';
import { sizeOf } from '../../flat/store.js';
import { adamwFactors } from '../../updates.js';
import type { CudaBackend } from '../backend.js';
import type { CudaKernel } from './kernel.js';
import { PIECE, piecesOf, pieceTeam } from './team.js';

const TENSOR_BYTES = 56;
const PIECE_BYTES = 8;

interface Step {
  /** Addresses: param, m, v, grad, and param's copy in bfloat16 (or 0). */
  arrays: readonly [number, number, number, number, number];
  size: number;
  settings: readonly number[];
}

/** The kernel's settings: keep, rate, beta1, beta2, correction, eps. */
export function adamwSettings(attrs: KernelAttributes<'AdamWStep'>): number[] {
  const { keep, rate, correction } = adamwFactors(attrs);
  return [keep, rate, attrs.beta1, attrs.beta2, correction, attrs.eps];
}

export const adamWStep: CudaKernel<'AdamWStep'> = ({ inputs, attrs, backend }) => {
  const { param, expAvg, expAvgSq, grad } = inputs;
  const g = backend.address(grad);
  const { address, copy } = backend.updatable(param);
  const [m, v] = [expAvg, expAvgSq].map((variable) => backend.writable(variable));
  const step: Step = {
    arrays: [address, m!, v!, g, copy],
    size: sizeOf(param.shape),
    settings: adamwSettings(attrs),
  };
  backend.postpone(step, (steps) => enqueue(backend, steps));
  return [];
};

/** Enqueues deferred steps. */
function enqueue(backend: CudaBackend, steps: readonly Step[]): void {
  const { table, pieces, piecesAt } = tableOf(steps);
  const settings = steps.flatMap((step) => step.settings);
  backend.call(() => {
    const [address, settingsAt] = backend.tables(table, settings);
    const { defines, threads } = pieceTeam(PIECE);
    const values = [address, address + piecesAt, settingsAt];
    backend.launch({ source: 'cuda/adamw.cu', name: 'adamw', defines }, pieces, threads, values);
    return null;
  });
}

/** Two of the kernel's tables in one buffer: tensors, then pieces from `piecesAt`. */
function tableOf(steps: readonly Step[]) {
  const pieces = steps.reduce((sum, { size }) => sum + piecesOf(size), 0);
  const piecesAt = TENSOR_BYTES * steps.length;
  const table = new DataView(new ArrayBuffer(piecesAt + PIECE_BYTES * pieces));
  let piece = piecesAt;
  steps.forEach(({ arrays, size }, i) => {
    [...arrays, size, i].forEach((value, j) => {
      table.setBigUint64(TENSOR_BYTES * i + 8 * j, BigInt(value), true);
    });
    for (let index = 0; index < piecesOf(size); index++, piece += PIECE_BYTES) {
      table.setInt32(piece, i, true);
      table.setInt32(piece + 4, index, true);
    }
  });
  return { table, pieces, piecesAt };
}
