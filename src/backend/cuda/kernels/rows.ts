// Fused kernels by rows: norm, rotary embedding, gated value embedding, squared ReLU, residual mix, sums of gradients (kernels/cuda/{norm,
// rotary,value_embedding,elementwise}.cu). Contracts: src/ops.

import { type Info, sizeOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import type { CudaKernel, CudaTable } from './kernel.js';
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

const rmsNorm: CudaKernel<'RmsNorm'> = ({ inputs, attrs, backend }) => {
  const { x } = inputs;
  const [rows, width] = x.shape as [number, number];
  const y = backend.make(x.shape);
  const rstd = backend.make([rows, 1]);
  const { epsilon } = attrs;
  const values = [rows, width, epsilon, ...addresses(backend, x, y, rstd)];
  onRows(backend, ['norm', 'rms_norm'], rowTeam(width), rows, values);
  return [y, rstd];
};

const rmsNormGrad: CudaKernel<'RmsNormGrad'> = ({ inputs, backend }) => {
  const { y, rstd, dy } = inputs;
  const [rows, width] = y.shape as [number, number];
  const dx = backend.make(y.shape);
  const values = [rows, width, ...addresses(backend, y, rstd, dy, dx)];
  onRows(backend, ['norm', 'rms_norm_grad'], rowTeam(width), rows, values);
  return [dx];
};

const rotaryQkNorm: CudaKernel<'RotaryQkNorm'> = ({ inputs, attrs, backend }) => {
  const { x, cos, sin } = inputs;
  const { heads, epsilon } = attrs;
  const [rows, width] = x.shape as [number, number];
  const each = width / heads;
  const y = backend.make(x.shape);
  const rstd = backend.make([rows * heads, 1]);
  const values = [rows, cos.shape[0]!, heads, each, epsilon, ...addresses(backend, x, cos, sin, y, rstd)];
  const team = rowTeam(each, [each / 2]);
  onRows(backend, ['rotary', 'rotary'], team, rows * heads, values);
  return [y, rstd];
};

const rotaryQkNormGrad: CudaKernel<'RotaryQkNormGrad'> = ({ inputs, attrs, backend }) => {
  const { y, rstd, cos, sin, dy } = inputs;
  const { heads } = attrs;
  const [rows, width] = y.shape as [number, number];
  const each = width / heads;
  const dx = backend.make(y.shape);
  const values = [rows, cos.shape[0]!, heads, each, ...addresses(backend, y, rstd, cos, sin, dy, dx)];
  const team = rowTeam(each, [each / 2]);
  onRows(backend, ['rotary', 'rotary_grad'], team, rows * heads, values);
  return [dx];
};

/** N, C, G, D and K of a gated value embedding. */
function gatedSizes(ve: Info, x: Info, gateWeight: Info) {
  const [rows, width] = ve.shape as [number, number];
  const [kvHeads, channels] = gateWeight.shape as [number, number];
  return { N: rows, C: x.shape[1]!, G: kvHeads, D: width / kvHeads, K: channels };
}

const gatedValueEmbedding: CudaKernel<'GatedValueEmbedding'> = ({ inputs, backend }) => {
  const { v, ve, x, gateWeight } = inputs;
  const { N, C, G, D, K } = gatedSizes(ve, x, gateWeight);
  const y = backend.make(v.shape);
  const gate = backend.make([N, G]);
  const values = [N, C, G, D, K, ...addresses(backend, v, ve, x, gateWeight, y, gate)];
  const team = rowTeam(D, [C, K]);
  onRows(backend, ['value_embedding', 'value_embedding'], team, N * G, values);
  return [y, gate];
};

/** Tokens whose share of the gate's gradient one block sums. */
const GATE_PIECE = 256;

const gatedValueEmbeddingGrad: CudaKernel<'GatedValueEmbeddingGrad'> = ({ inputs, backend }) => {
  const { ve, x, gateWeight, gate, dy } = inputs;
  const { N, C, G, D, K } = gatedSizes(ve, x, gateWeight);
  const [dve, dx, dw] = backend.makeLike(ve, x, gateWeight);
  const dz = backend.scratch(4 * N * G);
  const gated = [N, G, D, ...addresses(backend, ve, gate, dy, dve), dz];
  onRows(backend, ['value_embedding', 'gated_grad'], rowTeam(D), N * G, gated);
  const weight = backend.address(gateWeight);
  const forX = [N, C, G, K, dz, weight, backend.address(dx)];
  const byToken = rowTeam(C, [K]);
  onRows(backend, ['value_embedding', 'gate_dx'], byToken, N, forX);
  const pieces = Math.ceil(N / GATE_PIECE);
  const parts = backend.scratch(4 * pieces * G * K);
  // These two do not depend on the team: another set of macros would only be compiled anew.
  const { defines } = byToken;
  const source = 'cuda/value_embedding.cu';
  backend.launch({ source, name: 'gate_dw', defines }, pieces, 128, [
    N,
    C,
    G,
    K,
    dz,
    backend.address(x),
    parts,
  ]);
  backend.launch({ source, name: 'gate_dw_sums', defines }, Math.ceil((G * K) / 128), 128, [
    pieces,
    G * K,
    parts,
    backend.address(dw),
  ]);
  return [dve, dx, dw];
};

const reluSquared: CudaKernel<'ReluSquared'> = ({ inputs, backend }) => {
  const { x } = inputs;
  const n = sizeOf(x.shape);
  const y = backend.make(x.shape);
  const values = [n, ...addresses(backend, x, y)];
  onRows(backend, ['elementwise', 'relu_squared'], pieceTeam(n), piecesOf(n), values);
  return [y];
};

const reluSquaredGrad: CudaKernel<'ReluSquaredGrad'> = ({ inputs, backend }) => {
  const { y, dy } = inputs;
  const n = sizeOf(y.shape);
  const dx = backend.make(y.shape);
  const values = [n, ...addresses(backend, y, dy, dx)];
  onRows(backend, ['elementwise', 'relu_squared_grad'], pieceTeam(n), piecesOf(n), values);
  return [dx];
};

const accumulate: CudaKernel<'Accumulate'> = ({ inputs, attrs, backend }) => {
  const { sum, x } = inputs;
  const { factor } = attrs;
  const n = sizeOf(sum.shape);
  const out = backend.reusable(sum) ? undefined : backend.make(sum.shape);
  const values = [n, factor, ...addresses(backend, sum, x, out ?? sum)];
  onRows(backend, ['elementwise', 'accumulate'], pieceTeam(n), piecesOf(n), values);
  return [out ?? backend.alias(sum)];
};

const residualMix: CudaKernel<'ResidualMix'> = ({ inputs, attrs, backend }) => {
  const { x, x0, residLambdas, x0Lambdas } = inputs;
  const { layer } = attrs;
  const n = sizeOf(x.shape);
  const y = backend.make(x.shape);
  const values = [n, layer, ...addresses(backend, x, x0, residLambdas, x0Lambdas, y)];
  onRows(backend, ['elementwise', 'residual_mix'], pieceTeam(n), piecesOf(n), values);
  return [y];
};

const residualMixGrad: CudaKernel<'ResidualMixGrad'> = ({ inputs, attrs, backend }) => {
  const { x, x0, residLambdas, x0Lambdas, dy } = inputs;
  const { layer } = attrs;
  const n = sizeOf(x.shape);
  const pieces = piecesOf(n);
  const outputs = backend.makeLike(x, x0, residLambdas, x0Lambdas);
  const [dx, dx0, dResid, dFirst] = outputs;
  const sums = backend.scratch(16 * pieces);
  const values = [n, layer, ...addresses(backend, x, x0, residLambdas, x0Lambdas, dy, dx, dx0), sums];
  onRows(backend, ['elementwise', 'residual_mix_grad'], pieceTeam(n), pieces, values);
  const totals = [pieces, sizeOf(residLambdas.shape), layer, sums, ...addresses(backend, dResid, dFirst)];
  onRows(backend, ['elementwise', 'residual_mix_sums'], pieceTeam(n), 1, totals);
  return outputs;
};

export const ROWS: CudaTable = {
  Accumulate: accumulate,
  GatedValueEmbedding: gatedValueEmbedding,
  GatedValueEmbeddingGrad: gatedValueEmbeddingGrad,
  ReluSquared: reluSquared,
  ReluSquaredGrad: reluSquaredGrad,
  ResidualMix: residualMix,
  ResidualMixGrad: residualMixGrad,
  RmsNorm: rmsNorm,
  RmsNormGrad: rmsNormGrad,
  RotaryQkNorm: rotaryQkNorm,
  RotaryQkNormGrad: rotaryQkNormGrad,
};
