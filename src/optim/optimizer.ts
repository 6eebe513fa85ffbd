// The optimizer of a whole model: steps every parameter group by the schedule, and names its state for checkpoints.

import * as tf from '@tensorflow/tfjs-core';
import type { Update } from '../backend/updates.js';
import { expect } from '../base/errors.js';
import type { Valid } from '../base/valid.js';
import { type ModelConfig, parameterShapes } from '../model/config.js';
import { type Gpt, parameter } from '../model/gpt.js';
import { mismatch, type NamedArrays } from '../model/weights.js';
import { type AdamWState, adamwStep } from './adamw.js';
import { type OptimizerSettings, type ParameterGroup, parameterGroups } from './groups.js';
import { type MuonState, muonLrScale, muonStep, secondMomentShape } from './muon.js';
import { lrMultiplier, muonMomentum, muonWeightDecay } from './schedule.js';

/** The scheduled values of a step. */
export type ScheduledStep = { lrMultiplier: number; muonMomentum: number; muonWeightDecay: number };

/** Optimizer of one model; owns its state tensors: declare it with `using`, or call `dispose` when done. */
export interface Optimizer extends Disposable {
  readonly groups: readonly ParameterGroup[];
  /** Steps taken. */
  readonly steps: number;
  /**
   * Updates every parameter in place.
   * @param grads name -> gradient of the parameter's shape; not disposed here
   * @param progress fraction of the budget used, 0 to 1
   * @throws UsageError when a gradient is missing
   */
  step(grads: Readonly<Record<string, tf.Tensor>>, progress: number): ScheduledStep;
  /** The two halves of `step`, for steps that are recorded: counts a step and returns its constants, */
  advance(progress: number): { schedule: ScheduledStep; updates: Update[] };
  /** and updates every parameter in place. */
  update(grads: Readonly<Record<string, tf.Tensor>>, updates: readonly Update[]): void;
  /** State tensors by stable name, for checkpoints. */
  state(): Map<string, tf.Variable>;
  /**
   * Resumes from `state()` as it was after `steps` steps.
   * @throws UsageError when it belongs to another configuration or not finite, before anything is changed
   */
  restore(values: NamedArrays, steps: number): void;
  dispose(): void;
}

type GroupState = { group: ParameterGroup; adamw: AdamWState[]; muon: MuonState | null };

/** Names and shapes of the state of a group. */
function stateShapes(group: ParameterGroup, config: ModelConfig): { name: string; shape: number[] }[] {
  if (group.kind === 'muon') {
    const [rows, columns] = group.shape;
    const count = group.params.length;
    return [
      { name: `muon.${rows}x${columns}.momentum`, shape: [count, rows, columns] },
      { name: `muon.${rows}x${columns}.second`, shape: secondMomentShape(count, rows, columns) },
    ];
  }
  const shapes = new Map(parameterShapes(config).map(({ name, shape }) => [name, shape]));
  return group.params.flatMap((name) => [
    { name: `adamw.${name}.exp_avg`, shape: shapes.get(name)! },
    { name: `adamw.${name}.exp_avg_sq`, shape: shapes.get(name)! },
  ]);
}

/** How `values` differ from a model's optimizer state, in one sentence; null when they match. */
export const stateMismatch = (
  config: ModelConfig,
  settings: Valid<OptimizerSettings>,
  values: NamedArrays,
): string | null =>
  mismatch(
    values,
    parameterGroups(config, settings).flatMap((group) => stateShapes(group, config)),
  );

/** Makes the reference's optimizer (Muon and AdamW) for a model. */
export function createOptimizer(gpt: Gpt, settings: Valid<OptimizerSettings>): Optimizer {
  const groups = parameterGroups(gpt.config, settings);
  const variables = new Map<string, tf.Variable>();
  const zeros = ({ name, shape }: { name: string; shape: number[] }) => {
    const initial = tf.zeros(shape);
    const variable = tf.variable(initial, false);
    initial.dispose();
    variables.set(name, variable);
    return variable;
  };
  const states: GroupState[] = groups.map((group) => {
    const made = stateShapes(group, gpt.config).map(zeros);
    if (group.kind === 'muon')
      return { group, muon: { momentum: made[0]!, secondMoment: made[1]! }, adamw: [] };
    const adamw = group.params.map((_, i) => ({ expAvg: made[2 * i]!, expAvgSq: made[2 * i + 1]! }));
    return { group, muon: null, adamw };
  });
  let steps = 0;
  const dispose = () => tf.dispose([...variables.values()]);

  const advance = (progress: number) => {
    const schedule: ScheduledStep = {
      lrMultiplier: lrMultiplier(progress, settings),
      muonMomentum: muonMomentum(steps, {
        start: settings.muonMomentumStart,
        end: settings.muonMomentum,
        warmupSteps: settings.muonMomentumWarmup,
      }),
      muonWeightDecay: muonWeightDecay(progress, settings.weightDecay),
    };
    steps++;
    const updates = groups.flatMap((group): Update[] => {
      const lr = group.initialLr * schedule.lrMultiplier;
      if (group.kind === 'adamw') {
        const { beta1, beta2, eps, weightDecay } = group;
        const attrs = { lr, beta1, beta2, eps, weightDecay, step: steps };
        return group.params.map(() => ({ kernel: 'AdamWStep', attrs }));
      }
      const attrs = {
        lr: lr * muonLrScale(...group.shape),
        momentum: schedule.muonMomentum,
        beta2: settings.muonBeta2,
        weightDecay: schedule.muonWeightDecay,
        nsSteps: settings.nsSteps,
      };
      return [{ kernel: 'MuonStep', attrs }];
    });
    return { schedule, updates };
  };
  const update: Optimizer['update'] = (grads, updates) => {
    const left = updates.values();
    for (const { group, adamw, muon } of states) {
      const params = group.params.map((name) => parameter(gpt, name));
      const own = group.params.map((name) => grads[name]!);
      if (muon) muonStep(params, own, muon, constants(left.next().value, 'MuonStep'));
      else
        params.forEach((param, i) => {
          adamwStep(param, own[i]!, adamw[i]!, constants(left.next().value, 'AdamWStep'));
        });
    }
  };

  return {
    groups,
    get steps() {
      return steps;
    },
    step(grads, progress) {
      for (const { params } of groups)
        for (const name of params)
          expect(grads[name] !== undefined, () => `Expected a gradient of ${name}, got none`);
      const { schedule, updates } = advance(progress);
      update(grads, updates);
      return schedule;
    },
    advance,
    update,
    state: () => new Map(variables),
    restore(values, stepsTaken) {
      const problem = stateMismatch(gpt.config, settings, values);
      expect(problem === null, () => problem!);
      for (const [name, variable] of variables)
        tf.tidy(() => variable.assign(tf.tensor(values.get(name)!.values, variable.shape)));
      steps = stepsTaken;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** The constants of an update that must be of a kind. */
function constants<K extends Update['kernel']>(update: Update | undefined, kernel: K) {
  if (update?.kernel !== kernel) throw new Error(`Expected constants of ${kernel}, got ${update?.kernel}`);
  return update.attrs as Extract<Update, { kernel: K }>['attrs'];
}
