// Operation graphs of cuDNN's backend API, which is C (cudnn_graph.h; NVIDIA's "cuDNN backend API"): everything is a descriptor
// with attributes. Tensors and operations form a graph, heuristics name engines for it, and an engine becomes a plan.

import { type CudnnApi, received } from '../library.js';
import { CudaError } from '../status.js';
import { ATTRIBUTE, DATA, HEURISTICS, KIND, POINTWISE, REDUCE, TYPE } from './constants.js';

/** Alignment of tensors in memory, bytes. */
const ALIGNMENT = { [DATA.FLOAT]: 4, [DATA.BFLOAT16]: 16, [DATA.INT32]: 4, [DATA.BOOLEAN]: 1 };

type DataType = (typeof DATA)[keyof typeof DATA];
type Type = keyof typeof TYPE;
type Values = Int32Array | BigInt64Array | BigUint64Array | Uint8Array;
type Setting = readonly [name: keyof typeof ATTRIBUTE, type: Type, values: Values];
type Dims = readonly number[];

const int64 = (...values: number[]) => BigInt64Array.from(values, BigInt);
const addresses = (...values: number[]) => BigUint64Array.from(values, BigInt);
const TRUE = Uint8Array.of(1);

/** A tensor of a graph. */
export interface Tensor {
  descriptor: number;
  uid: number;
  dims: Dims;
}

/** Strides of a tensor whose elements lie one behind another. */
export const packed = (dims: Dims): number[] =>
  dims.map((_, axis) => dims.slice(axis + 1).reduce((a, b) => a * b, 1));

/** Where a plan will run: on the device of a handle, or on one that is described by its properties in JSON and not here. */
export type Target = { handle: number } | { properties: Uint8Array };

/** A graph that can be executed. */
export interface Plan {
  descriptor: number;
  workspaceBytes: number;
}

/** A graph in the making. Its methods throw CudaError. */
export class Graph {
  readonly #made: number[] = [];
  readonly #operations: number[] = [];
  #uids = 0;

  constructor(readonly api: CudnnApi) {}

  #create(kind: number): number {
    const descriptor = received((place) => this.api.cudnnBackendCreateDescriptor(kind, place));
    this.#made.push(descriptor);
    return descriptor;
  }

  /** A finalized descriptor. */
  #describe(kind: number, settings: readonly Setting[]): number {
    const descriptor = this.#create(kind);
    set(this.api, descriptor, settings);
    return descriptor;
  }

  /** An attribute that refers to descriptors. */
  #to(name: keyof typeof ATTRIBUTE, ...to: number[]): Setting {
    return [name, 'BACKEND_DESCRIPTOR', addresses(...to)];
  }

  #tensor(dims: Dims, strides: Dims, type: DataType, ...kind: Setting[]): Tensor {
    const uid = ++this.#uids;
    const descriptor = this.#describe(KIND.TENSOR, [
      ['TENSOR_BYTE_ALIGNMENT', 'INT64', int64(ALIGNMENT[type])],
      ['TENSOR_DATA_TYPE', 'DATA_TYPE', Int32Array.of(type)],
      ['TENSOR_DIMENSIONS', 'INT64', int64(...dims)],
      ['TENSOR_STRIDES', 'INT64', int64(...strides)],
      ['TENSOR_UNIQUE_ID', 'INT64', int64(uid)],
      ...kind,
    ]);
    return { descriptor, uid, dims };
  }

  /** A tensor in memory. */
  tensor(dims: Dims, strides: Dims, type: DataType): Tensor {
    return this.#tensor(dims, strides, type);
  }

  /** A tensor within the computation. */
  virtual(dims: Dims, type: DataType = DATA.FLOAT, strides: Dims = packed(dims)): Tensor {
    return this.#tensor(dims, strides, type, ['TENSOR_IS_VIRTUAL', 'BOOLEAN', TRUE]);
  }

  /** A float that the host gives at each execution. */
  scalar(): Tensor {
    const one = [1, 1, 1, 1];
    return this.#tensor(one, one, DATA.FLOAT, ['TENSOR_IS_BY_VALUE', 'BOOLEAN', TRUE]);
  }

  /**
   * y = mode(x, b) by element, or t ? x : b.
   * @param options.y a new virtual tensor of x's shape and of `type` unless given; @param options.axis of GEN_INDEX
   */
  pointwise(
    mode: keyof typeof POINTWISE,
    [x, b, t]: readonly [x: Tensor, b?: Tensor, t?: Tensor],
    options: { y?: Tensor; type?: DataType; compute?: DataType; axis?: number } = {},
  ): Tensor {
    const { type = DATA.FLOAT, compute = DATA.FLOAT, axis, y = this.virtual(x.dims, type) } = options;
    const operator = this.#describe(KIND.POINTWISE, [
      ['POINTWISE_MODE', 'POINTWISE_MODE', Int32Array.of(POINTWISE[mode])],
      ['POINTWISE_MATH_PREC', 'DATA_TYPE', Int32Array.of(compute)],
      ...(axis === undefined ? [] : [['POINTWISE_AXIS', 'INT64', int64(axis)] as const]),
    ]);
    this.#operation(KIND.OPERATION_POINTWISE, [
      this.#to('OPERATION_POINTWISE_PW_DESCRIPTOR', operator),
      this.#to('OPERATION_POINTWISE_XDESC', x.descriptor),
      ...(b ? [this.#to('OPERATION_POINTWISE_BDESC', b.descriptor)] : []),
      ...(t ? [this.#to('OPERATION_POINTWISE_TDESC', t.descriptor)] : []),
      this.#to('OPERATION_POINTWISE_YDESC', y.descriptor),
    ]);
    return y;
  }

  /** c = a b, matrices of the last two axes; heads of b are shared where it has fewer. */
  matmul(a: Tensor, b: Tensor, c: Tensor): Tensor {
    const operator = this.#describe(KIND.MATMUL, [
      ['MATMUL_COMP_TYPE', 'DATA_TYPE', Int32Array.of(DATA.FLOAT)],
    ]);
    this.#operation(KIND.OPERATION_MATMUL, [
      this.#to('OPERATION_MATMUL_ADESC', a.descriptor),
      this.#to('OPERATION_MATMUL_BDESC', b.descriptor),
      this.#to('OPERATION_MATMUL_CDESC', c.descriptor),
      this.#to('OPERATION_MATMUL_DESC', operator),
    ]);
    return c;
  }

  /** y = x reduced along the axes where y is shorter. */
  reduce(operation: keyof typeof REDUCE, x: Tensor, y: Tensor): Tensor {
    const operator = this.#describe(KIND.REDUCTION, [
      ['REDUCTION_OPERATOR', 'REDUCTION_OPERATOR_TYPE', Int32Array.of(REDUCE[operation])],
      ['REDUCTION_COMP_TYPE', 'DATA_TYPE', Int32Array.of(DATA.FLOAT)],
    ]);
    this.#operation(KIND.OPERATION_REDUCTION, [
      this.#to('OPERATION_REDUCTION_XDESC', x.descriptor),
      this.#to('OPERATION_REDUCTION_YDESC', y.descriptor),
      this.#to('OPERATION_REDUCTION_DESC', operator),
    ]);
    return y;
  }

  /** y = x's memory under other dims and strides. */
  reshape(x: Tensor, y: Tensor): Tensor {
    this.#operation(KIND.OPERATION_RESHAPE, [
      this.#to('OPERATION_RESHAPE_XDESC', x.descriptor),
      this.#to('OPERATION_RESHAPE_YDESC', y.descriptor),
    ]);
    return y;
  }

  #operation(kind: number, settings: readonly Setting[]): void {
    this.#operations.push(this.#describe(kind, settings));
  }

  /**
   * The first plan of cuDNN's heuristics that can be made and takes at most so much workspace; undefined where there is none.
   * Destroys everything but the plan and its engine's configuration, which outlive the graph in PyTorch too.
   */
  plan(target: Target, mostWorkspace = Number.POSITIVE_INFINITY): Plan | undefined {
    try {
      const on = this.#on(target);
      const graph = this.#describe(KIND.OPERATIONGRAPH, [
        ...on('OPERATIONGRAPH_HANDLE'),
        this.#to('OPERATIONGRAPH_OPS', ...this.#operations),
      ]);
      for (const mode of Object.values(HEURISTICS))
        for (const config of this.#configurations(graph, mode, on('', 'ENGINEHEUR_DEVICEPROP'))) {
          const descriptor = refused(() =>
            this.#describe(KIND.EXECUTION_PLAN, [
              ...on('EXECUTION_PLAN_HANDLE', 'EXECUTION_PLAN_DEVICEPROP'),
              this.#to('EXECUTION_PLAN_ENGINE_CONFIG', config),
            ]),
          );
          if (descriptor === undefined) continue;
          const bytes = new BigInt64Array(1);
          const [name, type] = [ATTRIBUTE.EXECUTION_PLAN_WORKSPACE_SIZE, TYPE.INT64];
          this.api.cudnnBackendGetAttribute(descriptor, name, type, 1, new BigInt64Array(1), bytes);
          if (bytes[0]! > mostWorkspace) continue;
          for (const kept of [descriptor, config]) this.#made.splice(this.#made.indexOf(kept), 1);
          return { descriptor, workspaceBytes: Number(bytes[0]) };
        }
      return undefined;
    } finally {
      for (const each of this.#made.splice(0).reverse()) this.api.cudnnBackendDestroyDescriptor(each);
    }
  }

  /** How descriptors name the target: by one attribute or by another. */
  #on(target: Target) {
    const device =
      'properties' in target
        ? this.#describe(KIND.DEVICEPROP, [['DEVICEPROP_JSON_REPRESENTATION', 'CHAR', target.properties]])
        : 0;
    return (handle: keyof typeof ATTRIBUTE | '', properties?: keyof typeof ATTRIBUTE): Setting[] => {
      if ('handle' in target) return handle ? [[handle, 'HANDLE', addresses(target.handle)]] : [];
      return properties ? [this.#to(properties, device)] : [];
    };
  }

  /** Engines for a graph with their settings, the best first. */
  #configurations(graph: number, mode: number, on: Setting[]): number[] {
    const { api } = this;
    const heuristics = refused(() =>
      this.#describe(KIND.ENGINEHEUR, [
        this.#to('ENGINEHEUR_OPERATION_GRAPH', graph),
        ['ENGINEHEUR_MODE', 'HEUR_MODE', Int32Array.of(mode)],
        ...on,
      ]),
    );
    if (heuristics === undefined) return [];
    const count = new BigInt64Array(1);
    const [name, type] = [ATTRIBUTE.ENGINEHEUR_RESULTS, TYPE.BACKEND_DESCRIPTOR];
    api.cudnnBackendGetAttribute(heuristics, name, type, 0, count, null);
    const configurations = Array.from({ length: Number(count[0]) }, () => this.#create(KIND.ENGINECFG));
    if (configurations.length > 0)
      api.cudnnBackendGetAttribute(
        heuristics,
        name,
        type,
        configurations.length,
        count,
        addresses(...configurations),
      );
    return configurations.slice(0, Number(count[0]));
  }
}

/** Sets attributes and finalizes. */
function set(api: CudnnApi, descriptor: number, settings: readonly Setting[]): void {
  for (const [name, type, values] of settings)
    api.cudnnBackendSetAttribute(descriptor, ATTRIBUTE[name], TYPE[type], values.length, values);
  api.cudnnBackendFinalize(descriptor);
}

/** What `make` returns; undefined where cuDNN refuses. */
function refused<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof CudaError) return undefined;
    throw error;
  }
}

/**
 * Enqueues a plan.
 * @param pointers of tensors by uid: addresses on the device, for scalars on the host @throws CudaError
 */
export function execute(
  api: CudnnApi,
  handle: number,
  { descriptor }: Plan,
  pointers: readonly (readonly [uid: number, pointer: number])[],
  workspace: number,
): void {
  const pack = received((place) => api.cudnnBackendCreateDescriptor(KIND.VARIANT_PACK, place));
  try {
    set(api, pack, [
      ['VARIANT_PACK_UNIQUE_IDS', 'INT64', int64(...pointers.map(([uid]) => uid))],
      ['VARIANT_PACK_DATA_POINTERS', 'VOID_PTR', addresses(...pointers.map(([, pointer]) => pointer))],
      ['VARIANT_PACK_WORKSPACE', 'VOID_PTR', addresses(workspace)],
    ]);
    api.cudnnBackendExecute(handle, descriptor, pack);
  } finally {
    api.cudnnBackendDestroyDescriptor(pack);
  }
}
