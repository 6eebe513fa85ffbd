// The kernels of this folder by the names that src/ops and src/optim know them under.

import { causalAttention, causalAttentionGrad } from './attention.js';
import { registerKernels } from './eager.js';
import { lmHeadCrossEntropy } from './lmHead.js';
import { adamwStep, muonStep } from './optimizers.js';
import {
  embedding,
  embeddingGrad,
  linear,
  linearGrad,
  rmsNorm,
  rmsNormGrad,
  rotaryQkNorm,
  rotaryQkNormGrad,
} from './rows.js';

/** Registers them for the `tensorflow` backend; may be called again. */
export function registerTensorflowKernels(): void {
  registerKernels({
    AdamWStep: adamwStep,
    CausalAttention: causalAttention,
    CausalAttentionGrad: causalAttentionGrad,
    Embedding: embedding,
    EmbeddingGrad: embeddingGrad,
    Linear: linear,
    LinearGrad: linearGrad,
    LmHeadCrossEntropy: lmHeadCrossEntropy,
    MuonStep: muonStep,
    RmsNorm: rmsNorm,
    RmsNormGrad: rmsNormGrad,
    RotaryQkNorm: rotaryQkNorm,
    RotaryQkNormGrad: rotaryQkNormGrad,
  });
}
