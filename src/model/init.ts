// Initial weights. Source: GPT.init_weights of karpathy/autoresearch's train.py (our random streams, one per
// parameter, so that changing one layer never changes another's draw).

import { randomStream } from '../base/random.js';
import type { NamedArray } from '../base/safetensors.js';
import { type ModelConfig, type ParameterShape, parameterShapes } from './config.js';

/** Standard deviation of the initial lm_head. */
const LM_HEAD_STD = 0.001;

/**
 * Draws every parameter: embeddings N(0, 1), lm_head N(0, 0.001), input matrices and value embeddings uniform
 * within +-initScale * sqrt(3 / C), output projections, gates and n-gram embeddings zero.
 */
export function initialWeights(config: ModelConfig, seed: number | string): Map<string, NamedArray> {
  return new Map(
    parameterShapes(config).map((entry) => [
      entry.name,
      { shape: entry.shape, values: draw(entry, config, seed) },
    ]),
  );
}

function draw({ name, size, role }: ParameterShape, config: ModelConfig, seed: number | string) {
  const values = new Float32Array(size);
  const random = randomStream(seed, `init.${name}`);
  const bound = config.initScale * Math.sqrt(3 / config.width);
  switch (role) {
    case 'residScalar':
      return values.fill(config.residInit);
    case 'x0Scalar':
      return values.fill(config.x0Init);
    case 'embedding':
      return values.map(() => random.normal());
    case 'head':
      return values.map(() => LM_HEAD_STD * random.normal());
    case 'matrix':
    case 'valueEmbedding':
      return values.map(() => bound * (2 * random.uniform() - 1));
    case 'projection':
    case 'gate':
    case 'ngramEmbedding':
      return values;
  }
}
