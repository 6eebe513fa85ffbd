// The kernels of this folder by the names of the contract.

import type { FusedTable } from '../../contract.js';
import { registerKernels } from '../../register.js';
import { causalAttention, causalAttentionGrad } from './attention.js';
import { Eager, type NodeBackend } from './eager.js';
import type { TensorflowContext } from './kernel.js';
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

const FUSED: FusedTable<TensorflowContext> = {
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
};

/** Registers them for the `tensorflow` backend; may be called again. */
export function registerTensorflowKernels(): void {
  registerKernels({
    backendName: 'tensorflow',
    kernels: FUSED,
    call(kernel, { inputs, attrs, backend }) {
      const e = new Eager(backend as NodeBackend);
      try {
        return kernel({ inputs, attrs, e });
      } finally {
        e.end();
      }
    },
  });
}
