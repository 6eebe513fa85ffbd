// Which optimizer each parameter gets, and with what constants. Source: setup_optimizer of the reference.

import { expect } from '../base/errors.js';
import { flagOf } from '../base/names.js';
import { asValid, type Valid } from '../base/valid.js';
import { isBlockMatrix, type ModelConfig, type ParameterRole, parameterShapes } from '../model/config.js';

/** Every constant of the optimizer; defaults are the reference's. */
export interface OptimizerSettings {
  embeddingLr: number;
  unembeddingLr: number;
  matrixLr: number;
  scalarLr: number;
  adamBeta1: number;
  adamBeta2: number;
  /** beta1 of the x0 lambdas. */
  x0Beta1: number;
  adamEps: number;
  /** Muon's cautious decay; falls linearly to 0 over the budget. */
  weightDecay: number;
  embeddingWeightDecay: number;
  valueEmbeddingWeightDecay: number;
  unembeddingWeightDecay: number;
  scalarWeightDecay: number;
  muonMomentum: number;
  muonMomentumStart: number;
  /** Steps from muonMomentumStart to muonMomentum. */
  muonMomentumWarmup: number;
  muonBeta2: number;
  /** Polar Express iterations, 1 to 5. */
  nsSteps: number;
  warmupRatio: number;
  warmdownRatio: number;
  finalLrFrac: number;
}

export const OPTIMIZER_DEFAULTS: Readonly<OptimizerSettings> = {
  embeddingLr: 0.6,
  unembeddingLr: 0.004,
  matrixLr: 0.04,
  scalarLr: 0.5,
  adamBeta1: 0.8,
  adamBeta2: 0.95,
  x0Beta1: 0.96,
  adamEps: 1e-10,
  weightDecay: 0.2,
  embeddingWeightDecay: 0,
  valueEmbeddingWeightDecay: 0,
  unembeddingWeightDecay: 0,
  scalarWeightDecay: 0,
  muonMomentum: 0.95,
  muonMomentumStart: 0.85,
  muonMomentumWarmup: 300,
  muonBeta2: 0.95,
  nsSteps: 5,
  warmupRatio: 0,
  warmdownRatio: 0.5,
  finalLrFrac: 0,
};

export type AdamWGroup = {
  kind: 'adamw';
  params: string[];
  initialLr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
};
export type MuonGroup = {
  kind: 'muon';
  params: string[];
  /** [R, S] of every matrix of the group. */
  shape: [number, number];
  initialLr: number;
};
export type ParameterGroup = AdamWGroup | MuonGroup;

/** Width at which the reference's AdamW rates were tuned: rates scale by (C / 768)^-0.5. */
const TUNED_WIDTH = 768;

/**
 * The groups in the reference's order: lm_head, wte, n-gram embeddings (ours), value embeddings, resid and x0 lambdas by AdamW, then
 * the block matrices by Muon, one group a shape, shapes ascending.
 */
export function parameterGroups(config: ModelConfig, settings: OptimizerSettings): ParameterGroup[] {
  const scale = (config.width / TUNED_WIDTH) ** -0.5;
  const shapes = parameterShapes(config);
  const adamw = (
    role: ParameterRole,
    initialLr: number,
    weightDecay: number,
    beta1 = settings.adamBeta1,
  ): AdamWGroup => ({
    kind: 'adamw',
    params: shapes.filter((entry) => entry.role === role).map(({ name }) => name),
    initialLr,
    beta1,
    beta2: settings.adamBeta2,
    eps: settings.adamEps,
    weightDecay,
  });
  const { embeddingLr, scalarLr, scalarWeightDecay } = settings;
  const groups: ParameterGroup[] = [
    adamw('head', settings.unembeddingLr * scale, settings.unembeddingWeightDecay),
    adamw('embedding', embeddingLr * scale, settings.embeddingWeightDecay),
    adamw('ngramEmbedding', embeddingLr * scale, settings.embeddingWeightDecay),
    adamw('valueEmbedding', embeddingLr * scale, settings.valueEmbeddingWeightDecay),
    adamw('residScalar', scalarLr * 0.01, scalarWeightDecay),
    adamw('x0Scalar', scalarLr, scalarWeightDecay, settings.x0Beta1),
  ];
  const byShape = new Map<string, MuonGroup>();
  for (const { name, shape, role } of shapes) {
    if (!isBlockMatrix(role)) continue;
    const group = byShape.get(`${shape}`);
    if (group) group.params.push(name);
    else
      byShape.set(`${shape}`, {
        kind: 'muon',
        params: [name],
        shape: [shape[0]!, shape[1]!],
        initialLr: settings.matrixLr,
      });
  }
  const muon = [...byShape.values()].sort((a, b) => a.shape[0] - b.shape[0] || a.shape[1] - b.shape[1]);
  return [...groups, ...muon].filter((group) => group.params.length > 0);
}

/**
 * Fills in the reference's constants and checks all of them.
 * @throws UsageError when one is out of its range
 */
export function optimizerSettings(given: Partial<OptimizerSettings> = {}): Valid<OptimizerSettings> {
  const settings: OptimizerSettings = { ...OPTIMIZER_DEFAULTS, ...given };
  const check = (names: (keyof OptimizerSettings)[], range: string, ok: (value: number) => boolean) => {
    for (const name of names)
      expect(
        ok(settings[name]),
        () => `Expected ${name} to be ${range}, got ${settings[name]}; set ${flagOf(name)}`,
      );
  };
  const decays = Object.keys(settings).filter((name) =>
    /weightDecay$/i.test(name),
  ) as (keyof OptimizerSettings)[];
  check(['embeddingLr', 'unembeddingLr', 'matrixLr', 'scalarLr'], '>= 0', (x) => x >= 0 && x < Infinity);
  check(decays, '>= 0', (x) => x >= 0 && x < Infinity);
  check(['adamBeta1', 'adamBeta2', 'x0Beta1', 'muonBeta2'], 'in [0, 1)', (x) => x >= 0 && x < 1);
  check(['muonMomentum', 'muonMomentumStart'], 'in [0, 1)', (x) => x >= 0 && x < 1);
  check(['adamEps'], '> 0', (x) => x > 0 && x < Infinity);
  check(['warmupRatio', 'warmdownRatio', 'finalLrFrac'], 'in [0, 1]', (x) => x >= 0 && x <= 1);
  check(['nsSteps'], 'an integer from 1 to 5', (x) => Number.isInteger(x) && x >= 1 && x <= 5);
  check(['muonMomentumWarmup'], 'an integer >= 0', (x) => Number.isInteger(x) && x >= 0);
  return asValid(settings);
}
