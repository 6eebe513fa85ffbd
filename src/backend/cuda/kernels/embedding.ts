// Token embedding and the scatter of its gradient (kernels/cuda/embedding.cu). Contract: src/ops/embedding.ts. An id
// out of range reads NaN, since a device cannot throw: the loss then shows it.

import { type Info, sizeOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import type { Defines } from '../compile.js';
import { readsTable } from '../footprint.js';
import type { TableRows } from '../watch.js';
import type { CudaKernel } from './kernel.js';
import { rowTeam } from './team.js';

const SOURCE = 'cuda/embedding.cu';
/** Tokens that one block counts or places. */
const CHUNK = 1024;
/** Threads of a block that sums one row of the table, and lanes that share its columns. */
const GRAD = { threads: 256, lanes: 32 };

/** A tensor as it is: a variable may be another later. */
const asItIs = ({ dataId, shape, dtype }: Info): Info => ({ dataId, shape, dtype });

/** Rows of a table by id, for `makeRows`. */
export function tableRows(backend: CudaBackend, from: Info, by: Info, narrow: boolean): TableRows {
  const [table, ids] = [asItIs(from), asItIs(by)];
  const [vocab, width] = table.shape as [number, number];
  const count = sizeOf(ids.shape);
  const { defines, threads, blocks } = rowTeam(width, [], narrow ? 'bf16' : 'fp32');
  const gather = (to: number) => {
    const values = [count, vocab, width, backend.address(table), backend.address(ids), to];
    backend.launch({ source: SOURCE, name: 'embedding', defines }, blocks(count), threads, values);
  };
  return { table, ids, narrow, gather };
}

/** Where a kernel finds a matrix, or the table that its rows are from, their ids, and the rows of the table. */
export function rowsIn(backend: CudaBackend, x: Info, asActivation: boolean): [number, number, number] {
  const rows = backend.rowsOf(x, asActivation);
  const read = (matrix: Info) => (asActivation ? backend.activation(matrix) : backend.address(matrix));
  return rows ? [read(rows.table), backend.address(rows.ids), rows.table.shape[0]!] : [read(x), 0, 0];
}

export const embedding: CudaKernel<'Embedding'> = ({ inputs: { table, ids }, attrs, backend }) => {
  const [vocab, width] = table.shape as [number, number];
  const count = sizeOf(ids.shape);
  const narrow = !attrs.residual && backend.precision === 'bf16';
  const rows = tableRows(backend, table, ids, narrow);
  if (readsTable(vocab, count)) {
    // A variable's copy in bfloat16 is the variable's own, and kept with it.
    if (narrow) backend.activation(table);
    return [backend.makeRows(rows)];
  }
  const y = narrow ? backend.makeActivation([count, width]) : backend.make([count, width]);
  rows.gather(narrow ? backend.activation(y) : backend.address(y));
  return [y];
};

/** The tokens by id, and where each id's begin: sorted once for all tables that the same ids read. */
function orderOf(
  backend: CudaBackend,
  ids: Info,
  rows: number,
  defines: Defines,
): { starts: number; order: number } {
  const count = sizeOf(ids.shape);
  const [starts, order] = backend.attached(ids, `order ${rows}`, [4 * (rows + 1), 4 * count], (blocks) => {
    const [starts, order] = blocks as [number, number];
    const chunks = Math.ceil(count / CHUNK);
    const counts = backend.scratch(4 * chunks * rows);
    const from = backend.address(ids);
    const run = (name: string, grid: number, threads: number, values: number[]) =>
      backend.launch({ source: SOURCE, name, defines }, grid, threads, values);
    run('ids_count', chunks, 256, [count, rows, from, counts]);
    run('ids_prefix', Math.ceil(rows / 256), 256, [chunks, rows, counts, starts]);
    run('ids_starts', 1, 1024, [rows, starts]);
    run('ids_place', chunks, CHUNK, [count, rows, from, counts, starts, order]);
  }) as [number, number];
  return { starts, order };
}

export const embeddingGrad: CudaKernel<'EmbeddingGrad'> = ({
  inputs: { ids, dy },
  attrs: { rows },
  backend,
}) => {
  const width = dy.shape[1]!;
  const dTable = backend.make([rows, width]);
  const narrow = backend.isActivation(dy);
  const vector = width % 4 === 0 ? 4 : 1;
  const defines = { TEAM: GRAD.lanes, VL: vector, ...(narrow && { ACT_BF16: 1 }) };
  const { starts, order } = orderOf(backend, ids, rows, defines);
  const columns = Math.ceil(width / (GRAD.lanes * vector));
  backend.launch({ source: SOURCE, name: 'embedding_grad', defines }, [rows, columns], GRAD.threads, [
    rows,
    width,
    starts,
    order,
    narrow ? backend.activation(dy) : backend.address(dy),
    backend.address(dTable),
  ]);
  return [dTable];
};
