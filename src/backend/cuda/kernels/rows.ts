// Fused kernels by rows: norm, rotary embedding, gated value embedding, squared ReLU, residual mix, sums of gradients
// (kernels/cuda/{norm, rotary,value_embedding,elementwise}.cu). Contracts: src/ops.

import { gatedSizes } from '../../contract.js';
import { type Info, sizeOf } from '../../flat/store.js';
import type { Precision } from '../../types.js';
import type { CudaBackend } from '../backend.js';
import { rowsIn, tableRows } from './embedding.js';
import type { CudaKernel, CudaStockKernel } from './kernel.js';
import { piecesOf, pieceTeam, rowTeam, type Team } from './team.js';

/** Launches a kernel for `rows` rows. */
function onRows(
  backend: CudaBackend,
  [source, name]: readonly [string, string],
  team: Team,
  rows: number,
  values: readonly number[],
): void {
  const spec = { source: `cuda/${source}.cu`, name, defines: team.defines };
  backend.launch(spec, team.blocks(rows), team.threads, values);
}

const addresses = (backend: CudaBackend, ...tensors: Info[]): number[] =>
  tensors.map((tensor) => backend.address(tensor));

const activations = (backend: CudaBackend, ...tensors: Info[]): number[] =>
  tensors.map((tensor) => backend.activation(tensor));

export const rmsNorm: CudaKernel<'RmsNorm'> = ({ inputs, attrs, backend }) => {
  const { x } = inputs;
  const { residual, epsilon } = attrs;
  // The norm of rows of a table is that of the table.
  const known = residual ? backend.rowsOf(x, false) : undefined;
  const from = known?.table ?? x;
  const [rows, width] = from.shape as [number, number];
  const y = residual ? backend.make(from.shape) : backend.makeActivation(from.shape);
  const rstd = backend.make([rows, 1]);
  const team = rowTeam(width, [], residual ? 'fp32' : backend.precision);
  const to = residual ? backend.address(y) : backend.activation(y);
  const values = [rows, width, epsilon, backend.address(from), to, backend.address(rstd)];
  onRows(backend, ['norm', 'rms_norm'], team, rows, values);
  if (!known) return [y, rstd];
  const rowsOf = (table: Info) => backend.makeRows(tableRows(backend, table, known.ids, false), true);
  return [rowsOf(y), rowsOf(rstd)];
};

export const rmsNormGrad: CudaKernel<'RmsNormGrad'> = ({ inputs, backend }) => {
  const { y, rstd, dy, sum } = inputs;
  const [rows, width] = y.shape as [number, number];
  const dx = backend.make(y.shape);
  // The result of a norm in the residual stream is float32, and so is its gradient.
  const inStream = backend.precision === 'bf16' && !backend.isActivation(y);
  const team = rowTeam(width, [], inStream ? 'fp32' : backend.precision);
  const byId = [y, rstd].every((x) => backend.rowsOf(x, false));
  const read = (x: Info) => (inStream ? backend.address(x) : backend.activation(x));
  const [from, ids, V] = byId ? rowsIn(backend, y, false) : [read(y), 0, 0];
  const factors = byId ? rowsIn(backend, rstd, false)[0] : backend.address(rstd);
  const added = sum ? backend.address(sum) : 0;
  const made = [backend.address(dx), inStream ? 0 : backend.makeCopy(dx)];
  const values = [rows, width, from, factors, ids, V, read(dy), added, ...made];
  onRows(backend, ['norm', 'rms_norm_grad'], team, rows, values);
  return [dx];
};

/** Each lane of a team takes a pair of vectors, one of either half of the head. */
const rotaryTeam = (each: number, precision: Precision): Team =>
  precision === 'fp32' ? rowTeam(each, [each / 2]) : rowTeam(each / 2, [], precision);

/** Heads of D numbers in rows that are `stride` apart, at positions that follow one another, T in a sequence. */
export interface HeadRows {
  rows: number;
  T: number;
  heads: number;
  D: number;
  stride: number;
}

const headRows = (x: Info, cos: Info, heads: number): HeadRows => {
  const [rows, stride] = x.shape as [number, number];
  return { rows, T: cos.shape[0]!, heads, D: stride / heads, stride };
};

/** Enqueues the rotary embedding of x with the norm of each head, y; both are addresses, and may be the same. */
export function rotate(
  backend: CudaBackend,
  { rows, T, heads, D, stride }: HeadRows,
  epsilon: number,
  tables: readonly [Info, Info],
  x: number,
  y: number,
  rstd: Info,
): void {
  const [cos, sin, factors] = addresses(backend, ...tables, rstd);
  const values = [rows, T, heads, D, stride, epsilon, x, cos!, sin!, y, factors!];
  onRows(backend, ['rotary', 'rotary'], rotaryTeam(D, backend.precision), rows * heads, values);
}

/** Enqueues its gradient: dx from dy, addresses that may be the same. */
export function rotateGrad(
  backend: CudaBackend,
  { rows, T, heads, D, stride }: HeadRows,
  tables: readonly [Info, Info],
  y: number,
  rstd: Info,
  dy: number,
  dx: number,
): void {
  const [factors, cos, sin] = addresses(backend, rstd, ...tables);
  const values = [rows, T, heads, D, stride, y, factors!, cos!, sin!, dy, dx];
  onRows(backend, ['rotary', 'rotary_grad'], rotaryTeam(D, backend.precision), rows * heads, values);
}

export const rotaryQkNorm: CudaKernel<'RotaryQkNorm'> = ({ inputs, attrs, backend }) => {
  const { x, cos, sin } = inputs;
  const { heads, epsilon } = attrs;
  const y = backend.makeActivation(x.shape);
  const rstd = backend.make([x.shape[0]! * heads, 1]);
  const [from, to] = activations(backend, x, y);
  rotate(backend, headRows(x, cos, heads), epsilon, [cos, sin], from!, to!, rstd);
  return [y, rstd];
};

export const rotaryQkNormGrad: CudaKernel<'RotaryQkNormGrad'> = ({ inputs, attrs, backend }) => {
  const { y, rstd, cos, sin, dy } = inputs;
  const dx = backend.makeActivation(y.shape);
  const [from, gradient, to] = activations(backend, y, dy, dx);
  rotateGrad(backend, headRows(y, cos, attrs.heads), [cos, sin], from!, rstd, gradient!, to!);
  return [dx];
};

/** What a gated value embedding reads besides the values. */
interface Gated {
  ve: Info;
  x: Info;
  gateWeight: Info;
}

/** Enqueues y = v + gate ve: addresses of rows that are `stride` apart, and may be the same. */
export function openGates(
  backend: CudaBackend,
  { ve, x, gateWeight }: Gated,
  stride: number,
  v: number,
  y: number,
  gate: Info,
): void {
  const [N, C, G, D, K] = gatedSizes(ve, x, gateWeight);
  const given = [v, ...rowsIn(backend, ve, true), backend.activation(x), backend.address(gateWeight)];
  const values = [N, C, G, D, K, stride, ...given, y, backend.address(gate)];
  const team = rowTeam(D, [C, K], backend.precision);
  onRows(backend, ['value_embedding', 'value_embedding'], team, N * G, values);
}

export const gatedValueEmbedding: CudaKernel<'GatedValueEmbedding'> = ({ inputs, backend }) => {
  const { v } = inputs;
  const y = backend.makeActivation(v.shape);
  const gate = backend.make([v.shape[0]!, inputs.gateWeight.shape[0]!]);
  openGates(backend, inputs, v.shape[1]!, backend.activation(v), backend.activation(y), gate);
  return [y, gate];
};

/** Tokens whose share of the gate's gradient one block sums. */
const GATE_PIECE = 256;

/**
 * Enqueues the gradients of a gated value embedding, dx added to what is there if `adds`.
 * @param dy address of rows that are `stride` apart
 */
export function openGatesGrad(
  backend: CudaBackend,
  { ve, x, gateWeight }: Gated,
  stride: number,
  gate: Info,
  dy: number,
  [dve, dx, dw]: readonly [Info, Info, Info],
  adds: boolean,
): void {
  const [N, C, G, D, K] = gatedSizes(ve, x, gateWeight);
  const dz = backend.scratch(4 * N * G);
  const byHead = [N, G, D, stride, ...rowsIn(backend, ve, true), backend.address(gate)];
  const { precision } = backend;
  onRows(backend, ['value_embedding', 'gated_grad'], rowTeam(D, [], precision), N * G, [
    ...byHead,
    ...[dy, backend.activation(dve), dz],
  ]);
  const forX = [N, C, G, K, dz, backend.address(gateWeight), backend.activation(dx)];
  const byToken = adds ? rowTeam(K, [C], precision) : rowTeam(C, [K], precision);
  onRows(backend, ['value_embedding', adds ? 'gate_dx_add' : 'gate_dx'], byToken, N, forX);
  const pieces = Math.ceil(N / GATE_PIECE);
  const parts = backend.scratch(4 * pieces * G * K);
  // These two do not depend on the team: another set of macros would only cause a recompilation.
  const { defines } = byToken;
  const source = 'cuda/value_embedding.cu';
  const forW = [N, C, G, K, dz, backend.activation(x), parts];
  backend.launch({ source, name: 'gate_dw', defines }, pieces, 128, forW);
  const sums = [pieces, G * K, parts, backend.address(dw)];
  backend.launch({ source, name: 'gate_dw_sums', defines }, Math.ceil((G * K) / 128), 128, sums);
}

export const gatedValueEmbeddingGrad: CudaKernel<'GatedValueEmbeddingGrad'> = ({ inputs, backend }) => {
  const { ve, x, gateWeight, gate, dy } = inputs;
  const [dve, dx] = backend.makeActivations(ve, x);
  const outputs = [dve, dx, backend.make(gateWeight.shape)] as [Info, Info, Info];
  openGatesGrad(backend, inputs, ve.shape[1]!, gate, backend.activation(dy), outputs, false);
  return outputs;
};

export const reluSquared: CudaKernel<'ReluSquared'> = ({ inputs: { x }, backend }) => {
  const y = backend.makeActivation(x.shape);
  squareRelu(backend, sizeOf(x.shape), backend.activation(x), backend.activation(y));
  return [y];
};

export const reluSquaredGrad: CudaKernel<'ReluSquaredGrad'> = ({ inputs: { y, dy }, backend }) => {
  const dx = backend.makeActivation(y.shape);
  const [from, a, c] = activations(backend, y, dy, dx) as [number, number, number];
  squareReluGrad(backend, sizeOf(y.shape), from, a, c);
  return [dx];
};

/** Enqueues squared ReLU on n activations, which may be in place. */
export function squareRelu(backend: CudaBackend, n: number, x: number, y: number): void {
  const team = pieceTeam(n, backend.precision);
  onRows(backend, ['elementwise', 'relu_squared'], team, piecesOf(n), [n, x, y]);
}

/** Enqueues its gradient, which may be in the place of `dy`. */
export function squareReluGrad(backend: CudaBackend, n: number, y: number, dy: number, dx: number): void {
  const team = pieceTeam(n, backend.precision);
  onRows(backend, ['elementwise', 'relu_squared_grad'], team, piecesOf(n), [n, y, dy, dx]);
}

export const accumulate: CudaKernel<'Accumulate'> = ({ inputs, attrs, backend }) => {
  const { sum, x } = inputs;
  const { factor } = attrs;
  const n = sizeOf(sum.shape);
  const out = backend.reusable(sum) ? undefined : backend.make(sum.shape);
  const values = [n, factor, ...addresses(backend, sum, x, out ?? sum)];
  onRows(backend, ['elementwise', 'accumulate'], pieceTeam(n), piecesOf(n), values);
  return [out ?? backend.alias(sum)];
};

export const residualMix: CudaKernel<'ResidualMix'> = ({ inputs, attrs, backend }) => {
  const { x, x0, residLambdas, x0Lambdas } = inputs;
  const { layer } = attrs;
  const n = sizeOf(x.shape);
  const y = backend.make(x.shape);
  const values = [n, layer, ...addresses(backend, x, x0, residLambdas, x0Lambdas, y)];
  onRows(backend, ['elementwise', 'residual_mix'], pieceTeam(n), piecesOf(n), values);
  return [y];
};

export const residualMixGrad: CudaKernel<'ResidualMixGrad'> = ({ inputs, attrs, backend }) => {
  const { x, x0, residLambdas, x0Lambdas, dy, sum0 } = inputs;
  const { layer } = attrs;
  const n = sizeOf(x.shape);
  const pieces = piecesOf(n);
  const outputs = backend.makeLike(x, x0, residLambdas, x0Lambdas);
  const [dx, dx0, dResid, dFirst] = outputs;
  const sums = backend.scratch(16 * pieces);
  const given = addresses(backend, x, x0, residLambdas, x0Lambdas, dy);
  const added = sum0 ? backend.address(sum0) : 0;
  const made = [backend.address(dx), backend.makeCopy(dx), backend.address(dx0), sums];
  const team = pieceTeam(n);
  const values = [n, layer, ...given, added, ...made];
  onRows(backend, ['elementwise', 'residual_mix_grad'], team, pieces, values);
  addMixSums(backend, pieces, layer, sums, dResid, dFirst);
  return outputs;
};

/** The gradients of the lambdas from `sums` [pieces, 2]. */
function addMixSums(
  backend: CudaBackend,
  pieces: number,
  layer: number,
  sums: number,
  dResid: Info,
  dFirst: Info,
): void {
  const totals = [pieces, sizeOf(dResid.shape), layer, sums, ...addresses(backend, dResid, dFirst)];
  onRows(backend, ['elementwise', 'residual_mix_sums'], pieceTeam(4), 1, totals);
}

/** Addresses of what a mix reads: x, x0 with ids and rows of its table, lambdas. In the first layer x is x0, perhaps of a table. */
function mixInputs(
  backend: CudaBackend,
  { x, x0, residLambdas, x0Lambdas }: Record<'x' | 'x0' | 'residLambdas' | 'x0Lambdas', Info>,
): number[] {
  const first = rowsIn(backend, x0, false);
  const same = first[1] !== 0 && x.dataId === x0.dataId;
  return [same ? 0 : backend.address(x), ...first, ...addresses(backend, residLambdas, x0Lambdas)];
}

export const residualMixNorm: CudaKernel<'ResidualMixNorm'> = ({ inputs, attrs, backend }) => {
  const { x } = inputs;
  const { layer, epsilon } = attrs;
  const [rows, width] = x.shape as [number, number];
  const mixed = backend.make(x.shape);
  const y = backend.makeActivation(x.shape);
  const rstd = backend.make([rows, 1]);
  const made = [backend.address(mixed), backend.activation(y), backend.address(rstd)];
  const values = [rows, width, layer, epsilon, ...mixInputs(backend, inputs), ...made];
  onRows(backend, ['norm', 'mix_norm'], rowTeam(width, [], backend.precision), rows, values);
  return [mixed, y, rstd];
};

/** Blocks of a launch that leaves sums to be added. */
const MOST_SUMS = 2048;

export const residualMixNormGrad: CudaKernel<'ResidualMixNormGrad'> = ({ inputs, attrs, backend }) => {
  const { x, x0, residLambdas, x0Lambdas, y, rstd, dMixed, dy, sum0 } = inputs;
  const { layer } = attrs;
  const [rows, width] = x.shape as [number, number];
  const outputs = backend.makeLike(x, x0, residLambdas, x0Lambdas);
  const [dx, dx0, dResid, dFirst] = outputs;
  const team = rowTeam(width, [], backend.precision);
  const blocks = Math.min(MOST_SUMS, team.blocks(rows));
  const sums = backend.scratch(16 * blocks);
  const gradients = [backend.address(dMixed), backend.activation(dy), sum0 ? backend.address(sum0) : 0];
  const normed = [backend.activation(y), backend.address(rstd)];
  const made = [backend.address(dx), backend.makeCopy(dx), backend.address(dx0), sums];
  const values = [rows, width, layer, ...mixInputs(backend, inputs), ...normed, ...gradients, ...made];
  const spec = { source: 'cuda/norm.cu', name: 'mix_norm_grad', defines: team.defines };
  backend.launch(spec, blocks, team.threads, values);
  addMixSums(backend, blocks, layer, sums, dResid, dFirst);
  return outputs;
};

/** a + b of one shape where one or both have only bfloat16 elements; both: the result has, too. */
export const addActivations: CudaStockKernel = ({ inputs, backend }) => {
  const { a, b } = inputs;
  const n = sizeOf(a.shape);
  const both = backend.isActivation(a) && backend.isActivation(b);
  const y = both ? backend.makeActivation(a.shape) : backend.make(a.shape);
  // Addition commutes.
  const [first, second] = backend.isActivation(b) ? [a, b] : [b, a];
  const values = both
    ? [n, ...activations(backend, first, second, y)]
    : [n, backend.address(first), backend.activation(second), backend.address(y)];
  const name = both ? 'add_activations' : 'add_activation';
  onRows(backend, ['elementwise', name], pieceTeam(n, 'bf16'), piecesOf(n), values);
  return y;
};
