// The contract between the model and the backends: every fused kernel that src/ops and src/optim may ask for, declared
// once. A backend registers those it has (register.ts); for the others the caller composes stock operations. The types of
// callers and of the backends' tables follow from these declarations, and tests check every backend's shapes.
//
// Shapes in letters, each kernel's own: B batch, T sequence, N = B T tokens, C width, H heads, G kv heads, D head width,
// V vocabulary, L layers; `[...]` is any shape, the same throughout a kernel. Tensors are float32 unless marked int32. An
// attribute given as a letter is that size. Inputs and outputs with a question mark are absent in some cases, `name#` is as
// many inputs as there are: name0, name1 and so on. A gradient's `sum` is what other operations gave to the same tensor's
// gradient so far. A `sum` is given only to backends that declare `addsSums` (capabilities.ts).

import type * as tf from '@tensorflow/tfjs-core';

const ATTENTION = { batch: 'B', seq: 'T', heads: 'H', kvHeads: 'G', window: 'number' } as const;
const SELF_ATTENTION = {
  x: '[N,C]',
  wq: '[H*D,C]',
  wk: '[G*D,C]',
  wv: '[G*D,C]',
  cos: '[T,D/2]',
  sin: '[T,D/2]',
  've?': '[N,G*D]',
  'gateWeight?': '[G,K]',
} as const;
const MIX = { x: '[N,C]', x0: '[N,C]', residLambdas: '[L]', x0Lambdas: '[L]' } as const;

export const FUSED_KERNELS = {
  /** y = x w^T, or sum + x w^T, which stays float32 in any precision. */
  Linear: { inputs: { x: '[N,I]', w: '[O,I]', 'sum?': '[N,O]' }, attrs: {}, outputs: ['y [N,O]'] },
  LinearGrad: {
    inputs: { x: '[N,I]', w: '[O,I]', dy: '[N,O]', 'sum?': '[N,I]' },
    attrs: {},
    outputs: ['dx [N,I]', 'dw [O,I]'],
  },

  /** y = x rstd with rstd = rsqrt(mean(x^2) + epsilon) of each row. `residual`: y stays float32 in any precision. */
  RmsNorm: {
    inputs: { x: '[N,C]' },
    attrs: { epsilon: 'number', residual: 'boolean' },
    outputs: ['y [N,C]', 'rstd [N,1]'],
  },
  RmsNormGrad: {
    inputs: { y: '[N,C]', rstd: '[N,1]', dy: '[N,C]', 'sum?': '[N,C]' },
    attrs: {},
    outputs: ['dx [N,C]'],
  },

  /** The rows of each head rotated by the angles of their positions, row n at position n mod T, then normed by head. */
  RotaryQkNorm: {
    inputs: { x: '[N,H*D]', cos: '[T,D/2]', sin: '[T,D/2]' },
    attrs: { heads: 'H', epsilon: 'number' },
    outputs: ['y [N,H*D]', 'rstd [N*H,1]'],
  },
  RotaryQkNormGrad: {
    inputs: { y: '[N,H*D]', rstd: '[N*H,1]', cos: '[T,D/2]', sin: '[T,D/2]', dy: '[N,H*D]' },
    attrs: { heads: 'H' },
    outputs: ['dx [N,H*D]'],
  },

  /** softmax(q k^T / sqrt(D)) v within the window; lse is the log of each row's sum of exponentials of scaled scores. */
  CausalAttention: {
    inputs: { q: '[N,H*D]', k: '[N,G*D]', v: '[N,G*D]' },
    attrs: ATTENTION,
    outputs: ['y [N,H*D]', 'lse [N,H]'],
  },
  CausalAttentionGrad: {
    inputs: { q: '[N,H*D]', k: '[N,G*D]', v: '[N,G*D]', y: '[N,H*D]', lse: '[N,H]', dy: '[N,H*D]' },
    attrs: ATTENTION,
    outputs: ['dq [N,H*D]', 'dk [N,G*D]', 'dv [N,G*D]'],
  },

  /** y = v + gate ve by head, gate = 2 sigmoid(x[:, :K] gateWeight^T). The gradient of v is dy. */
  GatedValueEmbedding: {
    inputs: { v: '[N,G*D]', ve: '[N,G*D]', x: '[N,C]', gateWeight: '[G,K]' },
    attrs: {},
    outputs: ['y [N,G*D]', 'gate [N,G]'],
  },
  GatedValueEmbeddingGrad: {
    inputs: { ve: '[N,G*D]', x: '[N,C]', gateWeight: '[G,K]', gate: '[N,G]', dy: '[N,G*D]' },
    attrs: {},
    outputs: ['dve [N,G*D]', 'dx [N,C]', 'dGateWeight [G,K]'],
  },

  /**
   * y = CausalAttention of q = RotaryQkNorm of x wq^T, k = RotaryQkNorm of x wk^T, and v = x wv^T, with `ve` and `gateWeight`
   * GatedValueEmbedding of that. `qkv` has the three side by side.
   */
  SelfAttention: {
    inputs: SELF_ATTENTION,
    attrs: { ...ATTENTION, epsilon: 'number' },
    outputs: ['y [N,H*D]', 'qkv [N,_]', 'rstd [N,_]', 'lse [N,H]', 'gate? [N,G]'],
  },
  SelfAttentionGrad: {
    inputs: {
      ...SELF_ATTENTION,
      y: '[N,H*D]',
      qkv: '[N,_]',
      rstd: '[N,_]',
      lse: '[N,H]',
      'gate?': '[N,G]',
      dy: '[N,H*D]',
    },
    attrs: ATTENTION,
    outputs: ['dx [N,C]', 'dwq [H*D,C]', 'dwk [G*D,C]', 'dwv [G*D,C]', 'dve? [N,G*D]', 'dGateWeight? [G,K]'],
  },

  /** y = max(x, 0)^2. Its gradient is 2 sqrt(y) dy: y is kept anyway, by what follows. */
  ReluSquared: { inputs: { x: '[...]' }, attrs: {}, outputs: ['y [...]'] },
  ReluSquaredGrad: { inputs: { y: '[...]', dy: '[...]' }, attrs: {}, outputs: ['dx [...]'] },

  /** y = sum + hidden wProj^T, which stays float32 in any precision, with hidden = ReluSquared of x wFc^T. */
  ReluSquaredMlp: {
    inputs: { x: '[N,C]', wFc: '[M,C]', wProj: '[O,M]', sum: '[N,O]' },
    attrs: {},
    outputs: ['y [N,O]', 'hidden [N,M]'],
  },
  ReluSquaredMlpGrad: {
    inputs: { x: '[N,C]', wFc: '[M,C]', wProj: '[O,M]', hidden: '[N,M]', dy: '[N,O]', 'sum?': '[N,C]' },
    attrs: {},
    outputs: ['dx [N,C]', 'dwFc [M,C]', 'dwProj [O,M]'],
  },

  /** y = residLambdas[layer] x + x0Lambdas[layer] x0. */
  ResidualMix: {
    inputs: MIX,
    attrs: { layer: 'number' },
    outputs: ['y [N,C]'],
  },
  ResidualMixGrad: {
    inputs: {
      ...MIX,
      dy: '[N,C]',
      'sum0?': '[N,C]',
    },
    attrs: { layer: 'number' },
    outputs: ['dx [N,C]', 'dx0 [N,C]', 'dResidLambdas [L]', 'dX0Lambdas [L]'],
  },

  /** mixed = ResidualMix of x and x0, y = RmsNorm of mixed. */
  ResidualMixNorm: {
    inputs: MIX,
    attrs: { layer: 'number', epsilon: 'number' },
    outputs: ['mixed [N,C]', 'y [N,C]', 'rstd [N,1]'],
  },
  ResidualMixNormGrad: {
    inputs: {
      ...MIX,
      y: '[N,C]',
      rstd: '[N,1]',
      dMixed: '[N,C]',
      dy: '[N,C]',
      'sum0?': '[N,C]',
    },
    attrs: { layer: 'number' },
    outputs: ['dx [N,C]', 'dx0 [N,C]', 'dResidLambdas [L]', 'dX0Lambdas [L]'],
  },

  /** Rows of the table by id. `residual`: as of RmsNorm. */
  Embedding: {
    inputs: { table: '[V,W]', ids: 'int32 [N]' },
    attrs: { residual: 'boolean' },
    outputs: ['y [N,W]'],
  },
  EmbeddingGrad: {
    inputs: { ids: 'int32 [N]', dy: '[N,W]' },
    attrs: { rows: 'V' },
    outputs: ['dTable [V,W]'],
  },

  /**
   * Cross-entropy in nats, at least 0, of softmax(softcap tanh(x w^T / softcap)) against targets in [0, V), or -1 to
   * ignore the token; a scalar, or [N] for reduction `none`. `withGrad`, for mean and sum only: also the gradients of the
   * loss.
   */
  LmHeadCrossEntropy: {
    inputs: { x: '[N,C]', w: '[V,C]', targets: 'int32 [N]' },
    attrs: { softcap: 'number', reduction: 'reduction', withGrad: 'boolean', maxLogitsBytes: 'number?' },
    outputs: ['loss', 'dx? [N,C]', 'dw? [V,C]'],
  },

  /** (sum + x) factor; may write into `sum`, which is not used any more. */
  Accumulate: { inputs: { sum: '[...]', x: '[...]' }, attrs: { factor: 'number' }, outputs: ['total [...]'] },

  /** The step of src/optim/adamw.ts, the first three tensors written in place. */
  AdamWStep: {
    inputs: { param: '[...]', expAvg: '[...]', expAvgSq: '[...]', grad: '[...]' },
    attrs: {
      lr: 'number',
      beta1: 'number',
      beta2: 'number',
      eps: 'number',
      weightDecay: 'number',
      step: 'number',
    },
    outputs: [],
  },

  /**
   * The step of src/optim/muon.ts for `count` matrices of one shape; parameters and state are written in place. The second
   * moment is [K,R,1] for R >= S, else [K,1,S].
   */
  MuonStep: {
    inputs: { 'param#': '[R,S]', 'grad#': '[R,S]', momentum: '[K,R,S]', secondMoment: '[K,_,_]' },
    attrs: {
      count: 'K',
      lr: 'number',
      momentum: 'number',
      beta2: 'number',
      weightDecay: 'number',
      nsSteps: 'number',
    },
    outputs: [],
  },
} as const satisfies Readonly<Record<string, Declaration>>;

interface Declaration {
  inputs: Readonly<Record<string, string>>;
  attrs: Readonly<Record<string, string>>;
  outputs: readonly string[];
}

/** Types of attributes by the word in the declaration: any other, and a letter, is a number. */
interface AttributeTypes {
  boolean: boolean;
  reduction: 'none' | 'mean' | 'sum';
}

type Kernels = typeof FUSED_KERNELS;
export type KernelName = keyof Kernels;

/** A kernel's inputs by name, each a T. */
export type KernelInputs<K extends KernelName, T> = {
  [I in keyof Kernels[K]['inputs'] as I extends `${string}?`
    ? never
    : I extends `${infer Name}#`
      ? `${Name}${number}`
      : I]: T;
} & { [I in keyof Kernels[K]['inputs'] as I extends `${infer Name}?` ? Name : never]?: T };

/** A kernel's attributes by name. */
export type KernelAttributes<K extends KernelName> = Attributes<Kernels[K]['attrs']>;
type Attributes<A> = {
  [N in keyof A as A[N] extends `${string}?` ? never : N]: AttributeOf<A[N]>;
} & { [N in keyof A as A[N] extends `${string}?` ? N : never]?: AttributeOf<A[N]> };
type AttributeOf<Word> = Word extends keyof AttributeTypes ? AttributeTypes[Word] : number;

/** Sizes of an attention: batch B, seq T, heads H, kvHeads G (a divisor of H), window in tokens. */
export type AttentionShape = KernelAttributes<'CausalAttention'>;

/** N, C, G, D and K of a gated value embedding. */
export function gatedSizes(
  ve: tf.TensorInfo,
  x: tf.TensorInfo,
  gateWeight: tf.TensorInfo,
): [number, number, number, number, number] {
  const [rows, width] = ve.shape as [number, number];
  const [kvHeads, channels] = gateWeight.shape as [number, number];
  return [rows, x.shape[1]!, kvHeads, width / kvHeads, channels];
}

/** A kernel's outputs in order, each a T. */
export type KernelOutputs<K extends KernelName, T = tf.TensorInfo> = Outputs<Kernels[K]['outputs'], T>;
type Outputs<O, T> = O extends readonly [infer First, ...infer Rest]
  ? First extends `${string}?${string}`
    ? [T?, ...Outputs<Rest, T>]
    : [T, ...Outputs<Rest, T>]
  : [];

/** A kernel's outputs as tensors of their ranks. */
export type KernelTensors<K extends KernelName> = Tensors<Kernels[K]['outputs']>;
type Tensors<O> = O extends readonly [infer First, ...infer Rest]
  ? First extends `${string}?${string}`
    ? [TensorOf<First>?, ...Tensors<Rest>]
    : [TensorOf<First>, ...Tensors<Rest>]
  : [];
type TensorOf<S> = S extends `${string}[${infer Sizes}]`
  ? Sizes extends '...'
    ? tf.Tensor
    : Sizes extends `${string},${string}`
      ? tf.Tensor2D
      : tf.Tensor1D
  : tf.Tensor;

/** A call as a backend's kernel gets it. */
export interface KernelCall<K extends KernelName> {
  inputs: KernelInputs<K, tf.TensorInfo>;
  attrs: KernelAttributes<K>;
}

/** A backend's kernel: `Context` is what the backend passes besides the call. */
export type FusedKernel<K extends KernelName, Context> = (call: KernelCall<K> & Context) => KernelOutputs<K>;

/** The fused kernels of a backend. */
export type FusedTable<Context> = { readonly [K in KernelName]?: FusedKernel<K, Context> };

/** A backend's kernels as its files export them: under the contract's names in camelCase. */
type KernelExports<Context> = {
  readonly [K in KernelName as Uncapitalize<K>]: FusedKernel<K, Context>;
};

/** The table of a backend's kernels; other exports of its files are left out. */
export function fusedTable<Context>(kernels: KernelExports<Context>): Required<FusedTable<Context>>;
export function fusedTable<Context>(kernels: Partial<KernelExports<Context>>): FusedTable<Context>;
export function fusedTable(kernels: Readonly<Record<string, unknown>>): FusedTable<never> {
  const names = Object.keys(FUSED_KERNELS).map(
    (name) => [name, name[0]!.toLowerCase() + name.slice(1)] as const,
  );
  return Object.fromEntries(names.flatMap(([name, own]) => (own in kernels ? [[name, kernels[own]]] : [])));
}
