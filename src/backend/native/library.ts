// The compiled kernels as functions, their signatures read from the C sources (../prototypes.ts). Arrays are passed
// as `void *`: koffi then hands over their address, no copy. The comment above each function in kernels/native/*.c
// says what it computes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cells } from '../flat/store.js';
import { functionsOf } from '../prototypes.js';

type Argument = number | Cells | null;
export type NativeFunction = (...args: Argument[]) => number;

/** The functions of kernels/native by their names in C. */
export type Library = Record<`tg_${string}`, NativeFunction>;

/**
 * Loads a compiled library.
 * @param sources folder of the C files that it was compiled from
 * @throws when koffi or the library cannot be loaded
 */
export async function loadLibrary(path: string, sources: string): Promise<Library> {
  const { loadForGood } = await import('../koffi.js');
  const library = loadForGood(path);
  const functions: [string, NativeFunction][] = [];
  for (const file of readdirSync(sources).filter((name) => name.endsWith('.c')))
    for (const [name, { result, parameters }] of functionsOf(readFileSync(join(sources, file), 'utf8'))) {
      const types = parameters.map(({ type }) => (type === 'pointer' ? 'void *' : type));
      functions.push([name, library.func(name, result, types) as unknown as NativeFunction]);
    }
  return Object.fromEntries(functions);
}

/** The start of error messages by which the rest of the project recognizes exhausted memory. */
export const OUT_OF_MEMORY = 'Out of memory for the scratch space of';

/** @throws when a kernel reports that it had no memory */
export function assertMemory(outcome: number, kernel: string): void {
  if (outcome === 0) throw new Error(`${OUT_OF_MEMORY} ${kernel}; make batch or model smaller`);
}
