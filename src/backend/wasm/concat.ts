// Concatenation by runs, without a pair of array views per run.

import * as tf from '@tensorflow/tfjs-core';
import { cellsOf, copyRun, type Info, replaceKernel, sizeOf } from './heap.js';

export function repairConcat(): void {
  replaceKernel('Concat', (stock) => (args) => {
    const inputs = Object.values(args.inputs) as Info[];
    const axis = tf.util.parseAxisParam(args.attrs.axis as number, inputs[0]!.shape)[0]!;
    const parts = inputs.filter((x) => sizeOf(x.shape) > 0);
    if (parts.length < 2 || inputs[0]!.dtype === 'string') return stock(args);
    const shapes = inputs.map((x) => x.shape);
    tf.backend_util.assertParamsConsistent(shapes, axis);
    const { backend } = args;
    const out = backend.makeOutput(tf.backend_util.computeOutShape(shapes, axis), inputs[0]!.dtype);
    const outer = sizeOf(out.shape.slice(0, axis));
    const stride = sizeOf(out.shape.slice(axis));
    let offset = cellsOf(backend, out).start;
    for (const x of parts) {
      const { heap, start } = cellsOf(backend, x);
      const run = sizeOf(x.shape.slice(axis));
      for (let i = 0; i < outer; i++) copyRun(heap, start + i * run, offset + i * stride, run);
      offset += run;
    }
    return out;
  });
}
