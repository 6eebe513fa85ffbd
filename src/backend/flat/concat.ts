// Concat, without a pair of array views for every run.

import * as tf from '@tensorflow/tfjs-core';
import { copyRun } from './copy.js';
import { type FlatKernel, type Info, isFlat, sizeOf } from './store.js';

export const concat: FlatKernel = ({ inputs, attrs, store }) => {
  const all = Object.values(inputs) as Info[];
  const { shape: first, dtype } = all[0]!;
  const parts = all.filter((x) => sizeOf(x.shape) > 0);
  if (parts.length < 2 || !all.every((x) => isFlat(x) && x.dtype === dtype)) return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis as number, first)[0]!;
  const shapes = all.map((x) => x.shape);
  tf.backend_util.assertParamsConsistent(shapes, axis);
  const out = store.make(tf.backend_util.computeOutShape(shapes, axis), dtype);
  const outer = sizeOf(out.shape.slice(0, axis));
  const stride = sizeOf(out.shape.slice(axis));
  const dst = store.cells(out);
  let to = store.start(out);
  for (const x of parts) {
    const src = store.cells(x);
    const from = store.start(x);
    const run = sizeOf(x.shape.slice(axis));
    for (let i = 0; i < outer; i++) copyRun(src, from + i * run, dst, to + i * stride, run);
    to += run;
  }
  return out;
};
