// Compares a backend with a reference backend in the same process on random models (randomCase.ts): the loss, every
// gradient, and two optimizer steps. Both backends step with the reference's gradients: AdamW's first step is
// lr * g / |g|, so the rounding of a gradient near zero would decide the sign of a step.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { type BackendName, type Precision, probeBackends, useBackend } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { isBlockMatrix, parameterShapes } from '../model/config.js';
import { createGpt, type Gpt, gptLoss } from '../model/gpt.js';
import type { NamedArrays } from '../model/weights.js';
import { leanGrads } from '../ops/index.js';
import { createOptimizer } from '../optim/optimizer.js';
import { withIds } from '../train/step.js';
import { type FlipReach, flipReach } from './flips.js';
import { drawBatch, drawWeights, type RandomCase } from './randomCase.js';
import { relativeError } from './verify.js';

export type RandomCheckKind =
  | 'loss'
  | 'loss_per_token'
  | 'grad'
  | 'grad_lambdas'
  | 'adamw'
  | 'muon'
  | 'muon_gates';
export type RandomTolerances = Readonly<Record<RandomCheckKind, number>>;

/**
 * Losses and gradients: the largest error relative to the largest magnitude; steps: in the 2-norm. About ten times the
 * errors of `native` against `cpu` (fp32, 30 models) and against fp32 (bf16, 83 models): fp32 1.1e-7, 5.4e-7, gradients
 * 3.3e-6, AdamW 1.7e-6, Muon 1.6e-3 (5e-5 without decay); bf16 6e-4, 6e-3, gradients 3.3e-2, Muon 8e-2.
 * In bf16 the gradient of a lambda (a sum over all activations whose terms cancel) has a loose tolerance, and the steps of
 * the gates (few rows, which NorMuon divides by their own history) are printed but not checked.
 */
export const RANDOM_TOLERANCES: Readonly<Record<Precision, RandomTolerances>> = {
  fp32: {
    loss: 1e-5,
    loss_per_token: 1e-5,
    grad: 5e-5,
    grad_lambdas: 5e-5,
    adamw: 2e-5,
    muon: 1e-2,
    muon_gates: 1e-2,
  },
  bf16: {
    loss: 5e-3,
    loss_per_token: 3e-2,
    grad: 1e-1,
    grad_lambdas: 0.5,
    adamw: 2e-5,
    muon: 0.3,
    muon_gates: Infinity,
  },
};

/** One compared tensor. */
export interface RandomCheck {
  kind: RandomCheckKind;
  name: string;
  error: number;
  passed: boolean;
}

/** The largest error of each kind. */
type Worst = Record<RandomCheckKind, number>;

/** Result of a case. */
export interface RandomVerification {
  passed: boolean;
  checks: RandomCheck[];
  worst: Worst;
  /** Time of each backend. */
  seconds: { reference: number; backend: number };
}

/** A backend and its precision. */
export interface Side {
  backend: BackendName;
  precision: Precision;
}

/** Optimizer steps of a case. */
const STEPS = 2;

/** A backend's results for a case. */
interface Results {
  loss: ArrayLike<number>;
  losses: ArrayLike<number>;
  /** By parameter. */
  grads: Map<string, Float32Array>;
  /** By parameter, one after each step. */
  params: Map<string, Float32Array[]>;
  /** Reach of flips in a step, by parameter. */
  reaches: Map<string, FlipReach>;
}

/**
 * The backend to compare with: `native`, which is fast, where it is available and not the one under test; else the stock
 * compositions of `cpu`.
 */
export async function defaultReference(backend: BackendName): Promise<BackendName> {
  if (backend === 'native') return 'cpu';
  const native = (await probeBackends()).find(({ name }) => name === 'native');
  return native?.available || backend === 'cpu' ? 'native' : 'cpu';
}

/**
 * Runs a case on both backends, first on the reference in fp32. Leaves the backend under test current and frees all tensors.
 * @param options.onStage called with what is being computed
 * @throws UsageError when both are the same; the signal's reason when it aborts
 */
export async function verifyRandom(
  drawn: RandomCase,
  side: Side,
  reference: BackendName,
  options: { signal?: AbortSignal; onStage?: (stage: string) => void } = {},
): Promise<RandomVerification> {
  expect(
    side.backend !== reference || side.precision !== 'fp32',
    () => `Expected a reference other than ${reference} in fp32 itself; set --reference or --backend`,
  );
  const { signal, onStage = () => {} } = options;
  const weights = drawWeights(drawn);
  const computeOn = async ({ backend, precision }: Side, grads?: Map<string, Float32Array>) => {
    await useBackend(backend, { precision });
    const begin = performance.now();
    const stage = async (name: string) => {
      signal?.throwIfAborted();
      onStage(`${name} on ${backend} ${precision}`);
      await letEventsIn();
    };
    const results = await compute(drawn, weights, grads, stage);
    return { results, seconds: (performance.now() - begin) / 1000 };
  };
  const want = await computeOn({ backend: reference, precision: 'fp32' });
  const got = await computeOn(side, want.results.grads);
  const checks = compare(drawn, weights, got.results, want.results, RANDOM_TOLERANCES[side.precision]);
  const worst = Object.fromEntries(Object.keys(RANDOM_TOLERANCES.fp32).map((kind) => [kind, 0])) as Worst;
  for (const { kind, error } of checks) worst[kind] = Math.max(worst[kind], error);
  const seconds = { reference: want.seconds, backend: got.seconds };
  return { passed: checks.every(({ passed }) => passed), checks, worst, seconds };
}

/** Loss, gradients and steps on the current backend; steps use the `given` gradients, or its own. */
async function compute(
  drawn: RandomCase,
  weights: NamedArrays,
  given: ReadonlyMap<string, Float32Array> | undefined,
  stage: (name: string) => Promise<void>,
): Promise<Results> {
  const shape = { batch: drawn.batch, seq: drawn.seq };
  const batch = drawBatch(drawn);
  const gpt = createGpt(drawn.model, { weights });
  const optimizer = createOptimizer(gpt, drawn.optimizer);
  const steps: Record<string, tf.Tensor> = {};
  try {
    await stage('loss');
    const losses = await taken(
      withIds(gpt, batch, shape.seq, (ids, targets) =>
        tf.tidy(() => gptLoss(gpt, ids, targets, shape, 'none')),
      ),
    );
    await stage('gradients');
    const { value, grads: made } = withIds(gpt, batch, shape.seq, (ids, targets) =>
      leanGrads(() => gptLoss(gpt, ids, targets, shape) as tf.Scalar, gpt.params),
    );
    const loss = await taken(value);
    const grads = new Map<string, Float32Array>();
    for (const name of gpt.params.keys()) grads.set(name, await taken(made[name]!));
    for (const [name, values] of given ?? grads) steps[name] = tf.tensor(values, gpt.params.get(name)!.shape);
    const params = new Map<string, Float32Array[]>([...gpt.params.keys()].map((name) => [name, []]));
    let reaches = new Map<string, FlipReach>();
    for (let step = 0; step < STEPS; step++) {
      await stage(`optimizer step ${step + 1}`);
      reaches = flipReach(optimizer, [optimizer.step(steps, 0)]);
      await keepParams(gpt, params);
    }
    return { loss, losses, grads, params, reaches };
  } finally {
    tf.dispose(steps);
    optimizer.dispose();
    gpt.dispose();
  }
}

/** A tensor's values; the tensor is disposed of. */
async function taken(tensor: tf.Tensor): Promise<Float32Array> {
  try {
    return (await tensor.data()) as Float32Array;
  } finally {
    tensor.dispose();
  }
}

async function keepParams(gpt: Gpt, params: Map<string, Float32Array[]>): Promise<void> {
  // Copied: a backend may return the memory that the next step writes to.
  for (const [name, variable] of gpt.params)
    params.get(name)!.push(((await variable.data()) as Float32Array).slice());
}

function compare(
  { model }: RandomCase,
  weights: NamedArrays,
  got: Results,
  want: Results,
  tolerances: RandomTolerances,
): RandomCheck[] {
  const checks: RandomCheck[] = [];
  const add = (kind: RandomCheckKind, name: string, error: number) =>
    checks.push({ kind, name, error, passed: error <= tolerances[kind] });
  add('loss', 'loss', relativeError(got.loss, want.loss));
  add('loss_per_token', 'loss_per_token', relativeError(got.losses, want.losses));
  for (const { name, role } of parameterShapes(model)) {
    const scalar = role === 'residScalar' || role === 'x0Scalar';
    const error = relativeError(got.grads.get(name)!, want.grads.get(name)!);
    add(scalar ? 'grad_lambdas' : 'grad', `grad.${name}`, error);
    const kind = !isBlockMatrix(role) ? 'adamw' : role === 'gate' ? 'muon_gates' : 'muon';
    const after = want.params.get(name)!;
    after.forEach((values, step) => {
      const before = step === 0 ? (weights.get(name)!.values as Float32Array) : after[step - 1]!;
      const gotBefore = step === 0 ? before : got.params.get(name)![step - 1]!;
      add(
        kind,
        `step${step + 1}.${name}`,
        stepError(got.params.get(name)![step]!, gotBefore, values, before, want.reaches.get(name)!),
      );
    });
  }
  return checks;
}

/** Relative tolerance for a difference to match a flip's, which both sides compute from the same W. */
const FLIP_MATCH = 0.05;

/**
 * |got's step - want's step| / |want's step| in the 2-norm, without the elements whose difference matches a flip of the
 * cautious decay, unless there are too many.
 */
export function stepError(
  got: Float32Array,
  gotBefore: Float32Array,
  want: Float32Array,
  wantBefore: Float32Array,
  { decay, limit }: FlipReach,
): number {
  let [rest, flipped, flips, magnitude] = [0, 0, 0, 0];
  for (let i = 0; i < want.length; i++) {
    const step = want[i]! - wantBefore[i]!;
    const difference = Math.abs(got[i]! - gotBefore[i]! - step);
    const flip = decay * Math.abs(wantBefore[i]!);
    magnitude += step ** 2;
    if (Math.abs(difference - flip) < FLIP_MATCH * flip) {
      flips++;
      flipped += difference ** 2;
    } else rest += difference ** 2;
  }
  const difference = flips <= limit(want.length) ? rest : rest + flipped;
  const error = Math.sqrt(difference / Math.max(magnitude, Number.MIN_VALUE));
  return Number.isNaN(error) ? Infinity : error;
}
