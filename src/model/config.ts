// The shape of a GPT and everything that follows from it: parameter names and shapes, attention windows,
// which layers carry value embeddings. Source: class GPTConfig and GPT of karpathy/autoresearch's train.py.
//
// L layers, H query heads, G kv heads, C width, D head width, V vocabulary, T sequence.

import { expect } from '../base/errors.js';

/** Sizes and constants of the model. */
export interface ModelConfig {
  /** V, ids in the vocabulary. */
  vocabSize: number;
  /** T, tokens a row. */
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
  /** Value embeddings on alternating layers, the last included. */
  valueEmbeds: boolean;
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

/** Whether layer `layer` has a value embedding: alternating, the last layer always. */
export const hasValueEmbedding = (config: ModelConfig, layer: number): boolean =>
  config.valueEmbeds && layer % 2 === (config.depth - 1) % 2;

/** The window of each layer: query i sees keys j with i - window <= j <= i. Tokens, [L]. */
export function windowSizes(config: ModelConfig): number[] {
  const pattern = config.windowPattern.toUpperCase();
  const short = Math.max(1, Math.floor(config.seqLen * config.shortWindowFraction));
  return Array.from({ length: config.depth }, (_, layer) => {
    const last = layer === config.depth - 1;
    return last || pattern[layer % pattern.length] === 'L' ? config.seqLen : short;
  });
}

/** A parameter's name in the reference's state dict and its shape (matrices are [out, in]). */
export type ParameterShape = { name: string; shape: number[] };

/** All parameters in the order of the reference's `model.parameters()`. */
export function parameterShapes(config: ModelConfig): ParameterShape[] {
  const { depth: L, width: C, vocabSize: V } = config;
  const kv = kvDim(config);
  const shapes: ParameterShape[] = [
    { name: 'resid_lambdas', shape: [L] },
    { name: 'x0_lambdas', shape: [L] },
    { name: 'transformer.wte.weight', shape: [V, C] },
  ];
  for (let i = 0; i < L; i++) {
    const block = `transformer.h.${i}`;
    shapes.push({ name: `${block}.attn.c_q.weight`, shape: [C, C] });
    shapes.push({ name: `${block}.attn.c_k.weight`, shape: [kv, C] });
    shapes.push({ name: `${block}.attn.c_v.weight`, shape: [kv, C] });
    shapes.push({ name: `${block}.attn.c_proj.weight`, shape: [C, C] });
    if (hasValueEmbedding(config, i))
      shapes.push({ name: `${block}.attn.ve_gate.weight`, shape: [config.kvHeads, GATE_CHANNELS] });
    shapes.push({ name: `${block}.mlp.c_fc.weight`, shape: [4 * C, C] });
    shapes.push({ name: `${block}.mlp.c_proj.weight`, shape: [C, 4 * C] });
  }
  shapes.push({ name: 'lm_head.weight', shape: [V, C] });
  for (let i = 0; i < L; i++)
    if (hasValueEmbedding(config, i)) shapes.push({ name: `value_embeds.${i}.weight`, shape: [V, kv] });
  return shapes;
}

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;

/**
 * Checks that the sizes fit together.
 * @throws UsageError naming the values and the option to change
 */
export function validateModelConfig(config: ModelConfig): void {
  const { width, heads, kvHeads, depth, seqLen, vocabSize } = config;
  const counts = { n_layer: depth, n_head: heads, n_kv_head: kvHeads, n_embd: width, vocab_size: vocabSize };
  for (const [name, value] of Object.entries({ ...counts, sequence_len: seqLen }))
    expect(isCount(value), () => `Expected ${name} to be an integer >= 1, got ${value}`);
  expect(
    width % heads === 0,
    () => `Expected n_embd to be a multiple of n_head, got ${width} and ${heads}; set --head-dim or --heads`,
  );
  expect(
    headDim(config) % 2 === 0,
    () =>
      `Expected an even head size for rotary embeddings, got ${headDim(config)} (n_embd ${width} / n_head ${heads}); set --head-dim`,
  );
  expect(
    heads % kvHeads === 0,
    () => `Expected n_head to be a multiple of n_kv_head, got ${heads} and ${kvHeads}; set --kv-heads`,
  );
  expect(
    !config.valueEmbeds || width >= GATE_CHANNELS,
    () =>
      `Expected n_embd >= ${GATE_CHANNELS} (the value gate reads ${GATE_CHANNELS} channels), got ${width}; set --width or --no-value-embeds`,
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
  for (const [name, value] of Object.entries({ rope_base: config.ropeBase, softcap: config.softcap }))
    expect(value > 0 && Number.isFinite(value), () => `Expected ${name} to be > 0, got ${value}`);
  for (const [name, value] of Object.entries({
    init_scale: config.initScale,
    x0_init: config.x0Init,
    resid_init: config.residInit,
  }))
    expect(Number.isFinite(value), () => `Expected ${name} to be finite, got ${value}`);
  expect(config.initScale > 0, () => `Expected init_scale to be > 0, got ${config.initScale}`);
}
