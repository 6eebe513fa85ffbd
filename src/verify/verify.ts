// Replays a golden run recorded from the PyTorch original and compares the logits, the loss per token, the gradients and the
// parameters after optimizer steps with the recorded ones. File format: docs/verify.md.
//
// An error is the largest absolute difference divided by the recorded tensor's largest magnitude.

import * as tf from '@tensorflow/tfjs-core';
import { EnvironmentError, messageOf } from '../base/errors.js';
import { readSafetensors, type TensorFile } from '../base/safetensors.js';
import { isObject, type Valid } from '../base/valid.js';
import type { Batch } from '../data/types.js';
import { type ModelConfig, modelConfig } from '../model/config.js';
import { createGpt, type Gpt, gptLogits, gptLoss } from '../model/gpt.js';
import type { NamedArrays } from '../model/weights.js';
import { leanGrads } from '../ops/index.js';
import { type OptimizerSettings, optimizerSettings } from '../optim/groups.js';
import { createOptimizer, type ScheduledStep } from '../optim/optimizer.js';
import { withIds } from '../train/step.js';
import { errorBesidesFlips, flipReach } from './flips.js';

/** Largest error allowed of each kind. */
export type Tolerances = Record<CheckKind, number>;
export type CheckKind =
  | 'logits'
  | 'loss_per_token'
  | 'loss'
  | 'grad'
  | 'grad_after_update'
  | 'params_after_first_step'
  | 'params_after_last_step';

/**
 * fp32: the same arithmetic as the reference's in another order of summation; at least ten times the errors measured on
 * the recorded runs (logits 8e-7, losses 4e-7, gradients 1.4e-5). Parameters need more, since Polar Express amplifies small
 * singular values up to 8-fold an iteration: measured 6e-4 after the first step, 1.5e-3 after the last. Flips are left out
 * (flips.ts).
 */
export const FP32_TOLERANCES: Readonly<Tolerances> = {
  logits: 1e-5,
  loss_per_token: 1e-5,
  loss: 1e-5,
  grad: 1e-4,
  grad_after_update: 1e-4,
  params_after_first_step: 1e-3,
  params_after_last_step: 5e-3,
};

/**
 * bf16 has 8 bits of mantissa, a relative rounding error of 2^-9 per operand. What comes after an update is not checked:
 * AdamW's first step is lr * sign(g), and bf16's rounding flips the sign of many gradients.
 */
export const BF16_TOLERANCES: Readonly<Tolerances> = {
  logits: 5e-2,
  loss_per_token: 5e-2,
  loss: 5e-2,
  grad: 5e-2,
  grad_after_update: Number.POSITIVE_INFINITY,
  params_after_first_step: Number.POSITIVE_INFINITY,
  params_after_last_step: Number.POSITIVE_INFINITY,
};

/** One compared tensor; `flips` is the number of its elements that were left out (flips.ts). */
export type Check = {
  kind: CheckKind;
  name: string;
  error: number;
  tolerance: number;
  passed: boolean;
  flips: number;
};

/** Outcome of a replay. */
export type Verification = {
  name: string;
  passed: boolean;
  checks: Check[];
  worst: Record<CheckKind, number>;
};

type GoldenMeta = {
  name: string;
  config: {
    sequence_len: number;
    vocab_size: number;
    n_layer: number;
    n_head: number;
    n_kv_head: number;
    n_embd: number;
    window_pattern: string;
  };
  batch: number;
  seq: number;
  setup_optimizer: {
    unembedding_lr: number;
    embedding_lr: number;
    matrix_lr: number;
    weight_decay: number;
    adam_betas: [number, number];
    scalar_lr: number;
  };
  steps: { loss: number; lr_multiplier: number; muon_momentum: number; muon_weight_decay: number }[];
};

/**
 * Replays a golden file on the current backend.
 * @throws UsageError when the file cannot be read, EnvironmentError when it is not a golden file
 */
export async function verifyGolden(
  path: string,
  tolerances: Readonly<Tolerances> = FP32_TOLERANCES,
): Promise<Verification> {
  const file = readSafetensors(path);
  const meta = readMeta(path, file);
  const checks: Check[] = [];
  const add = (kind: CheckKind, name: string, error: number, flips = 0) => {
    const tolerance = tolerances[kind];
    checks.push({ kind, name, error, tolerance, passed: error <= tolerance, flips });
  };
  const compare = (kind: CheckKind, name: string, got: ArrayLike<number>, want: ArrayLike<number>) =>
    add(kind, name, relativeError(got, want));
  const want = (name: string) => tensorOf(path, file, name);

  const gpt = createGpt(modelOf(meta), { weights: initialOf(file) });
  const optimizer = createOptimizer(gpt, settingsOf(meta));
  const schedules: ScheduledStep[] = [];
  /** Compares parameters after the steps so far, without flips. */
  const compareParameters = async (kind: CheckKind, step: number) => {
    const reaches = flipReach(optimizer, schedules);
    for (const [name, variable] of gpt.params) {
      const { decay, sign, limit } = reaches.get(name)!;
      const [got, wanted, initial] = [
        await variable.data(),
        want(`after${step}.${name}`),
        want(`param.${name}`),
      ];
      const nearZero = nearlyZero(file, name, schedules.length);
      const reach = (i: number) =>
        decay * Math.max(Math.abs(initial[i]!), Math.abs(wanted[i]!), Math.abs(got[i]!)) +
        (nearZero(i) ? sign : 0);
      const { error, flips } = errorBesidesFlips(got, wanted, tolerances[kind], reach, limit(wanted.length));
      add(kind, `after${step}.${name}`, error, flips);
    }
  };
  try {
    const shape = { batch: meta.batch, seq: meta.seq };
    for (let s = 0; s < meta.steps.length; s++) {
      const batch = batchOf(path, want(`step${s}.tokens`), want(`step${s}.targets`), meta);
      if (s === 0) {
        const { logits, losses } = await forward(gpt, batch, shape);
        compare('logits', 'logits', logits, want('logits'));
        compare('loss_per_token', 'loss_per_token', losses, want('loss_per_token'));
      }
      const { value, grads } = withIds(gpt, batch, shape.seq, (ids, targets) =>
        leanGrads(() => gptLoss(gpt, ids, targets, shape) as tf.Scalar, gpt.params),
      );
      const recorded = meta.steps[s]!;
      compare('loss', `step${s}.loss`, await value.data(), [recorded.loss]);
      for (const name of gpt.params.keys())
        if (file.tensors.has(`step${s}.grad.${name}`))
          compare(
            s === 0 ? 'grad' : 'grad_after_update',
            `step${s}.grad.${name}`,
            await grads[name]!.data(),
            want(`step${s}.grad.${name}`),
          );
      const schedule = optimizer.step(grads, s / meta.steps.length);
      const { lrMultiplier, muonWeightDecay } = schedule;
      schedules.push(schedule);
      tf.dispose([value, grads]);
      assertSchedule(path, s, 'lr_multiplier', lrMultiplier, recorded.lr_multiplier);
      assertSchedule(path, s, 'muon_weight_decay', muonWeightDecay, recorded.muon_weight_decay);
      if (s === 0) await compareParameters('params_after_first_step', s);
      else if (s === meta.steps.length - 1) await compareParameters('params_after_last_step', s);
    }
  } finally {
    optimizer.dispose();
    gpt.dispose();
  }
  const worst = Object.fromEntries(Object.keys(tolerances).map((kind) => [kind, 0])) as Verification['worst'];
  for (const { kind, error } of checks) worst[kind] = Math.max(worst[kind], error);
  return { name: meta.name, passed: checks.every((check) => check.passed), checks, worst };
}

/**
 * Tells which elements of a parameter have a first nonzero gradient so small that rounding may change its sign; none where
 * gradients are not recorded.
 */
function nearlyZero(file: TensorFile, name: string, steps: number): (i: number) => boolean {
  const first = new Map<number, number>();
  for (let s = 0; s < steps; s++) {
    const grad = Float32Array.from(file.tensors.get(`step${s}.grad.${name}`)?.values ?? []);
    const magnitude = grad.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    for (const [i, g] of grad.entries()) if (g !== 0 && !first.has(i)) first.set(i, Math.abs(g) / magnitude);
  }
  return (i) => (first.get(i) ?? 1) <= FP32_TOLERANCES.grad;
}

/** max |got - want| / max |want|; infinite when sizes differ or a value is not finite. */
export const relativeError = (got: ArrayLike<number>, want: ArrayLike<number>): number =>
  errorBesidesFlips(got, want, 0, () => 0, 0).error;

async function forward(gpt: Gpt, batch: Batch, shape: { batch: number; seq: number }) {
  const [logits, losses] = withIds(gpt, batch, shape.seq, (ids, targets) => [
    gptLogits(gpt, ids, shape) as tf.Tensor,
    tf.tidy(() => gptLoss(gpt, ids, targets, shape, 'none')),
  ]);
  try {
    return { logits: await logits!.data(), losses: await losses!.data() };
  } finally {
    tf.dispose([logits!, losses!]);
  }
}

function readMeta(path: string, file: TensorFile): GoldenMeta {
  const wrong = (why: string) =>
    new EnvironmentError(`${path} is not a golden file: ${why}; see docs/verify.md`);
  const { meta } = file.metadata;
  if (meta === undefined) throw wrong('its metadata has no "meta"');
  let value: unknown;
  try {
    value = JSON.parse(meta);
  } catch (error) {
    throw wrong(`its "meta" is not JSON (${messageOf(error)})`);
  }
  const { name, config, batch, seq, setup_optimizer: optimizer, steps } = isObject(value) ? value : {};
  const parts: Record<string, boolean> = {
    name: typeof name === 'string',
    config: isObject(config),
    batch: Number.isSafeInteger(batch) && (batch as number) >= 1,
    seq: Number.isSafeInteger(seq),
    setup_optimizer: isObject(optimizer) && Array.isArray(optimizer.adam_betas),
    steps: Array.isArray(steps) && steps.length > 0 && steps.every(isObject),
  };
  const bad = Object.keys(parts).find((part) => !parts[part]);
  if (bad !== undefined) throw wrong(`its "meta" has no valid ${bad}`);
  return value as GoldenMeta;
}

function tensorOf(path: string, file: TensorFile, name: string): Float32Array | Int32Array {
  const tensor = file.tensors.get(name);
  if (!tensor) throw new EnvironmentError(`${path} is not a complete golden file: it has no tensor ${name}`);
  return tensor.values;
}

function modelOf({ config, seq }: GoldenMeta): Valid<ModelConfig> {
  return modelConfig({
    seqLen: seq,
    vocabSize: config.vocab_size,
    depth: config.n_layer,
    heads: config.n_head,
    kvHeads: config.n_kv_head,
    width: config.n_embd,
    windowPattern: config.window_pattern,
  });
}

function settingsOf({ setup_optimizer: given }: GoldenMeta): Valid<OptimizerSettings> {
  return optimizerSettings({
    unembeddingLr: given.unembedding_lr,
    embeddingLr: given.embedding_lr,
    matrixLr: given.matrix_lr,
    scalarLr: given.scalar_lr,
    weightDecay: given.weight_decay,
    adamBeta1: given.adam_betas[0],
    adamBeta2: given.adam_betas[1],
  });
}

function initialOf(file: TensorFile): NamedArrays {
  const given = [...file.tensors].filter(([name]) => name.startsWith('param.'));
  return new Map(given.map(([name, array]) => [name.slice('param.'.length), array]));
}

/** Takes the inputs [B, T] from tokens [B, T+1]; targets are recorded separately, as some are ignored. */
function batchOf(
  path: string,
  tokens: ArrayLike<number>,
  targets: ArrayLike<number>,
  { batch, seq, config: { vocab_size: vocabSize } }: GoldenMeta,
): Batch {
  if (tokens.length !== batch * (seq + 1) || targets.length !== batch * seq)
    throw new EnvironmentError(
      `${path}: expected tokens [${batch},${seq + 1}] and targets [${batch},${seq}], got ${tokens.length} and ${targets.length} numbers`,
    );
  const outside = (id: number, least: number) => !(Number.isInteger(id) && id >= least && id < vocabSize);
  if (Array.from(tokens).some((id) => outside(id, 0)) || Array.from(targets).some((id) => outside(id, -1)))
    throw new EnvironmentError(`${path}: expected tokens in [0, ${vocabSize}) and targets from -1 on`);
  const inputs = new Int32Array(batch * seq);
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < seq; t++) inputs[b * seq + t] = tokens[b * (seq + 1) + t]!;
  return { inputs, targets: Int32Array.from(targets), epoch: 1 };
}

function assertSchedule(path: string, step: number, name: string, got: number, want: number): void {
  if (Math.abs(got - want) > 1e-9)
    throw new EnvironmentError(`${path}: step ${step} recorded ${name} ${want}, the schedule gives ${got}`);
}
