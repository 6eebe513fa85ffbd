// Compares two samplers in a contest: equal budgets and seeds, then each winner is rerun on fresh seeds.
// node build/examples/compareOptimizers.js [TRIALS] [SEEDS] [FOLDER]

import { mkdirSync } from 'node:fs';
import {
  contestTable,
  createStudy,
  float,
  gpSampler,
  type Params,
  type Race,
  randomSampler,
  randomStream,
  winnerOf,
  writeContest,
} from 'tinygpt/tune';

const [trials = '30', seeds = '5', folder = 'studies/compare'] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

const space = { x: float(-2, 2), y: float(-1, 3) };
const defaults = { x: -1.5, y: 2.5 };

/** Rosenbrock's valley with noise, as training runs have. */
const valley = ({ x, y }: { x: number; y: number }, seed: string) =>
  1 + (1 - x) ** 2 + 100 * (y - x * x) ** 2 + 0.05 * randomStream(seed, 'noise').normal();

const races: Race[] = [];
for (const sampler of [gpSampler(), randomSampler()])
  for (let seed = 1; seed <= Number(seeds); seed++) {
    const study = createStudy({ space, defaults, sampler, seed });
    await study.optimize(({ params, number }) => valley(params, `${seed}/${number}`), {
      trials: Number(trials),
    });
    races.push({ sampler: sampler.name, seed, trials: study.trials });
  }

// The best of many noisy values is too good to be true: the defaults and each winner are measured again on fresh seeds.
const again = (params: Params) => [1, 2, 3].map((seed) => valley(params as typeof defaults, `fresh/${seed}`));
const winners = new Map(
  ['gp', 'random'].map((name) => {
    const winner = winnerOf(
      races.filter(({ sampler }) => sampler === name),
      'minimize',
      [],
    );
    return [name, winner ? again(winner.params) : []];
  }),
);
const { text } = writeContest(folder, races, contestTable(races, again(defaults), winners));
console.log(text);
