// TensorFlow's eager operations by number instead of by tf.Tensor: what a fused kernel computes with. A stock op costs
// a tf.Tensor, an engine call and a scope; here it costs the call into the addon.

import type * as tf from '@tensorflow/tfjs-core';
import type { Precision } from '../../types.js';

/** A tensor of TensorFlow's, held until the kernel that made it ends. */
export interface Handle {
  id: number;
  shape: readonly number[];
  dtype: number;
}

/** An attribute of an operation: one of the addon's TF_ATTR types, and a value or values of it. */
export type Attribute = { name: string; type: number; value: unknown };

/** The part of the addon that is used. */
export interface Binding {
  TF_Version: string;
  TF_FLOAT: number;
  TF_INT32: number;
  TF_BOOL: number;
  TF_RESOURCE: number;
  TF_ATTR_TYPE: number;
  TF_ATTR_BOOL: number;
  TF_ATTR_INT: number;
  TF_ATTR_FLOAT: number;
  TF_ATTR_SHAPE: number;
  TF_ATTR_STRING: number;
  createTensor(shape: readonly number[], dtype: number, values: Values): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Values;
  executeOp(name: string, attributes: Attribute[], inputs: number[], outputs: number): Handle[];
  loadSavedModel(folder: string, tags: string): number;
  /** Names of inputs and outputs are separated by commas. */
  runSavedModel(model: number, ids: number[], inputs: string, outputs: string): Handle[];
  deleteSavedModel(model: number): void;
}

/** Elements of a tensor of float32, int32 or booleans. */
export type Values = Float32Array | Int32Array | Uint8Array;

/** tfjs-node's backend, as far as it is used. */
export interface NodeBackend {
  binding: Binding;
  isUsingGpuDevice: boolean;
  disposeData(dataId: object, force?: boolean): boolean;
  tensorMap: { get(dataId: object): { id: number; values: unknown; refCount: number } };
  getInputTensorIds(tensors: tf.TensorInfo[]): number[];
  createOutputTensor(handle: Handle): tf.Tensor;
}

type Shape = readonly number[];

/** TF_BFLOAT16, which the addon has no name for: tensors of this type stay among handles. */
const BFLOAT16 = 14;

let products: Precision = 'fp32';

/** What the factors of products are rounded to from now on; sums stay float32. */
export function setProducts(precision: Precision): void {
  products = precision;
}

/** What they are rounded to at present. */
export const roundedTo = (): Precision => products;

/** Operations whose intermediate results go when the kernel ends. Names are TensorFlow's. */
export class Eager {
  readonly #binding: Binding;
  readonly #made: number[] = [];
  readonly #float: Attribute;

  constructor(readonly backend: NodeBackend) {
    this.#binding = backend.binding;
    this.#float = this.#type('T', this.#binding.TF_FLOAT);
  }

  /** A kernel's inputs. */
  inputs<T extends tf.TensorInfo[]>(...infos: T): { [I in keyof T]: Handle } {
    return infos.map((info) => this.input(info)) as { [I in keyof T]: Handle };
  }

  /** A kernel's input. */
  input(info: tf.TensorInfo): Handle {
    const dtype = info.dtype === 'int32' ? this.#binding.TF_INT32 : this.#binding.TF_FLOAT;
    return { id: this.backend.getInputTensorIds([info])[0]!, shape: info.shape, dtype };
  }

  /** Any operation. */
  run(name: string, attributes: Attribute[], inputs: Handle[], outputs = 1): Handle[] {
    const made = this.#binding.executeOp(
      name,
      attributes,
      inputs.map(({ id }) => id),
      outputs,
    );
    for (const { id } of made) this.#made.push(id);
    return made;
  }

  /** Takes results out of the scope and makes them tensors of tfjs. */
  outputs<T extends Handle[]>(...handles: T): { [I in keyof T]: tf.Tensor } {
    for (const { id } of handles) this.#forget(id);
    const tensors = handles.map((handle) => this.backend.createOutputTensor(handle));
    return tensors as { [I in keyof T]: tf.Tensor };
  }

  /** Frees what `run` makes except its result. */
  tidy(run: () => Handle): Handle {
    const before = this.#made.length;
    const result = run();
    for (const id of this.#made.splice(before))
      if (id === result.id) this.#made.push(id);
      else this.#binding.deleteTensor(id);
    return result;
  }

  /** Frees a result before the kernel ends. */
  free(...handles: Handle[]): void {
    for (const { id } of handles) {
      this.#forget(id);
      this.#binding.deleteTensor(id);
    }
  }

  #forget(id: number): void {
    const at = this.#made.lastIndexOf(id);
    if (at < 0) throw new Error(`Expected a result of this kernel, got tensor ${id}`);
    this.#made.splice(at, 1);
  }

  /** Frees all that was not taken out. */
  end(): void {
    for (const id of this.#made.splice(0)) this.#binding.deleteTensor(id);
  }

  /** Gives a variable new contents, which leave the scope; what shared the old ones keeps them. */
  replace(variable: tf.TensorInfo, handle: Handle): void {
    const entry = this.backend.tensorMap.get(variable.dataId);
    if (entry.refCount > 1) {
      const [tensor] = this.outputs(handle);
      (variable as tf.Variable).assign(tensor!);
      tensor!.dispose();
      return;
    }
    this.#forget(handle.id);
    // Contents that were never used are still an array on tfjs's side.
    if (entry.values == null) this.#binding.deleteTensor(entry.id);
    entry.values = null;
    entry.id = handle.id;
  }

  /** Lets go of a variable's contents, so that a resource that has them too may write them; `replace` must follow. */
  release(variable: tf.TensorInfo): void {
    const entry = this.backend.tensorMap.get(variable.dataId);
    if (entry.refCount > 1) return;
    this.#binding.deleteTensor(entry.id);
    entry.values = NOTHING;
  }

  floats(values: number[] | Float32Array, shape: Shape): Handle {
    return this.#make(shape, this.#binding.TF_FLOAT, Float32Array.from(values));
  }
  scalar(value: number): Handle {
    return this.#make([], this.#binding.TF_FLOAT, Float32Array.of(value));
  }
  ints(values: readonly number[], shape: Shape = [values.length]): Handle {
    return this.#make(shape, this.#binding.TF_INT32, Int32Array.from(values));
  }
  #make(shape: Shape, dtype: number, values: Float32Array | Int32Array): Handle {
    const id = this.#binding.createTensor(shape, dtype, values);
    this.#made.push(id);
    return { id, shape, dtype };
  }

  #type(name: string, value: number): Attribute {
    return { name, type: this.#binding.TF_ATTR_TYPE, value };
  }
  /** The type of an input of indices. */
  #index(name: string): Attribute {
    return this.#type(name, this.#binding.TF_INT32);
  }
  #flag(name: string, value: boolean): Attribute {
    return { name, type: this.#binding.TF_ATTR_BOOL, value };
  }
  #int(name: string, value: number): Attribute {
    return { name, type: this.#binding.TF_ATTR_INT, value };
  }
  #typeOf({ dtype }: Handle): Attribute {
    return dtype === this.#binding.TF_FLOAT ? this.#float : this.#type('T', dtype);
  }
  #unary(name: string, x: Handle): Handle {
    return this.run(name, [this.#typeOf(x)], [x])[0]!;
  }
  #binary(name: string, a: Handle, b: Handle | number): Handle {
    const other = typeof b === 'number' ? this.scalar(b) : b;
    return this.run(name, [this.#typeOf(a)], [a, other])[0]!;
  }
  #reduce(name: string, x: Handle, axes: readonly number[]): Handle {
    const attributes = [this.#float, this.#index('Tidx'), this.#flag('keep_dims', true)];
    return this.run(name, attributes, [x, this.ints(axes)])[0]!;
  }

  add = (a: Handle, b: Handle | number) => this.#binary('AddV2', a, b);
  sub = (a: Handle, b: Handle | number) => this.#binary('Sub', a, b);
  mul = (a: Handle, b: Handle | number) => this.#binary('Mul', a, b);
  div = (a: Handle, b: Handle | number) => this.#binary('RealDiv', a, b);
  maximum = (a: Handle, b: Handle | number) => this.#binary('Maximum', a, b);
  /** 1 where x >= 0, else 0. */
  nonNegative = (x: Handle) => this.cast(this.#binary('GreaterEqual', x, 0));
  notEqual = (a: Handle, b: Handle) =>
    this.run('NotEqual', [this.#typeOf(a), this.#flag('incompatible_shape_error', true)], [a, b])[0]!;
  abs = (x: Handle) => this.#unary('Abs', x);
  exp = (x: Handle) => this.#unary('Exp', x);
  log = (x: Handle) => this.#unary('Log', x);
  sqrt = (x: Handle) => this.#unary('Sqrt', x);
  rsqrt = (x: Handle) => this.#unary('Rsqrt', x);
  square = (x: Handle) => this.#unary('Square', x);
  tanh = (x: Handle) => this.#unary('Tanh', x);
  /** a (1 - y^2) */
  tanhGrad = (y: Handle, a: Handle) => this.#binary('TanhGrad', y, a);
  /** Reductions keep their axes. */
  sum = (x: Handle, ...axes: number[]) => this.#reduce('Sum', x, axes);
  max = (x: Handle, ...axes: number[]) => this.#reduce('Max', x, axes);
  mean = (x: Handle, ...axes: number[]) => this.#reduce('Mean', x, axes);
  /** sqrt(sum x^2): one pass over x. */
  norm = (x: Handle, ...axes: number[]) => this.#reduce('EuclideanNorm', x, axes);
  meanSquare = (x: Handle, axis: number) => this.mul(this.square(this.norm(x, axis)), 1 / x.shape[axis]!);
  addN = (terms: Handle[]) =>
    terms.length === 1 ? terms[0]! : this.run('AddN', [this.#int('N', terms.length), this.#float], terms)[0]!;

  /** Matrices only. */
  matMul(a: Handle, b: Handle, { transposeA = false, transposeB = false } = {}): Handle {
    return this.#product('MatMul', a, b, [
      this.#flag('transpose_a', transposeA),
      this.#flag('transpose_b', transposeB),
    ]);
  }
  /** Stacks of matrices. */
  batchMatMul(a: Handle, b: Handle, { transposeA = false, transposeB = false } = {}): Handle {
    return this.#product('BatchMatMulV2', a, b, [
      this.#flag('adj_x', transposeA),
      this.#flag('adj_y', transposeB),
    ]);
  }
  #product(name: string, a: Handle, b: Handle, flags: Attribute[]): Handle {
    if (products === 'fp32') return this.run(name, [this.#float, ...flags], [a, b])[0]!;
    const x = this.cast(a, BFLOAT16);
    const y = a === b ? x : this.cast(b, BFLOAT16);
    const product = this.run(name, [this.#type('T', BFLOAT16), ...flags], [x, y])[0]!;
    const result = this.cast(product);
    this.free(...new Set([x, y, product]));
    return result;
  }

  /** To float32, or another type. */
  cast(x: Handle, dtype = this.#binding.TF_FLOAT): Handle {
    const types = [this.#type('SrcT', x.dtype), this.#type('DstT', dtype), this.#flag('Truncate', false)];
    return this.run('Cast', types, [x])[0]!;
  }
  reshape(x: Handle, shape: Shape): Handle {
    if (x.shape.length === shape.length && x.shape.every((n, i) => n === shape[i])) return x;
    const attributes = [this.#typeOf(x), this.#index('Tshape')];
    return this.run('Reshape', attributes, [x, this.ints(shape)])[0]!;
  }
  transpose(x: Handle, order: readonly number[]): Handle {
    return this.run('Transpose', [this.#float, this.#index('Tperm')], [x, this.ints(order)])[0]!;
  }
  slice(x: Handle, begin: readonly number[], size: readonly number[]): Handle {
    if (size.every((n, axis) => n === x.shape[axis])) return x;
    const attributes = [this.#typeOf(x), this.#index('Index')];
    return this.run('Slice', attributes, [x, this.ints(begin), this.ints(size)])[0]!;
  }
  concat(parts: Handle[], axis: number): Handle {
    if (parts.length === 1) return parts[0]!;
    const attributes = [this.#int('N', parts.length), this.#float, this.#index('Tidx')];
    return this.run('ConcatV2', attributes, [...parts, this.ints([axis], [])])[0]!;
  }
  tile(x: Handle, times: readonly number[]): Handle {
    return this.run('Tile', [this.#float, this.#index('Tmultiples')], [x, this.ints(times)])[0]!;
  }
  /** Zeros before and after, per axis. */
  pad(x: Handle, around: readonly (readonly [number, number])[]): Handle {
    if (around.flat().every((n) => n === 0)) return x;
    const attributes = [this.#float, this.#index('Tpaddings')];
    return this.run('Pad', attributes, [x, this.ints(around.flat(), [around.length, 2])])[0]!;
  }
  /** Moves elements along the last axis of a matrix, those that leave come in at the other end. */
  roll(x: Handle, shift: number): Handle {
    const types = [this.#typeOf(x), this.#index('Tshift'), this.#index('Taxis')];
    return this.run('Roll', types, [x, this.ints([shift]), this.ints([1])])[0]!;
  }
  stack(parts: Handle[]): Handle {
    return this.run('Pack', [this.#int('N', parts.length), this.#float, this.#int('axis', 0)], parts)[0]!;
  }
  unstack(x: Handle): Handle[] {
    const count = x.shape[0]!;
    return this.run('Unpack', [this.#int('num', count), this.#float, this.#int('axis', 0)], [x], count);
  }
  /** Elements or rows of x by index. */
  gather(x: Handle, indices: Handle): Handle {
    const types = [this.#type('Tparams', x.dtype), this.#index('Tindices'), this.#index('Taxis')];
    return this.run('GatherV2', [...types, this.#int('batch_dims', 0)], [x, indices, this.ints([0], [])])[0]!;
  }
  /** Sums rows of x that share an index: -> [rows, ...]. */
  segmentSum(x: Handle, indices: Handle, rows: number): Handle {
    const types = [this.#typeOf(x), this.#index('Tindices'), this.#index('Tnumsegments')];
    return this.run('UnsortedSegmentSum', types, [x, indices, this.ints([rows], [])])[0]!;
  }

  /**
   * A resource variable with these contents, which it may write in place once they are nobody else's.
   * TensorFlow keeps a kernel for ever for each set of attributes it has seen: hence few names, and one shape for all.
   */
  resource(contents: Handle, name: number): Handle {
    const { TF_ATTR_SHAPE, TF_ATTR_STRING } = this.#binding;
    const [variable] = this.run(
      'VarHandleOp',
      [
        { name: 'container', type: TF_ATTR_STRING, value: '' },
        { name: 'shared_name', type: TF_ATTR_STRING, value: `tinygpt-${name}` },
        this.#type('dtype', this.#binding.TF_FLOAT),
        { name: 'shape', type: TF_ATTR_SHAPE, value: [] },
      ],
      [],
    );
    this.run('AssignVariableOp', [this.#type('dtype', this.#binding.TF_FLOAT)], [variable!, contents], 0);
    return variable!;
  }
  /** The contents of a resource variable, which ends. */
  contents(variable: Handle): Handle {
    const [value] = this.run('ReadVariableOp', [this.#type('dtype', this.#binding.TF_FLOAT)], [variable]);
    this.run('DestroyResourceOp', [this.#flag('ignore_lookup_error', true)], [variable], 0);
    return value!;
  }
  /** TensorFlow's ResourceApplyAdam: var, m, v; beta1^t, beta2^t, lr, beta1, beta2, epsilon. */
  adam(variables: Handle[], numbers: number[], grad: Handle): void {
    const flags = [this.#flag('use_locking', false), this.#flag('use_nesterov', false)];
    const scalars = numbers.map((value) => this.scalar(value));
    this.run('ResourceApplyAdam', [this.#float, ...flags], [...variables, ...scalars, grad], 0);
  }
}

/** Stands for contents that a resource has meanwhile. */
const NOTHING = new Float32Array();
