// The compiled kernels as functions. Arrays are passed as `void *`: koffi then hands over their address, no copy.
// Sizes are whole numbers; what each function computes stands above it in kernels/native/*.c.

import type { Cells } from '../flat/store.js';

type Argument = number | Cells | null;
type NativeFunction = (...args: Argument[]) => number;

/** C's `long` (l), `int` (i), `float` (f) and pointer (p) arguments of each function, and what it returns. */
const SIGNATURES = {
  tg_set_threads: ['int', 'i'],
  tg_set_bf16: ['int', 'i'],
  tg_parameter: ['void', 'p'],
  tg_forget_parameters: ['void', ''],
  tg_batch_matmul: ['int', 'iillllplplp'],
  tg_linear: ['int', 'illlppp'],
  tg_linear_grad: ['int', 'illlppppp'],
  tg_rms_norm: ['void', 'illfppp'],
  tg_rms_norm_grad: ['void', 'illpppp'],
  tg_rotary: ['void', 'illllfppppp'],
  tg_rotary_grad: ['void', 'illllpppppp'],
  tg_value_embedding: ['void', 'illlllpppppp'],
  tg_value_embedding_grad: ['int', 'illlllpppppppp'],
  tg_embedding: ['long', 'lllppp'],
  tg_embedding_grad: ['void', 'lllppp'],
  tg_binary: ['void', 'iilppp'],
  tg_widen: ['void', 'lpp'],
  tg_affine: ['void', 'lffpp'],
  tg_accumulate: ['void', 'lfpp'],
  tg_reduce: ['int', 'illlpp'],
  tg_tanh: ['void', 'lpp'],
  tg_relu_squared: ['void', 'ilpp'],
  tg_relu_squared_grad: ['void', 'ilppp'],
  tg_residual_mix: ['void', 'llppppp'],
  tg_residual_mix_grad: ['int', 'lllppppppppp'],
  tg_attention: ['int', 'illllllppppp'],
  tg_attention_grad: ['int', 'illllllppppppppp'],
  tg_lm_head: ['long', 'illlfipppppp'],
  tg_adamw: ['void', 'lffffffpppp'],
  tg_muon_matrix: ['int', 'lpp'],
  tg_muon: ['int', 'lllffffipp'],
} as const;

const TYPES: Record<string, string> = { l: 'long', i: 'int', f: 'float', p: 'void *' };

/** The functions of kernels/native by their names in C. */
export type Library = Record<keyof typeof SIGNATURES, NativeFunction>;

/** Loads a compiled library. @throws when koffi or the library cannot be loaded */
export async function loadLibrary(path: string): Promise<Library> {
  const { default: koffi } = await import('../koffi.js');
  const library = koffi.load(path);
  const functions = Object.entries(SIGNATURES).map(([name, [result, letters]]) => {
    const types = [...letters].map((letter) => TYPES[letter]!);
    return [name, library.func(name, result, types)] as const;
  });
  return Object.fromEntries(functions) as unknown as Library;
}

/** The start of an error's message that tells the rest of the project what happened. */
export const OUT_OF_MEMORY = 'Out of memory for the scratch space of';

/** @throws when a kernel reports that it had no memory */
export function assertMemory(outcome: number, kernel: string): void {
  if (outcome === 0) throw new Error(`${OUT_OF_MEMORY} ${kernel}; make batch or model smaller`);
}
