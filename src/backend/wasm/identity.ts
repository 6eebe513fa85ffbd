// Identity as an alias. The stock kernel copies, so every tensor kept for the backward pass is held twice.

import type { FlatKernel } from '../flat/store.js';

export const identity: FlatKernel = ({ inputs, store }) => {
  const x = inputs.x!;
  return x.dtype === 'string' ? undefined : store.alias(x, x.shape);
};
