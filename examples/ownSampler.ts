// Writes a sampler, random local search around the best trial, and uses it by ask and tell.
// node build/examples/ownSampler.js [TRIALS]

import { createStudy, float, fromUnit, type Params, randomStream, type Sampler, toUnit } from 'tinygpt/tune';

const trials = Number(process.argv[2] ?? 50);

/** Proposes a point near the best one; steps shrink while trials go by. */
function localSampler(): Sampler {
  return {
    name: 'local',
    ask({ space, defaults, trials, direction, seed }, number) {
      const random = randomStream(seed, `local/${number}`); // the same proposals for the same seed
      const sign = direction === 'minimize' ? 1 : -1;
      const complete = trials.filter(({ state, value }) => state === 'complete' && value !== null);
      const best = complete.sort((a, b) => sign * (a.value! - b.value!))[0];
      const params: Params = {};
      for (const [name, distribution] of Object.entries(space)) {
        const u = toUnit(distribution, (best?.params ?? defaults)[name]!);
        const step = random.normal() / (3 + complete.length / 5);
        params[name] = fromUnit(distribution, Math.min(1, Math.max(0, u + step)));
      }
      return { params };
    },
  };
}

const study = createStudy({
  space: { x: float(-5, 5), y: float(-5, 5) },
  sampler: localSampler(),
  seed: 1,
});

// `optimize` would do the same; ask and tell fit where something else runs the trials.
for (let i = 0; i < trials; i++) {
  const trial = study.ask();
  const { x, y } = trial.params;
  study.tell(trial, (1 - x) ** 2 + 10 * (y - x * x) ** 2);
}
console.log(`best of ${trials}: ${study.best()?.value.toFixed(4)}`, study.best()?.params);
