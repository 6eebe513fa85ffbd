// UnsortedSegmentSum in one pass: the gradient of an embedding. The stock cpu kernel passes over all rows once
// per segment, the wasm backend has none. Rows whose segment is out of range are dropped, as TensorFlow does.

import { type FlatKernel, sizeOf } from './store.js';

export const segmentSum: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  const segmentIds = inputs.segmentIds!;
  const numSegments = attrs.numSegments as number;
  const rowShape = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(rowShape);
  const out = store.make([numSegments, ...rowShape], x.dtype);
  const sums = store.cells(out);
  const to = store.start(out);
  sums.fill(0, to, to + numSegments * width);
  const rows = store.cells(x);
  const segments = store.cells(segmentIds);
  const first = store.start(segmentIds);
  const count = sizeOf(segmentIds.shape);
  let from = store.start(x);
  for (let i = 0; i < count; i++, from += width) {
    const segment = segments[first + i]!;
    if (segment < 0 || segment >= numSegments) continue;
    const row = to + segment * width;
    for (let j = 0; j < width; j++) sums[row + j]! += rows[from + j]!;
  }
  return out;
};
