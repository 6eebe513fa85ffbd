// Minimizes any function of numbers and choices with a Gaussian process.
// node build/examples/tuneFunction.js [TRIALS]

import { categorical, createStudy, float, gpSampler, int } from 'tinygpt/tune';

const trials = Number(process.argv[2] ?? 40);

const study = createStudy({
  space: {
    x: float(-5, 10),
    y: float(0, 15),
    rate: float(1e-5, 1e-1, { log: true }),
    layers: int(1, 8),
    shape: categorical(['round', 'square']),
  },
  sampler: gpSampler(),
  seed: 1,
});

// Parameters have the types of the space: numbers, and 'round' | 'square'.
await study.optimize(
  ({ params: { x, y, rate, layers, shape } }) => {
    const branin = (y - 0.129 * x * x + 1.592 * x - 6) ** 2 + 9.6 * Math.cos(x) + 10;
    return branin + Math.log10(rate / 1e-3) ** 2 + Math.abs(layers - 3) + (shape === 'round' ? 0 : 2);
  },
  { trials },
);

const best = study.best();
console.log(`best of ${study.trials.length}: ${best?.value.toFixed(3)}`, best?.params);
