// AdamW steps in place (kernels/cuda/adamw.cu). Contract: src/optim/adamw.ts. Consecutive steps are deferred and
// become one launch, since most tensors are too small to be worth a separate one.

import { sizeOf } from '../../flat/store.js';
import { adamwFactors } from '../../updates.js';
import type { CudaBackend } from '../backend.js';
import type { CudaKernel } from './kernel.js';
import { PIECE, piecesOf, pieceTeam } from './team.js';

const TENSOR_BYTES = 56;
const PIECE_BYTES = 8;
const SETTINGS_BYTES = 24;

interface Step {
  /** Addresses: param, m, v, grad, and param's copy in bfloat16 (or 0). */
  arrays: readonly [number, number, number, number, number];
  size: number;
  /** keep, rate, beta1, beta2, correction, eps. */
  settings: readonly number[];
}

const queues = new WeakMap<CudaBackend, Step[]>();

export const adamWStep: CudaKernel<'AdamWStep'> = ({ inputs, attrs, backend }) => {
  const { param, expAvg, expAvgSq, grad } = inputs;
  const g = backend.address(grad);
  const { address, copy } = backend.updatable(param);
  const [m, v] = [expAvg, expAvgSq].map((variable) => backend.writable(variable));
  const { keep, rate, correction } = adamwFactors(attrs);
  const settings = [keep, rate, attrs.beta1, attrs.beta2, correction, attrs.eps];
  let queue = queues.get(backend);
  if (!queue) {
    queue = [];
    queues.set(backend, queue);
  }
  queue.push({ arrays: [address, m!, v!, g, copy], size: sizeOf(param.shape), settings });
  backend.postpone(() => flush(backend));
  return [];
};

/** Enqueues deferred steps. */
function flush(backend: CudaBackend): void {
  const steps = queues.get(backend)!.splice(0);
  const table = tableOf(steps);
  backend.call(() => {
    const address = backend.scratch(table.bytes.byteLength);
    backend.upload(table.bytes, address);
    const { defines, threads } = pieceTeam(PIECE);
    backend.launch({ source: 'cuda/adamw.cu', name: 'adamw', defines }, table.pieces, threads, [
      address,
      address + table.piecesAt,
      address + table.settingsAt,
    ]);
    return null;
  });
}

/** The kernel's three tables in one buffer: tensors, pieces, settings. */
function tableOf(steps: readonly Step[]) {
  const pieces = steps.reduce((sum, { size }) => sum + piecesOf(size), 0);
  const piecesAt = TENSOR_BYTES * steps.length;
  const settingsAt = piecesAt + PIECE_BYTES * pieces;
  const bytes = new DataView(new ArrayBuffer(settingsAt + SETTINGS_BYTES * steps.length));
  let piece = piecesAt;
  steps.forEach(({ arrays, size, settings }, i) => {
    [...arrays, size, i].forEach((value, j) => {
      bytes.setBigUint64(TENSOR_BYTES * i + 8 * j, BigInt(value), true);
    });
    settings.forEach((value, j) => {
      bytes.setFloat32(settingsAt + SETTINGS_BYTES * i + 4 * j, value, true);
    });
    for (let index = 0; index < piecesOf(size); index++, piece += PIECE_BYTES) {
      bytes.setInt32(piece, i, true);
      bytes.setInt32(piece + 4, index, true);
    }
  });
  return { bytes, pieces, piecesAt, settingsAt };
}
