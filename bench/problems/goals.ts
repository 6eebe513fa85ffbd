// Problems with constraints on what a trial measures, and with two objectives. None of them decided a setting of a peer;
// all is minimized.

import type { Params, SearchSpace } from '../../src/tune/types.js';
import { float, int, unit } from './types.js';

/** What a trial measures. */
export interface Measured {
  /** One value an objective. */
  values: readonly number[];
  /** At most 0 where a constraint holds. */
  violations: readonly number[];
}

export interface GoalProblem {
  name: string;
  space: SearchSpace;
  /** Noise-free. */
  measure(params: Params): Measured;
  /** Standard deviation of the noise of each value. */
  noise: readonly number[];
  /** Of two objectives: what hypervolumes are measured from, and the best values, which scale them to 1. */
  box?: { reference: readonly [number, number]; ideal: readonly [number, number] };
  /** Of one objective: the lowest feasible value that a long search found. */
  minimum?: number;
  /** Trial 0; a random point of the seed where a problem has none. */
  defaults?: Params;
}

const unitSpace = (d: number): SearchSpace =>
  Object.fromEntries(Array.from({ length: d }, (_, i) => [`x${i}`, float(0, 1)]));
const vector = (space: SearchSpace, params: Params): number[] =>
  Object.keys(space).map((name) => unit(space, params, name));

/** ZDT (Zitzler, Deb, Thiele 2000) in six dimensions; the optimum lies at 0.2 of the range, not at its edge. */
function zdt(name: string, shape: (f: number, g: number) => number, lowest: number): GoalProblem {
  const space = unitSpace(6);
  return {
    name,
    space,
    noise: [0.005, 0.005],
    box: { reference: [1.1, 3], ideal: [0, lowest] },
    measure(params) {
      const [f, ...rest] = vector(space, params);
      const g = 1 + (9 * rest.reduce((sum, x) => sum + Math.abs(x - 0.2), 0)) / rest.length;
      return { values: [f!, shape(f!, g)], violations: [] };
    },
  };
}

/**
 * A training run as a power law: the loss falls with parameters and tokens, the rate's optimum shifts with depth, memory and
 * speed follow from the sizes. Of its own making, with the trainer's parameters.
 */
const trainingSpace: SearchSpace = {
  depth: int(2, 12),
  width: int(64, 1024, true),
  log2Batch: int(11, 18),
  matrixLr: float(0.002, 0.2, true),
  embeddingLr: float(0.02, 2, true),
  weightDecay: float(0, 0.5),
  warmdown: float(0.1, 0.9),
};
const trainingDefaults: Params = {
  depth: 6,
  width: 256,
  log2Batch: 15,
  matrixLr: 0.02,
  embeddingLr: 0.2,
  weightDecay: 0.2,
  warmdown: 0.5,
};

function training(params: Params) {
  const u = (name: string) => unit(trainingSpace, params, name);
  const [depth, width] = [Number(params.depth), Number(params.width)];
  const batch = 2 ** Number(params.log2Batch);
  const size = 12 * depth * width ** 2 + 2 * 4096 * width;
  const speed = 2e13 / (6 * size + 2e5 * depth) / (1 + 6000 / batch);
  const tokens = 60 * speed;
  const steps = tokens / batch;
  const rate = u('matrixLr') - 0.5 + 0.25 * (u('depth') - 0.5) - 0.2 * (u('log2Batch') - 0.5);
  const bpb =
    0.6 +
    25 * size ** -0.28 +
    6 * tokens ** -0.22 +
    0.9 * (steps + 20) ** -0.5 +
    (rate > 0 ? 1.2 : 0.4) * rate ** 2 +
    0.15 * (u('embeddingLr') - 0.55 - 0.3 * rate) ** 2 +
    0.05 * (u('weightDecay') - 0.3) ** 2 +
    0.08 * (u('warmdown') - 0.65) ** 2;
  const memory = 16 * size + Math.min(batch, 2 ** 14) * depth * width * 40;
  return { bpb, memory, speed, size };
}

/** Gardner et al. 2014: a wave under another one. */
const waves: GoalProblem = {
  name: 'waves_2d',
  space: { a: float(0, 6), b: float(0, 6) },
  noise: [0.01],
  minimum: -1.8887,
  measure({ a, b }) {
    const [x, y] = [Number(a), Number(b)];
    const value = Math.cos(2 * x) * Math.cos(y) + Math.sin(x);
    return { values: [value], violations: [Math.cos(x) * Math.cos(y) - Math.sin(x) * Math.sin(y) + 0.5] };
  },
};

/** A valley whose lowest points are cut off by two limits, one of them steep. */
const cutSpace = unitSpace(6);
const cut: GoalProblem = {
  name: 'cut_valley_6d',
  space: cutSpace,
  noise: [0.01],
  minimum: 0.3942,
  measure(params) {
    const x = vector(cutSpace, params);
    const value = x.reduce((sum, v, i) => sum + (1 + i / 3) * (v - 0.8) ** 2, 0);
    const sum = x.reduce((a, b) => a + b, 0);
    return { values: [value], violations: [sum - 3.6, Math.expm1(12 * (x[0]! - 0.5)) / 10] };
  },
};

export const GOAL_PROBLEMS: readonly GoalProblem[] = [
  waves,
  cut,
  {
    name: 'bpb_under_limits_7d',
    space: trainingSpace,
    defaults: trainingDefaults,
    noise: [0.001],
    minimum: 1.0856,
    measure(params) {
      const { bpb, memory, size } = training(params);
      return { values: [bpb], violations: [memory / 6e8 - 1, size / 6e6 - 1] };
    },
  },
  zdt('zdt1_6d', (f, g) => g * (1 - Math.sqrt(f / g)), 0),
  zdt('zdt2_6d', (f, g) => g * (1 - (f / g) ** 2), 0),
  zdt('zdt3_6d', (f, g) => g * (1 - Math.sqrt(f / g) - (f / g) * Math.sin(10 * Math.PI * f)), -0.8),
  {
    name: 'bpb_memory_7d',
    space: trainingSpace,
    defaults: trainingDefaults,
    noise: [0.001, 0],
    box: { reference: [1.3, 3e9], ideal: [1.03, 2e7] },
    measure(params) {
      const { bpb, memory } = training(params);
      return { values: [bpb, memory], violations: [] };
    },
  },
  {
    name: 'bpb_memory_speed_7d',
    space: trainingSpace,
    defaults: trainingDefaults,
    noise: [0.001, 0],
    box: { reference: [1.3, 3e9], ideal: [1.03, 2e7] },
    measure(params) {
      const { bpb, memory, speed } = training(params);
      return { values: [bpb, memory], violations: [1 - speed / 8e5] };
    },
  },
];
