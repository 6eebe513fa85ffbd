// Tanh through XNNPACK's vectorized ELU, three times as fast as the stock kernel on the logits' soft cap.
//   e = elu(-2 |x|) = exp(-2 |x|) - 1,   tanh(x) = -sign(x) e / (e + 2),
// accurate to a few units in the last place everywhere, also near zero, where 2 sigmoid(2x) - 1 is not.

import { type Cells, type FlatKernel, sizeOf } from '../flat/store.js';
import type { WasmBackend } from './heap.js';

/** tfjs's number for float32 in C++. */
const FLOAT32 = 0;

export const tanh: FlatKernel = ({ inputs, store, backend }) => {
  const x = inputs.x!;
  if (x.dtype !== 'float32') return undefined;
  const out = store.make(x.shape, 'float32');
  const size = sizeOf(x.shape);
  if (size === 0) return out;
  const from = store.start(x);
  const to = store.start(out);
  const { wasm, dataIdMap } = backend as WasmBackend;
  const { id } = dataIdMap.get(out.dataId);
  prepare(store.cells(x), from, store.cells(out), to, size);
  wasm._Elu(id, FLOAT32, id);
  finish(store.cells(x), from, store.cells(out), to, size);
  return out;
};

function prepare(x: Cells, from: number, out: Cells, to: number, size: number): void {
  for (let i = 0; i < size; i++) out[to + i] = -2 * Math.abs(x[from + i]!);
}

/** Turns e into tanh(x). The sign is computed and not branched on, since signs are unpredictable. */
function finish(x: Cells, from: number, e: Cells, to: number, size: number): void {
  for (let i = 0; i < size; i++) {
    const v = e[to + i]!;
    e[to + i] = (v / (v + 2)) * (1 - 2 * Number(x[from + i]! > 0));
  }
}
