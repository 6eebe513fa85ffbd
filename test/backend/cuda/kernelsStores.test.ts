// The machine code of kernels that are bound by memory: every store in their loops moves 8 or 16 bytes per thread. Read with
// NVIDIA's disassembler ($TINYGPT_NVDISASM, else `nvdisasm` in the path; PyPI: nvidia-cuda-nvdisasm) from what NVRTC compiles.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findNvrtc } from './nvrtc.js';

/** Kernels by source and macros, with the stores of 4 bytes or less that they may have: one number a row, or a rest. */
const KERNELS: [string, string[], Record<string, number>][] = [
  // Of the rest: both moments, the parameter and its copy.
  ['adamw.cu', ['TEAM=256', 'VL=4'], { adamw: 4 }],
  ['cross_entropy.cu', ['TEAM=256', 'VL=4'], { cross_entropy: 2 }],
  ['cross_entropy.cu', ['TEAM=256', 'VL=8', 'ACT_BF16'], { cross_entropy: 2 }],
  ['cross_entropy.cu', ['TEAM=256', 'VL=8', 'ACT_BF16', 'HELD=4'], { cross_entropy: 3 }],
  [
    'elementwise.cu',
    ['TEAM=256', 'VL=4'],
    { accumulate: 0, relu_squared: 0, relu_squared_grad: 0, residual_mix: 0, residual_mix_grad: 0 },
  ],
  ['elementwise.cu', ['TEAM=256', 'VL=8', 'ACT_BF16'], { relu_squared: 0, relu_squared_grad: 0, to_bf16: 0 }],
  ['embedding.cu', ['TEAM=32', 'VL=4'], { embedding: 0, embedding_grad: 0 }],
  ['muon.cu', ['TEAM=256', 'VL=4', 'ACT_BF16'], { muon_momentum: 1, muon_start: 0, muon_update: 0 }],
  ['norm.cu', ['TEAM=32', 'VL=4'], { rms_norm: 1, rms_norm_grad: 0, mix_norm: 1, mix_norm_grad: 0 }],
  [
    'norm.cu',
    ['TEAM=32', 'VL=8', 'ACT_BF16'],
    { rms_norm: 1, rms_norm_grad: 0, mix_norm: 1, mix_norm_grad: 0 },
  ],
  ['rotary.cu', ['TEAM=16', 'VL=4'], { rotary: 1, rotary_grad: 0 }],
  ['rotary.cu', ['TEAM=8', 'VL=8', 'ACT_BF16'], { rotary: 1, rotary_grad: 0 }],
  ['value_embedding.cu', ['TEAM=32', 'VL=4'], { value_embedding: 1, gated_grad: 1, gate_dx: 0 }],
];

const disassembler = process.env.TINYGPT_NVDISASM ?? 'nvdisasm';

function disassemble(image: Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-sass-'));
  try {
    const file = join(folder, 'kernel.cubin');
    writeFileSync(file, image);
    return execFileSync(disassembler, ['-c', file], { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: 'pipe' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const works = () => {
  try {
    execFileSync(disassembler, ['--version'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
};

const [nvrtc] = [...(await findNvrtc()).values()];
const missing = nvrtc ? (works() ? undefined : 'nvdisasm') : 'libnvrtc';
if (!nvrtc || missing) test.skip(`loops store 8 or 16 bytes at once (${missing} was not found)`, () => {});
else
  test.each(KERNELS)('loops store 8 or 16 bytes at once: %s %j', async (source, defines, allowed) => {
    const { image, log } = await nvrtc.build(source, defines, 90);
    expect(image ? '' : log).toBe('');
    const code = disassemble(image!);
    for (const [kernel, narrow] of Object.entries(allowed)) {
      const text = code.split(/\n(?=\.text\.)/).find((part) => part.startsWith(`.text.${kernel}:`));
      const stores = text?.match(/\bSTG?\.E[A-Z0-9.]*/g) ?? [];
      expect([kernel, stores.length > narrow]).toEqual([kernel, true]);
      expect([kernel, stores.filter((store) => !/\.(64|128)\b/.test(store)).length]).toEqual([
        kernel,
        narrow,
      ]);
    }
  });
