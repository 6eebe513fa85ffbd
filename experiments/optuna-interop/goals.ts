// Constraints, two objectives and conditional parameters shared with Optuna; see goals.py.

import { isDeepStrictEqual } from 'node:util';
import { counted } from '../../src/base/format.js';
import { parseJson } from '../../src/base/json.js';
import { bestTrial } from '../../src/tune/best.js';
import { activeParams } from '../../src/tune/conditions.js';
import { isFeasible, storedViolations } from '../../src/tune/constraints.js';
import { categorical, float, int } from '../../src/tune/distributions.js';
import { paretoFront } from '../../src/tune/pareto.js';
import { gpSampler } from '../../src/tune/samplers/gp.js';
import { tpeSampler } from '../../src/tune/samplers/tpe.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import type { Params } from '../../src/tune/types.js';
import { uniform } from './problem.js';

/** Runs a Python script of this folder and returns what it prints. */
export type Python = (args: string[]) => string;

const conditional = {
  optimizer: categorical(['sgd', 'adamw']),
  lr: float(1e-4, 1, { log: true }),
  momentum: float(0.5, 0.99, { when: { optimizer: 'sgd' } }),
};

/** Studies of ours with constraints and two objectives: missing metrics, equal values, nothing feasible. */
export async function writeGoals(path: string): Promise<void> {
  const space = { x: float(0, 1), y: int(1, 64, { log: true }) };
  const front = createStudy({
    name: 'front',
    storage: path,
    space,
    sampler: tpeSampler(),
    directions: ['minimize', 'maximize'],
    metricNames: ['val_bpb', 'speed'],
    constraints: ['size<40', 'speed>=0.1'],
  });
  await front.optimize(
    (trial) => {
      const { x, y } = trial.params;
      if (trial.number % 7 !== 3) trial.setUserAttr('size', x * y);
      if (trial.number % 9 === 5) return [Number.NaN, 1];
      if (trial.number % 9 === 6) return [0.5, 0.25];
      return [(x - 0.3) ** 2 + y / 64, y / 64 - x / 2];
    },
    { trials: 45 },
  );
  for (const [name, limit] of [
    ['limited', 0.4],
    ['impossible', -1],
  ] as const) {
    const study = createStudy({ name, storage: path, space, sampler: uniform, constraints: [`x<=${limit}`] });
    await study.optimize(
      (trial) => {
        trial.setUserAttr('x', trial.params.x);
        return -trial.params.x - trial.params.y;
      },
      { trials: 15 },
    );
  }
}

export async function writeConditional(path: string): Promise<void> {
  const study = createStudy({ name: 'conditional', storage: path, space: conditional, sampler: gpSampler() });
  await study.optimize(({ params }) => params.lr + (params.momentum ?? 0.9), { trials: 20 });
}

type Seen = {
  name: string;
  directions: string[];
  metric_names: string[] | null;
  best: number[];
  constraints: number[][];
  values: (number[] | null)[];
  params: Params[];
};

/** Both take the same trials for the best and see the same violations. */
export function sameGoals(python: Python, path: string): string {
  const theirs = parseJson(python(['goals.py', 'read', path])) as Seen[];
  const parts: string[] = [];
  for (const log of readJournal(path)) {
    const seen = theirs.find(({ name }) => name === log.name)!;
    const single = log.directions.length === 1;
    const best = single
      ? [bestTrial(log.trials, log.directions[0]!)]
      : paretoFront(log.trials, log.directions);
    const names = log.systemAttrs['study:metric_names'] ?? null;
    const values = log.trials.map(({ value, values: all }) => all ?? (value === null ? null : [value]));
    const ours = [
      log.directions,
      names,
      best.flatMap((t) => t?.number ?? []),
      values,
      log.trials.map(storedViolations),
    ];
    const expected = [seen.directions, seen.metric_names, seen.best, seen.values, seen.constraints];
    if (!isDeepStrictEqual(ours, expected))
      throw new Error(`${log.name} differs:\n${JSON.stringify(ours)}\n${JSON.stringify(expected)}`);
    const beyond = log.trials.filter((trial) => trial.state === 'complete' && !isFeasible(trial)).length;
    const what = single ? `best trial ${seen.best[0] ?? 'none'}` : `front of ${seen.best.length}`;
    parts.push(`${log.name}: ${counted(log.trials.length, 'trial')}, ${beyond} infeasible, ${what}`);
  }
  return `${parts.join('; ')}; alike in both`;
}

/** Conditional parameters are absent where they do not apply, whoever ran the trial. */
export function sameConditions(python: Python, path: string): string {
  const seen = (parseJson(python(['goals.py', 'read', path])) as Seen[]).find(
    ({ name }) => name === 'conditional',
  )!;
  for (const params of seen.params)
    if (!isDeepStrictEqual(Object.keys(params).sort(), Object.keys(activeParams(conditional, params)).sort()))
      throw new Error(`Optuna reads ${JSON.stringify(params)}`);
  const without = seen.params.filter((params) => !('momentum' in params)).length;
  return `${counted(seen.params.length, 'trial')}, ${without} without momentum`;
}

/** Five more trials of ours in the studies that Python made. */
export async function continueGoals(path: string): Promise<void> {
  const two = loadStudy({
    storage: path,
    name: 'two',
    sampler: gpSampler(),
    directions: ['minimize', 'minimize'],
  });
  await two.optimize(({ params: { x, y } }) => [Number(x) + Number(y) / 64, (Number(x) - 1) ** 2], {
    trials: two.trials.length + 5,
  });
  const one = loadStudy({ storage: path, name: 'one', sampler: tpeSampler() });
  await one.optimize(({ params }) => params.x as number, { trials: one.trials.length + 5 });
  const study = loadStudy({ storage: path, name: 'conditional', space: conditional, sampler: tpeSampler() });
  await study.optimize(({ params }) => params.lr + (params.momentum ?? 0.9), {
    trials: study.trials.length + 5,
  });
}
