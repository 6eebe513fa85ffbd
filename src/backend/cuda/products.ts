// Matrix products by cuBLASLt. Row-major matrices are passed as the transposed column-major ones that occupy the same
// memory: C = A B is computed as C^T = B^T A^T. Of the algorithms that cuBLASLt's heuristics offer for a shape the fastest is
// used, which is measured once and stored (choices.ts).
//
// Letters: op(a) [M,K], op(b) [K,N], c [M,N], each one of a batch of matrices a stride apart.

import { OutOfMemoryError } from '../outOfMemory.js';
import type { Allocator, Block } from './allocator.js';
import type { Choices } from './choices.js';
import { type CublasApi, received } from './library.js';
import { cudaErrorOf, failure } from './status.js';
import { fastest, type Stopwatch } from './timing.js';

/** cublasLt.h, cublas_api.h and library_types.h. */
const COMPUTE_32F = 68;
const TYPE = { fp32: 0, bf16: 14 } as const;
const BYTES = { fp32: 4, bf16: 2 } as const;
const OPERATION = { none: 0, transpose: 1 };
const DESCRIPTION = { transA: 3, transB: 4 };
const LAYOUT = { batchCount: 5, batchStride: 6 };
const PREFERENCE = { workspaceBytes: 1, reductionSchemes: 3, alignment: [5, 6, 7, 8] };
/** Partial sums through the workspace only: in place, their order would change from run to run. */
const REPEATABLE_REDUCTIONS = 2 | 4;
const NOT_SUPPORTED = 15;
/** Every algorithm on Hopper finds room in this (cuBLAS documentation, cublasSetWorkspace). */
const WORKSPACE_BYTES = 32 * 2 ** 20;
/** Of cublasLtMatmulHeuristicResult_t: the algorithm, the size of its workspace, and whether it can run (0). */
const RESULT_BYTES = 96;
const ALGORITHM_BYTES = 64;
const STATE_AT = 72;
/** Algorithms requested. */
const RESULTS = 8;
/** The alignment of addresses that cuBLASLt assumes by default. */
const FULL_ALIGNMENT = 256;

export type OperandType = keyof typeof TYPE;

/** One product, or a batch of them. */
export interface ProductCall {
  m: number;
  n: number;
  k: number;
  transposeA?: boolean;
  transposeB?: boolean;
  /** Addresses on the device. */
  a: number;
  b: number;
  c: number;
  /** Of a and b, and of c; sums are float32 in any case. */
  operands: OperandType;
  result?: OperandType;
  /** c = alpha product + beta added; 1 and 0 by default. */
  alpha?: number;
  beta?: number;
  /** What is added, of c's layout; c itself by default. */
  added?: number;
  /** Number of products, and elements between their matrices; a stride of 0 repeats the matrix. */
  batch?: number;
  aStride?: number;
  bStride?: number;
  cStride?: number;
}

/** Multiplies. */
export interface Products {
  /** Enqueues a product. @throws CudaError, OutOfMemoryError */
  multiply(call: ProductCall): void;
  /** Version, e.g. 12.4.5. */
  readonly version: string;
  /** Shapes that heuristics were asked about, and products. */
  statistics(): { plans: number; products: number };
  /** Stored choices in use: products and their algorithms. */
  used(): ReadonlyMap<string, string>;
}

/** How algorithms are chosen; without it the heuristics' first one is used. */
export interface Selection {
  choices: Choices;
  stopwatch: Stopwatch;
}

interface Algorithm {
  bytes: Uint8Array;
  workspaceBytes: number;
}

interface Plan {
  key: string;
  description: number;
  a: number;
  b: number;
  c: number;
  /** Those that can run, the heuristics' best first. */
  offered: Algorithm[];
  chosen?: Algorithm;
}

/** A version of cuBLASLt or cuDNN as its parts: 120405 -> 12.4.5, 92801 -> 9.28.1. */
export const versionText = (version: number): string =>
  [Math.floor(version / 10_000), Math.floor(version / 100) % 100, version % 100].join('.');

/** See `Products`. The context must be current. */
export function createProducts(
  api: CublasApi,
  allocator: Allocator,
  stream: number,
  selection?: Selection,
): Products {
  const handle = received((place) => api.cublasLtCreate(place));
  const plans = new Map<string, Plan | null>();
  const scalars = { alpha: new Float32Array(1), beta: new Float32Array(1) };
  let products = 0;

  const planOf = (call: ProductCall): Plan | null => {
    const { m, n, k, transposeA, transposeB, operands, result, batch = 1, beta = 0 } = call;
    const strides = batch > 1 ? `${call.aStride} ${call.bStride} ${call.cStride}` : '';
    const alignment = [
      alignmentOf(call.b, call.bStride, operands),
      alignmentOf(call.a, call.aStride, operands),
    ];
    const out = alignmentOf(call.c, call.cStride, result ?? 'fp32');
    alignment.push(Math.min(out, alignmentOf(call.added ?? call.c, call.cStride, result ?? 'fp32')));
    const key = `${operands} ${result} ${m} ${n} ${k} ${transposeA} ${transposeB} ${batch} ${strides} ${beta === 0} ${alignment}`;
    let plan = plans.get(key);
    if (plan === undefined) {
      plan = makePlan(api, handle, key, call, alignment as [number, number, number]);
      plans.set(key, plan);
    }
    return plan;
  };

  const used = new Map<string, string>();

  const run = (plan: Plan, call: ProductCall, { bytes, workspaceBytes }: Algorithm, c = call.c) => {
    const workspace = workspaceBytes > 0 ? allocator.allocate(workspaceBytes) : undefined;
    scalars.alpha[0] = call.alpha ?? 1;
    scalars.beta[0] = call.beta ?? 0;
    try {
      api.cublasLtMatmul(
        handle,
        plan.description,
        scalars.alpha,
        call.b,
        plan.b,
        call.a,
        plan.a,
        scalars.beta,
        call.added ?? call.c,
        plan.c,
        c,
        plan.c,
        bytes,
        workspace?.address ?? 0,
        workspaceBytes,
        stream,
      );
    } finally {
      if (workspace) allocator.free(workspace);
    }
  };

  /** The stored algorithm for a product, or the fastest, which is stored. */
  const choose = (plan: Plan, call: ProductCall): Algorithm => {
    const { key, offered } = plan;
    const [first] = offered as [Algorithm];
    if (!selection || offered.length === 1) return first;
    const { choices, stopwatch } = selection;
    const names = offered.map(({ bytes }) => Buffer.from(bytes).toString('hex'));
    let choice = choices.find(key, names);
    if (!choice) {
      // A result that is added to itself must not be added more than once.
      const inPlace = (call.beta ?? 0) !== 0 && (call.added ?? call.c) === call.c;
      let scratch: Block | undefined;
      try {
        if (inPlace) scratch = allocator.allocate(resultBytes(call));
        const runs = offered.map((algorithm) => () => run(plan, call, algorithm, scratch?.address ?? call.c));
        const { chosen, milliseconds } = fastest(runs, stopwatch);
        choice = choices.keep(key, names, { algorithm: names[chosen]!, milliseconds });
      } catch (error) {
        if (!(error instanceof OutOfMemoryError)) throw error;
        choice = choices.keep(key, names, { algorithm: names[0]!, milliseconds: [] });
      } finally {
        if (scratch) allocator.free(scratch);
      }
    }
    used.set(key, choice.algorithm);
    return offered[names.indexOf(choice.algorithm)] ?? first;
  };

  return {
    multiply(call) {
      if (call.m === 0 || call.n === 0 || call.batch === 0) return;
      const plan = planOf(call);
      if (!plan) throw failure('cublas', `cublasLtMatmulAlgoGetHeuristic ${shapeOf(call)}`, NOT_SUPPORTED);
      plan.chosen ??= choose(plan, call);
      run(plan, call, plan.chosen);
      products++;
    },
    version: versionText(api.cublasLtGetVersion()),
    statistics: () => ({ plans: plans.size, products }),
    used: () => used,
  };
}

/** Bytes from the first to the last element of a result. */
const resultBytes = ({ m, n, batch = 1, cStride = 0, result = 'fp32' }: ProductCall): number =>
  BYTES[result] * ((batch - 1) * cStride + m * n);

const shapeOf = ({ m, n, k, batch = 1, operands, transposeA, transposeB }: ProductCall): string =>
  `of ${batch} x [${m},${k}]${transposeA ? '^T' : ''} [${k},${n}]${transposeB ? '^T' : ''} in ${operands}`;

/** The largest power of two, up to 256, that divides an address and the bytes between the matrices of a batch. */
function alignmentOf(address: number, stride: number | undefined, type: OperandType): number {
  const bytes = (stride ?? 0) * BYTES[type];
  let alignment = FULL_ALIGNMENT;
  while (address % alignment !== 0 || bytes % alignment !== 0) alignment /= 2;
  return alignment;
}

/** Descriptors and algorithm of a product; null when cuBLASLt has none. */
function makePlan(
  api: CublasApi,
  handle: number,
  key: string,
  call: ProductCall,
  alignment: [number, number, number],
): Plan | null {
  const { m, n, k, transposeA = false, transposeB = false, operands, result = 'fp32', batch = 1 } = call;
  const made: (() => void)[] = [];
  const layout = (type: OperandType, rows: number, columns: number, stride = 0) => {
    const id = received((place) => api.cublasLtMatrixLayoutCreate(place, TYPE[type], rows, columns, rows));
    made.push(() => api.cublasLtMatrixLayoutDestroy(id));
    if (batch > 1) {
      api.cublasLtMatrixLayoutSetAttribute(id, LAYOUT.batchCount, Int32Array.of(batch), 4);
      api.cublasLtMatrixLayoutSetAttribute(id, LAYOUT.batchStride, BigInt64Array.of(BigInt(stride)), 8);
    }
    return id;
  };
  try {
    const description = received((place) => api.cublasLtMatmulDescCreate(place, COMPUTE_32F, TYPE.fp32));
    made.push(() => api.cublasLtMatmulDescDestroy(description));
    const operation = (transposed: boolean) =>
      Int32Array.of(transposed ? OPERATION.transpose : OPERATION.none);
    // cuBLASLt's first operand is our b, its second our a.
    api.cublasLtMatmulDescSetAttribute(description, DESCRIPTION.transA, operation(transposeB), 4);
    api.cublasLtMatmulDescSetAttribute(description, DESCRIPTION.transB, operation(transposeA), 4);
    const b = transposeB ? layout(operands, k, n, call.bStride) : layout(operands, n, k, call.bStride);
    const a = transposeA ? layout(operands, m, k, call.aStride) : layout(operands, k, m, call.aStride);
    const c = layout(result, n, m, call.cStride);
    const preference = received((place) => api.cublasLtMatmulPreferenceCreate(place));
    const found = new Int32Array(1);
    const results = new Uint8Array(RESULTS * RESULT_BYTES);
    try {
      const prefer = (attribute: number, value: ArrayBufferView) =>
        api.cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, value.byteLength);
      prefer(PREFERENCE.workspaceBytes, BigUint64Array.of(BigInt(WORKSPACE_BYTES)));
      prefer(PREFERENCE.reductionSchemes, Uint32Array.of(REPEATABLE_REDUCTIONS));
      [...alignment, alignment[2]].forEach((bytes, i) => {
        if (bytes !== FULL_ALIGNMENT) prefer(PREFERENCE.alignment[i]!, Uint32Array.of(bytes));
      });
      api.cublasLtMatmulAlgoGetHeuristic(
        handle,
        description,
        b,
        a,
        c,
        c,
        preference,
        RESULTS,
        results,
        found,
      );
    } catch (error) {
      if (cudaErrorOf(error)?.code !== NOT_SUPPORTED) throw error;
    } finally {
      api.cublasLtMatmulPreferenceDestroy(preference);
    }
    const view = new DataView(results.buffer);
    const offered: Algorithm[] = [];
    for (let at = 0; at < found[0]! * RESULT_BYTES; at += RESULT_BYTES) {
      if (view.getInt32(at + STATE_AT, true) !== 0) continue;
      const bytes = results.slice(at, at + ALGORITHM_BYTES);
      offered.push({ bytes, workspaceBytes: Number(view.getBigUint64(at + ALGORITHM_BYTES, true)) });
    }
    if (offered.length > 0) return { key, description, a, b, c, offered };
    for (const undo of made) undo();
    return null;
  } catch (error) {
    for (const undo of made) undo();
    throw error;
  }
}
