// The fused kernels' cases of the self-test, so that a chip or driver on which a kernel goes wrong is found before
// anything is trained with it.

import type { SelfCheck } from '../types.js';
import { differentiable } from './case.js';
import {
  attention,
  embedding,
  gated,
  head,
  linear,
  mixedNorm,
  mlp,
  norm,
  residual,
  rotary,
  selfAttention,
  squaredRelu,
} from './model.js';
import { adamw, muon } from './optimizers.js';

/**
 * The cases. Their shapes share macros, since every kernel that they take is compiled; a head of 64 numbers goes through
 * the tensor cores in bf16.
 */
export function fusedChecks(): SelfCheck[] {
  const cases = [
    linear(70, 48, 40),
    norm(48),
    rotary(),
    attention(64),
    gated(),
    squaredRelu(),
    residual(),
    head(),
    embedding(),
  ];
  return [...cases.map(differentiable), adamw(), muon(24, 16), muon(8, 16)];
}

/** Those of what a library may compute instead of kernels, by subject. */
export const cudnnChecks = () => ({
  attention: [attention(64), selfAttention(64, 36)].map(differentiable),
  MLP: [mlp(48, 40)].map(differentiable),
});

/** Those of kernels that do the work of several, which not every backend has. */
export const joinedChecks = (): SelfCheck[] =>
  [mixedNorm(48), mixedNorm(48, true), selfAttention(64, 48, 32), selfAttention(64, 36), mlp(48, 40)].map(
    differentiable,
  );
