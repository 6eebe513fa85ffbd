// Tile, and with it broadcastTo, by runs and fills; the stock kernel computes an address for every element.

import { cellsOf, copyRun, type Info, replaceKernel, sizeOf } from './heap.js';

export function repairTile(): void {
  replaceKernel('Tile', (stock) => (args) => {
    const x = args.inputs.x as Info;
    const reps = args.attrs.reps as number[];
    if (x.dtype === 'string') return stock(args);
    const { backend } = args;
    const shape = x.shape.map((n, axis) => n * reps[axis]!);
    const out = backend.makeOutput(shape, x.dtype);
    const total = sizeOf(shape);
    if (total === 0) return out;
    // Up to and including the last repeated axis, `run` elements are written `copies` times in a row.
    let axis = shape.length - 1;
    while (axis > 0 && reps[axis] === 1) axis--;
    const run = sizeOf(x.shape.slice(axis));
    const copies = reps[axis] ?? 1;
    const { heap, start } = cellsOf(backend, x);
    let to = cellsOf(backend, out).start;
    const rows = total / (run * copies);
    for (let row = 0; row < rows; row++) {
      const from = start + run * sourceRow(row, x.shape, reps, axis);
      if (run === 1) heap.fill(heap[from]!, to, to + copies);
      else for (let i = 0; i < copies; i++) copyRun(heap, from, to + i * run, run);
      to += run * copies;
    }
    return out;
  });
}

/** Which row of x, over the axes before `end`, an output row repeats. */
function sourceRow(row: number, shape: number[], reps: number[], end: number): number {
  let source = 0;
  let stride = 1;
  for (let axis = end - 1; axis >= 0; axis--) {
    const n = shape[axis]!;
    const length = n * reps[axis]!;
    source += stride * ((row % length) % n);
    stride *= n;
    row = Math.floor(row / length);
  }
  return source;
}
