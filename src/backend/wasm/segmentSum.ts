// UnsortedSegmentSum, which the wasm backend lacks: sums of rows by segment, the gradient of an embedding.
// Rows whose segment is out of range are dropped, as TensorFlow does.

import { floatsOf, type Info, replaceKernel, sizeOf, viewOf } from './heap.js';

export function repairSegmentSum(): void {
  replaceKernel('UnsortedSegmentSum', () => (args) => {
    const { x, segmentIds } = args.inputs as { x: Info; segmentIds: Info };
    const numSegments = args.attrs.numSegments as number;
    const { backend } = args;
    const rowShape = x.shape.slice(segmentIds.shape.length);
    const width = sizeOf(rowShape);
    const out = backend.makeOutput([numSegments, ...rowShape], x.dtype);
    const view = x.dtype === 'float32' ? floatsOf : viewOf;
    const sums = view(backend, out).fill(0);
    const rows = view(backend, x);
    const segments = viewOf(backend, segmentIds);
    for (let i = 0; i < segments.length; i++) {
      const segment = segments[i]!;
      if (segment < 0 || segment >= numSegments) continue;
      const to = segment * width;
      const from = i * width;
      for (let j = 0; j < width; j++) sums[to + j]! += rows[from + j]!;
    }
    return out;
  });
}
