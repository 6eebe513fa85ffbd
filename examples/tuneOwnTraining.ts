// Tunes a training loop that is not tinygpt's: intermediate values are reported, and hopeless trials are pruned.
// node build/examples/tuneOwnTraining.js [TRIALS]

import { createStudy, float, int, medianPruner, TrialPruned, tpeSampler } from 'tinygpt/tune';

const trials = Number(process.argv[2] ?? 30);

// Logistic regression on two clusters, by stochastic gradient descent.
const points = Array.from({ length: 200 }, (_, i) => {
  const label = i % 2;
  const at = (seed: number) => Math.sin(seed * 12.9898) + (label === 1 ? 0.7 : -0.7);
  return { x: [at(i + 1), at(i + 1000), 1], label };
});

function* trainLogistic(rate: number, batch: number): Generator<number> {
  const w = [0, 0, 0];
  for (let epoch = 0; epoch < 20; epoch++) {
    let loss = 0;
    for (let start = 0; start < points.length; start += batch) {
      const grad = [0, 0, 0];
      const rows = points.slice(start, start + batch);
      for (const { x, label } of rows) {
        const p = 1 / (1 + Math.exp(-x.reduce((sum, xi, i) => sum + xi * w[i]!, 0)));
        loss -= Math.log(label === 1 ? p : 1 - p);
        for (const [i, xi] of x.entries()) grad[i]! += ((p - label) * xi) / rows.length;
      }
      for (const [i, g] of grad.entries()) w[i]! -= rate * g;
    }
    yield loss / points.length;
  }
}

const study = createStudy({
  space: { rate: float(1e-4, 10, { log: true }), batch: int(1, 64) },
  sampler: tpeSampler(),
  pruner: medianPruner(),
  seed: 1,
});

await study.optimize(
  (trial) => {
    let loss = Number.NaN;
    let epoch = 0;
    for (loss of trainLogistic(trial.params.rate, trial.params.batch)) {
      trial.report(++epoch, loss);
      if (trial.shouldPrune()) throw new TrialPruned();
    }
    return loss;
  },
  { trials },
);

const pruned = study.trials.filter((trial) => trial.state === 'pruned').length;
console.log(`${study.trials.length} trials, ${pruned} pruned; best loss ${study.best()?.value.toFixed(4)}`);
console.log(study.best()?.params);
