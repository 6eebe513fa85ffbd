// The kernels of this folder by tfjs's names.

import type { StockTable } from '../register.js';
import { concat } from './concat.js';
import { gather } from './gather.js';
import { mean, sum } from './reduce.js';
import { segmentSum } from './segmentSum.js';
import { slice, splitV, unpack } from './slice.js';
import type { FlatContext } from './store.js';
import { tile } from './tile.js';
import { transpose } from './transpose.js';

export const FLAT_KERNELS: StockTable<FlatContext> = {
  Concat: concat,
  GatherV2: gather,
  Mean: mean,
  Slice: slice,
  SplitV: splitV,
  Sum: sum,
  Tile: tile,
  Transpose: transpose,
  Unpack: unpack,
  UnsortedSegmentSum: segmentSum,
};
