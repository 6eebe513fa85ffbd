// Initial weights. Source: GPT.init_weights of karpathy/autoresearch's train.py (our random streams, one a
// parameter, so that changing one layer never moves another's draw).

import { randomStream } from '../base/random.js';
import { type ModelConfig, parameterShapes } from './config.js';

/** Standard deviation of the initial lm_head. */
const LM_HEAD_STD = 0.001;

/**
 * Draws every parameter: embeddings N(0, 1), lm_head N(0, 0.001), input matrices and value embeddings uniform
 * within +-initScale * sqrt(3 / C), output projections and gates zero.
 * @returns name -> float32 values in row-major order
 */
export function initialWeights(config: ModelConfig, seed: number | string): Map<string, Float32Array> {
  const bound = config.initScale * Math.sqrt(3 / config.width);
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of parameterShapes(config)) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const random = randomStream(seed, `init.${name}`);
    if (name === 'resid_lambdas') values.fill(config.residInit);
    else if (name === 'x0_lambdas') values.fill(config.x0Init);
    else if (name === 'transformer.wte.weight') fill(values, () => random.normal());
    else if (name === 'lm_head.weight') fill(values, () => LM_HEAD_STD * random.normal());
    else if (!/c_proj|ve_gate/.test(name)) fill(values, () => bound * (2 * random.uniform() - 1));
    weights.set(name, values);
  }
  return weights;
}

function fill(values: Float32Array, draw: () => number): void {
  for (let i = 0; i < values.length; i++) values[i] = draw();
}
