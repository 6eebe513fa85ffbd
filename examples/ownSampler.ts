// Writes a sampler, random local search around the best trial, and uses it through ask and tell.
// node build/examples/ownSampler.js [TRIALS]

import {
  askTell,
  bestTrial,
  float,
  fromUnit,
  type Params,
  randomStream,
  type Sampler,
  toUnit,
} from 'tinygpt/tune';

const trials = Number(process.argv[2] ?? 50);

/** Proposes a point near the best one; steps shrink while trials go by. */
function localSampler(): Sampler {
  return {
    name: 'local',
    ask({ space, defaults, trials, direction, seed }, number) {
      const random = randomStream(seed, `local/${number}`); // the same proposals for the same seed
      const best = bestTrial(trials, direction);
      const params: Params = {};
      for (const [name, distribution] of Object.entries(space)) {
        const u = toUnit(distribution, (best?.params ?? defaults)[name]!);
        const step = random.normal() / (3 + trials.length / 5);
        params[name] = fromUnit(distribution, Math.min(1, Math.max(0, u + step)));
      }
      return { params };
    },
  };
}

// Ask and tell, without a study; `createStudy({ space, sampler: localSampler() })` takes it too.
const search = askTell(localSampler(), { space: { x: float(-5, 5), y: float(-5, 5) }, seed: 1 });
for (let i = 0; i < trials; i++) {
  const { number, params } = search.ask();
  search.tell(number, (1 - params.x) ** 2 + 10 * (params.y - params.x ** 2) ** 2);
}
const best = search.best();
console.log(`best of ${trials}: ${best?.value.toFixed(4)}`, best?.params);
