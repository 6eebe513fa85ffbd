// The sizes of a GPT and what follows from them: parameter names and shapes, attention windows, the layers with value
// embeddings. Source: class GPTConfig and GPT of karpathy/autoresearch's train.py.
//
// L layers, H query heads, G kv heads, C width, D head width, V vocabulary, T sequence.

import { expect } from '../base/errors.js';
import { asValid, isCount, type Valid } from '../base/valid.js';
import { ngramTables } from './ngrams.js';

/** Functions of the MLP: squared ReLU (the reference), GELU, or SwiGLU with two matrices of two thirds of the width. */
export const ACTIVATIONS = ['reluSquared', 'gelu', 'swiglu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** Sizes and constants of the model. */
export interface ModelConfig {
  /** V, ids in the vocabulary. */
  vocabSize: number;
  /** T, tokens per row. */
  seqLen: number;
  /** L. */
  depth: number;
  /** H, query heads. */
  heads: number;
  /** G, key and value heads; divides H. */
  kvHeads: number;
  /** C, residual width; a multiple of H. */
  width: number;
  /** One letter a layer, repeated: `L` sees T tokens back, `S` a fraction; the last layer is always `L`. */
  windowPattern: string;
  /** Short window as a fraction of T (the reference: 1/2). */
  shortWindowFraction: number;
  /** Base of the rotary frequencies. */
  ropeBase: number;
  /** Logits are softcap * tanh(logits / softcap). */
  softcap: number;
  /** Value embeddings on every `valueEmbedStride`-th layer, the last included. */
  valueEmbeds: boolean;
  /** 2 in the reference; 1: on every layer. */
  valueEmbedStride: number;
  /** Rows of the hashed embeddings of each token with the one before it, and with the two before it; 0: none. */
  bigramRows: number;
  trigramRows: number;
  activation: Activation;
  /** Whether queries and keys are normalized per head. */
  qkNorm: boolean;
  /** The head's matrix is the token embedding, divided by the width. */
  tiedHead: boolean;
  /** Factor on the initial range of the block matrices and value embeddings. */
  initScale: number;
  /** Initial value of every x0_lambda. */
  x0Init: number;
  /** Initial value of every resid_lambda. */
  residInit: number;
}

/** The reference's constants; sizes are the caller's. */
export const MODEL_DEFAULTS = {
  windowPattern: 'SSSL',
  shortWindowFraction: 0.5,
  ropeBase: 10_000,
  softcap: 15,
  valueEmbeds: true,
  valueEmbedStride: 2,
  bigramRows: 0,
  trigramRows: 0,
  activation: 'reluSquared',
  qkNorm: true,
  tiedHead: false,
  initScale: 1,
  x0Init: 0.1,
  residInit: 1,
} as const;

/** Channels of the residual stream that the value gate reads (`ve_gate_channels`). */
export const GATE_CHANNELS = 32;

/** D, width of a head. */
export const headDim = (config: ModelConfig): number => config.width / config.heads;

/** Width of keys and of values, G * D. */
export const kvDim = (config: ModelConfig): number => config.kvHeads * headDim(config);

/** Whether layer `layer` has a value embedding: every `valueEmbedStride`-th, the last layer always. */
export const hasValueEmbedding = (config: ModelConfig, layer: number): boolean =>
  config.valueEmbeds && (config.depth - 1 - layer) % config.valueEmbedStride === 0;

/** Width of the MLP: 4 C, or for SwiGLU about 8/3 C, so that three matrices have as many weights as two. */
export const mlpWidth = ({ activation, width }: ModelConfig): number =>
  activation === 'swiglu' ? 8 * Math.round(width / 3) : 4 * width;

/** The window of each layer: query i sees keys j with i - window <= j <= i. Tokens, [L]. */
export function windowSizes(config: ModelConfig): number[] {
  const pattern = config.windowPattern.toUpperCase();
  const short = Math.max(1, Math.floor(config.seqLen * config.shortWindowFraction));
  return Array.from({ length: config.depth }, (_, layer) => {
    const last = layer === config.depth - 1;
    return last || pattern[layer % pattern.length] === 'L' ? config.seqLen : short;
  });
}

/**
 * What a parameter is for: decides its initial values, its optimizer and how it is counted. Of a block's matrices,
 * `projection` writes to the residual stream and starts at zero, `gate` gates the value embedding, `matrix` is the rest.
 */
export type ParameterRole =
  | 'embedding'
  | 'ngramEmbedding'
  | 'valueEmbedding'
  | 'head'
  | 'matrix'
  | 'projection'
  | 'gate'
  | 'residScalar'
  | 'x0Scalar';

/**
 * A parameter's name in the reference's state dict, its shape (matrices are [out, in]), its size, its role, and the layer
 * that it belongs to, null outside of the layers.
 */
export type ParameterShape = {
  name: string;
  shape: number[];
  size: number;
  role: ParameterRole;
  layer: number | null;
};

/** Whether a role is that of a block's matrices, which Muon trains. */
export const isBlockMatrix = (role: ParameterRole): boolean =>
  role === 'matrix' || role === 'projection' || role === 'gate';

/** All parameters in the order of the reference's `model.parameters()`. */
export function parameterShapes(config: ModelConfig): ParameterShape[] {
  const { depth: L, width: C, vocabSize: V } = config;
  const kv = kvDim(config);
  const hidden = mlpWidth(config);
  const shapes: ParameterShape[] = [];
  const add = (role: ParameterRole, layer: number | null, name: string, ...shape: number[]) =>
    shapes.push({ name, shape, size: shape.reduce((a, b) => a * b, 1), role, layer });
  add('residScalar', null, 'resid_lambdas', L);
  add('x0Scalar', null, 'x0_lambdas', L);
  add('embedding', null, 'transformer.wte.weight', V, C);
  for (const { name, rows } of ngramTables(config)) add('ngramEmbedding', null, name, rows, C);
  for (let i = 0; i < L; i++) {
    const block = `transformer.h.${i}`;
    add('matrix', i, `${block}.attn.c_q.weight`, C, C);
    add('matrix', i, `${block}.attn.c_k.weight`, kv, C);
    add('matrix', i, `${block}.attn.c_v.weight`, kv, C);
    add('projection', i, `${block}.attn.c_proj.weight`, C, C);
    if (hasValueEmbedding(config, i))
      add('gate', i, `${block}.attn.ve_gate.weight`, config.kvHeads, GATE_CHANNELS);
    if (config.activation === 'swiglu') add('matrix', i, `${block}.mlp.c_gate.weight`, hidden, C);
    add('matrix', i, `${block}.mlp.c_fc.weight`, hidden, C);
    add('projection', i, `${block}.mlp.c_proj.weight`, C, hidden);
  }
  if (!config.tiedHead) add('head', null, 'lm_head.weight', V, C);
  for (let i = 0; i < L; i++)
    if (hasValueEmbedding(config, i)) add('valueEmbedding', i, `value_embeds.${i}.weight`, V, kv);
  return shapes;
}

/** Sizes, and those constants that differ from MODEL_DEFAULTS. */
export type ModelSizes = Omit<ModelConfig, keyof typeof MODEL_DEFAULTS> & Partial<ModelConfig>;

/**
 * Fills in the reference's constants and checks that the sizes fit together.
 * @throws UsageError naming the values and the option to change
 */
export function modelConfig(sizes: ModelSizes): Valid<ModelConfig> {
  const config: ModelConfig = { ...MODEL_DEFAULTS, ...sizes };
  const { width, heads, kvHeads, depth, seqLen, vocabSize } = config;
  for (const [name, value] of Object.entries({ depth, heads, kvHeads, width, vocabSize, seqLen }))
    expect(isCount(value), () => `Expected ${name} to be an integer >= 1, got ${value}`);
  expect(
    width % heads === 0,
    () => `Expected width to be a multiple of heads, got ${width} and ${heads}; set --head-dim or --heads`,
  );
  expect(
    headDim(config) % 2 === 0,
    () =>
      `Expected an even head size for rotary embeddings, got ${headDim(config)} (width ${width} / heads ${heads}); set --head-dim`,
  );
  expect(
    heads % kvHeads === 0,
    () => `Expected heads to be a multiple of kvHeads, got ${heads} and ${kvHeads}; set --kv-heads`,
  );
  expect(
    !config.valueEmbeds || width >= GATE_CHANNELS,
    () =>
      `Expected width >= ${GATE_CHANNELS} (the value gate reads ${GATE_CHANNELS} channels), got ${width}; set --width or --no-value-embeds`,
  );
  expect(
    /^[SL]+$/i.test(config.windowPattern),
    () =>
      `Expected the window pattern to be letters S and L, got "${config.windowPattern}"; set --window-pattern SSSL`,
  );
  const fraction = config.shortWindowFraction;
  expect(
    fraction > 0 && fraction <= 1,
    () => `Expected the short window fraction in (0, 1], got ${fraction}; set --short-window-fraction`,
  );
  const { activation, valueEmbedStride } = config;
  expect(
    ACTIVATIONS.includes(activation),
    () => `Expected activation to be one of ${ACTIVATIONS.join(', ')}, got "${activation}"`,
  );
  expect(
    isCount(valueEmbedStride),
    () => `Expected valueEmbedStride to be an integer >= 1, got ${valueEmbedStride}`,
  );
  for (const name of ['bigramRows', 'trigramRows'] as const) {
    const rows = config[name];
    expect(
      rows === 0 || (isCount(rows) && rows <= 2 ** 24 && Number.isInteger(Math.log2(rows))),
      () => `Expected ${name} to be 0 or a power of two up to 2^24, got ${rows}`,
    );
  }
  const { ropeBase, softcap, initScale, x0Init, residInit } = config;
  for (const [name, value] of Object.entries({ ropeBase, softcap, initScale }))
    expect(value > 0 && Number.isFinite(value), () => `Expected ${name} to be > 0, got ${value}`);
  for (const [name, value] of Object.entries({ x0Init, residInit }))
    expect(Number.isFinite(value), () => `Expected ${name} to be finite, got ${value}`);
  return asValid(config);
}
