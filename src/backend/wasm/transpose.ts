// Transpose: tiles where rows and columns are swapped. Where whole rows move, as when heads are swapped with
// positions, the stock kernel is faster.

import { simplify } from '../flat/copy.js';
import { type FlatKernel, stridesOf } from '../flat/store.js';
import { transpose as transposeFlat } from '../flat/transpose.js';

export const transpose: FlatKernel = (args) => {
  const { shape } = args.inputs.x!;
  const perm = args.attrs.perm as number[];
  const own = stridesOf(shape);
  const moved = simplify(
    perm.map((axis) => shape[axis]!),
    perm.map((axis) => own[axis]!),
  );
  const movesRows = moved.shape.length > 1 && moved.strides[0].at(-1) === 1;
  return movesRows ? undefined : transposeFlat(args);
};
