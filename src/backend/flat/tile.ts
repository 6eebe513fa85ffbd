// Tile, and with it broadcastTo: a copy in which the repeats are axes of stride 0.

import { copyStrided } from './copy.js';
import { type FlatKernel, isFlat, stridesOf } from './store.js';

export const tile: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  if (!isFlat(x)) return undefined;
  const reps = attrs.reps as number[];
  const own = stridesOf(x.shape);
  const shape = x.shape.flatMap((n, axis) => [reps[axis]!, n]);
  const strides = own.flatMap((stride) => [0, stride]);
  const out = store.make(
    x.shape.map((n, axis) => n * reps[axis]!),
    x.dtype,
  );
  copyStrided(store.cells(x), store.start(x), store.cells(out), store.start(out), shape, strides);
  return out;
};
