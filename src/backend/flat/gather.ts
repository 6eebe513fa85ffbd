// GatherV2 by whole rows.

import * as tf from '@tensorflow/tfjs-core';
import { copyRun } from './copy.js';
import { type FlatKernel, isFlat, sizeOf } from './store.js';

export const gather: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  const indices = inputs.indices!;
  if (!isFlat(x) || indices.dtype !== 'int32' || sizeOf(x.shape) === 0) return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
    tf.backend_util.segment_util.collectGatherOpShapeInfo(
      x as tf.Tensor,
      indices as tf.Tensor,
      axis,
      attrs.batchDims as number,
    );
  const count = sizeOf(indices.shape);
  const each = count / batchSize;
  const out = store.make(outputShape, x.dtype);
  const ids = store.cells(indices);
  const firstId = store.start(indices);
  for (let i = 0; i < count; i++) {
    const id = ids[firstId + i]!;
    if (id >= 0 && id < dimSize) continue;
    store.free(out);
    throw new Error(`GatherV2: the index value ${id} is not in [0, ${dimSize - 1}]`);
  }
  const src = store.cells(x);
  const dst = store.cells(out);
  let to = store.start(out);
  for (let b = 0; b < batchSize; b++) {
    for (let o = 0; o < outerSize; o++) {
      const block = store.start(x) + (b * outerSize + o) * dimSize * sliceSize;
      for (let i = 0; i < each; i++) {
        const id = ids[firstId + b * each + i]!;
        copyRun(src, block + id * sliceSize, dst, to, sliceSize);
        to += sliceSize;
      }
    }
  }
  return out;
};
