// GatherV2 by copying whole rows; the stock kernel computes an address for every element.

import * as tf from '@tensorflow/tfjs-core';
import { cellsOf, copyRun, type Info, replaceKernel, sizeOf, viewOf } from './heap.js';

export function repairGather(): void {
  replaceKernel('GatherV2', (stock) => (args) => {
    const { x, indices } = args.inputs as { x: Info; indices: Info };
    if (x.dtype === 'string' || indices.dtype !== 'int32' || sizeOf(x.shape) === 0) return stock(args);
    const { backend } = args;
    const axis = tf.util.parseAxisParam(args.attrs.axis as number, x.shape)[0]!;
    const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
      tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        axis,
        args.attrs.batchDims as number,
      );
    const each = sizeOf(indices.shape) / batchSize;
    const ids = viewOf(backend, indices);
    for (const id of ids)
      tf.util.assert(
        id >= 0 && id < dimSize,
        () => `GatherV2: the index value ${id} is not in [0, ${dimSize - 1}]`,
      );
    const out = backend.makeOutput(outputShape, x.dtype);
    const rows = viewOf(backend, indices);
    const { heap, start } = cellsOf(backend, x);
    let to = cellsOf(backend, out).start;
    for (let b = 0; b < batchSize; b++) {
      for (let o = 0; o < outerSize; o++) {
        const block = start + (b * outerSize + o) * dimSize * sliceSize;
        for (let i = 0; i < each; i++) {
          copyRun(heap, block + rows[b * each + i]! * sliceSize, to, sliceSize);
          to += sliceSize;
        }
      }
    }
    return out;
  });
}
