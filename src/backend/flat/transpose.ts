// Transpose; a permutation that moves nothing is an alias.

import { copyStrided, simplify } from './copy.js';
import { type FlatKernel, isFlat, stridesOf } from './store.js';

export const transpose: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  if (!isFlat(x)) return undefined;
  const perm = attrs.perm as number[];
  const own = stridesOf(x.shape);
  const shape = perm.map((axis) => x.shape[axis]!);
  const strides = perm.map((axis) => own[axis]!);
  const simple = simplify(shape, strides);
  if (simple.shape.length === 0 || (simple.shape.length === 1 && simple.strides[0][0] === 1))
    return store.alias(x, shape);
  const out = store.make(shape, x.dtype);
  copyStrided(store.cells(x), store.start(x), store.cells(out), store.start(out), shape, strides);
  return out;
};
