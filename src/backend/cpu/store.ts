// Where tfjs-backend-cpu keeps tensors: each in its own array.

import * as tf from '@tensorflow/tfjs-core';
import type { Cells, Info, Store } from '../flat/store.js';

/** The part of tfjs's MathBackendCPU that is used here. */
export interface CpuBackend {
  data: { get(id: object): { values: Cells | number[] } };
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: Cells): Info;
  disposeData(id: object): boolean;
  incRef(id: object): void;
}

/** The backend's arrays as a store. */
export function cpuStore(backend: CpuBackend): Store {
  return {
    make(shape, dtype) {
      const size = tf.util.sizeFromShape(shape);
      return backend.makeTensorInfo(
        shape,
        dtype,
        tf.util.makeZerosTypedArray(size, dtype as 'float32') as Cells,
      );
    },
    alias(x, shape) {
      backend.incRef(x.dataId);
      return { dataId: x.dataId, shape, dtype: x.dtype };
    },
    cells({ dataId, dtype }) {
      const data = backend.data.get(dataId);
      // Some stock kernels leave plain arrays.
      if (Array.isArray(data.values)) data.values = tf.util.toTypedArray(data.values, dtype) as Cells;
      return data.values;
    },
    start: () => 0,
    free: (x) => backend.disposeData(x.dataId),
  };
}
