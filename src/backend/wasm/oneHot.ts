// OneHot with the dtype that was asked for; the stock kernel writes the bits of int32 whatever the dtype.

import { type Info, replaceKernel, viewOf } from './heap.js';

export function repairOneHot(): void {
  replaceKernel('OneHot', () => (args) => {
    const indices = args.inputs.indices as Info;
    const { depth, onValue, offValue, dtype } = args.attrs as {
      depth: number;
      onValue: number;
      offValue: number;
      dtype: 'float32' | 'int32' | 'bool';
    };
    const out = args.backend.makeOutput([...indices.shape, depth], dtype);
    const values = viewOf(args.backend, out).fill(offValue);
    const hot = viewOf(args.backend, indices);
    for (let i = 0; i < hot.length; i++) {
      const index = hot[i]!;
      if (index >= 0 && index < depth) values[i * depth + index] = onValue;
    }
    return out;
  });
}
