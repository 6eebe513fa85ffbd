// What the proof measures, and the same for the PyTorch peer.

import { windowSizes } from '../../src/model/config.js';
import type { ResolvedConfig, TrainConfig } from '../../src/train/config.js';
import { presetConfig } from '../../src/train/presets.js';

/** Everything tiny, to try the script itself without a GPU. */
const TINY: Partial<TrainConfig> = {
  depth: 2,
  width: 64,
  headDim: 32,
  vocabSize: 300,
  seqLen: 32,
  deviceBatchSize: 2,
  totalBatchSize: 64,
  evalTokens: 64,
};

/** Depth 4, width 256, 2,048 tokens a step: so little work that launches dominate. */
const SMALL: TrainConfig = {
  ...presetConfig('autoresearch'),
  depth: 4,
  width: 256,
  headDim: 64,
  vocabSize: 4096,
  seqLen: 256,
  deviceBatchSize: 8,
  totalBatchSize: 2048,
};

/** Configurations whose speed is measured, the most telling first. */
export const speedConfigs = (tiny: boolean): Record<string, TrainConfig> => ({
  autoresearch: { ...presetConfig('autoresearch'), ...(tiny && TINY) },
  tinystories: { ...presetConfig('tinystories'), ...(tiny && TINY), ...(tiny && { totalBatchSize: 128 }) },
  small: { ...SMALL, ...(tiny && TINY) },
});

/** The run whose losses are compared: `small` in larger steps. */
export const lossConfig = (tiny: boolean): TrainConfig => ({
  ...SMALL,
  vocabSize: 2048,
  deviceBatchSize: 32,
  totalBatchSize: 8192,
  ...(tiny && { ...TINY, width: 128, headDim: 64 }),
});

/** Shape of one attention. */
export interface AttentionCase {
  batch: number;
  seq: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  window: number;
}

/** Attention of the `autoresearch` preset at 64 k tokens, full and with the short window. */
export function attentionCases(tiny: boolean): AttentionCase[] {
  const [lengths, tokens, heads, headDim] = tiny
    ? [[32, 64], 128, 2, 32]
    : [[512, 1024, 2048], 65_536, 4, 128];
  return lengths.flatMap((seq) =>
    [seq, seq / 2].map((window) => ({ batch: tokens / seq, seq, heads, kvHeads: heads, headDim, window })),
  );
}

/** A configuration as peer.py takes it. */
export function peerSizes({ config, model, optimizer, accumulation }: ResolvedConfig): object {
  return {
    batch: config.deviceBatchSize,
    seq: config.seqLen,
    layers: model.depth,
    width: model.width,
    heads: model.heads,
    kvHeads: model.kvHeads,
    vocab: model.vocabSize,
    windows: windowSizes(model),
    softcap: model.softcap,
    ropeBase: model.ropeBase,
    valueEmbeds: model.valueEmbeds,
    accumulation,
    warmdownRatio: optimizer.warmdownRatio,
    rates: {
      embedding: optimizer.embeddingLr,
      unembedding: optimizer.unembeddingLr,
      matrix: optimizer.matrixLr,
      scalar: optimizer.scalarLr,
      weightDecay: optimizer.weightDecay,
    },
  };
}
