// OneHot in the requested dtype; the stock kernel writes the bits of int32 for any dtype.

import { type FlatKernel, sizeOf } from '../flat/store.js';

export const oneHot: FlatKernel = ({ inputs, attrs, store }) => {
  const indices = inputs.indices!;
  const { depth, onValue, offValue, dtype } = attrs as {
    depth: number;
    onValue: number;
    offValue: number;
    dtype: 'float32' | 'int32' | 'bool';
  };
  const out = store.make([...indices.shape, depth], dtype);
  const values = store.cells(out);
  const to = store.start(out);
  values.fill(offValue, to, to + sizeOf(out.shape));
  const hot = store.cells(indices);
  const from = store.start(indices);
  const count = sizeOf(indices.shape);
  for (let i = 0; i < count; i++) {
    const index = hot[from + i]!;
    if (index >= 0 && index < depth) values[to + i * depth + index] = onValue;
  }
  return out;
};
