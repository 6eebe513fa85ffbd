// Checks weights from outside (a checkpoint, a recorded run, a caller) against a model's configuration.

import type { NamedArray } from '../base/safetensors.js';
import { type ModelConfig, parameterShapes } from './config.js';

/** Weights or optimizer state by name. */
export type NamedArrays = ReadonlyMap<string, NamedArray>;

/** How arrays differ from the names and shapes expected, all float32 and finite, in one sentence; null when they match. */
export function mismatch(
  arrays: NamedArrays,
  shapes: readonly { name: string; shape: readonly number[] }[],
): string | null {
  for (const { name, shape } of shapes) {
    const array = arrays.get(name);
    if (!array) return `Expected ${name} [${shape}], got none`;
    const { values } = array;
    if (`${array.shape}` !== `${shape}` || !(values instanceof Float32Array))
      return `Expected ${name} to be float32 [${shape}], got ${values instanceof Float32Array ? 'float32' : 'int32'} [${array.shape}]; it belongs to another configuration`;
    const size = shape.reduce((a, b) => a * b, 1);
    if (values.length !== size) return `Expected ${size} values of ${name} [${shape}], got ${values.length}`;
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      return `Expected finite values of ${name}, got ${values[bad]} at ${bad}; it was damaged or diverged`;
  }
  const known = new Set(shapes.map(({ name }) => name));
  const unknown = [...arrays.keys()].find((name) => !known.has(name));
  return unknown === undefined ? null : `Expected no array "${unknown}"; it belongs to another configuration`;
}

/** How weights differ from those a model expects, in one sentence; null when they match. */
export function weightsMismatch(config: ModelConfig, weights: NamedArrays): string | null {
  // Before shapes are listed: a damaged depth may be a billion.
  if (config.depth > weights.size)
    return `Expected weights of ${config.depth} layers, got ${weights.size} arrays; they are of another configuration`;
  return mismatch(weights, parameterShapes(config));
}
