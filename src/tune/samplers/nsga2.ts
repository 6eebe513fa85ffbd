// NSGA-II: an evolutionary search for the Pareto front of two objectives, for budgets of hundreds of trials and more.
// The population is the best of all trials so far, by layers of domination and then by crowding distance; a trial is a
// child of two of them. Trials that violate a constraint come after all others, those that violate less first.
// Sources: Deb, Pratap, Agarwal, Meyarivan, IEEE Transactions on Evolutionary Computation 6, 2002 (simulated binary
// crossover, polynomial mutation, constraints); one child at a time as in Durillo, Nebro, Luna, Alba, EMO 2009, so that
// no worker waits for a generation to end.

import { type Random, randomStream } from '../../base/random.js';
import { checkInteger } from '../../base/valid.js';
import { activeParams } from '../conditions.js';
import { crowdingDistances, dominationRanks } from '../pareto.js';
import type { Sampler } from '../types.js';
import { admissionOf, admitted, startupPoint } from './admission.js';
import { type Axis, axesOf, decode, settle, snap } from './axes.js';
import { excessOf, finishedTrials, gather, type Observation } from './evidence.js';

export interface Nsga2Options {
  /** Trials that may become parents, and trials of the startup design. Default 40. */
  populationSize?: number;
}

/** Probability of a crossover; the others are mutated copies of one parent. */
const CROSSOVER = 0.9;
/** Children that are drawn until one is no copy of a trial. */
const ATTEMPTS = 20;
/** Distribution indices: how close children stay to their parents. */
const CROSSOVER_INDEX = 15;
const MUTATION_INDEX = 20;

/**
 * The NSGA-II sampler; with one objective it is a genetic algorithm. It keeps no state at all.
 * @throws UsageError for options outside their range
 */
export function nsga2Sampler(options: Nsga2Options = {}): Sampler {
  const { populationSize = 40 } = options;
  checkInteger('populationSize', populationSize, 2);
  return {
    name: 'nsga2',
    paretoFronts: true,
    ask(study, number) {
      if (number === 0) return { params: activeParams(study.space, study.defaults) };
      const axes = axesOf(study.space);
      const admits = admissionOf(study);
      const finished = finishedTrials(study);
      const { observations } = gather(study, axes, finished);
      if (axes.length === 0 || finished.length < populationSize || observations.length < 2)
        return startupPoint(study, axes, admits, 'nsga2/startup', number);
      const parents = survivors(observations, populationSize).map(({ x }) => x);
      const random = randomStream(study.seed, `nsga2/${number}`);
      const isKnown = (x: Float64Array) => observations.some((o) => o.x.every((u, j) => Object.is(u, x[j])));
      const draw = () => {
        for (let attempt = 1; ; attempt++) {
          const x = settle(axes, study.space, child(axes, parents, random));
          if (attempt === ATTEMPTS || !isKnown(x)) return decode(study.space, axes, x);
        }
      };
      return admitted(study, admits, number, draw);
    },
  };
}

/** The best observations, best first: by violation, layer, and crowding distance within it. */
export function survivors(observations: readonly Observation[], count: number): Observation[] {
  const losses = observations.map((o) => o.losses ?? [o.value]);
  const excess = observations.map(excessOf);
  const feasible = Array.from(observations.keys()).filter((i) => excess[i] === 0);
  const layers = dominationRanks(feasible.map((i) => losses[i]!));
  const chosen: number[] = [];
  for (let layer = 0; chosen.length < Math.min(count, feasible.length); layer++) {
    const members = feasible.filter((_, i) => layers[i] === layer);
    const far = crowdingDistances(members.map((i) => losses[i]!));
    const order = Array.from(members.keys()).sort((a, b) => far[b]! - far[a]! || b - a);
    chosen.push(...order.map((i) => members[i]!));
  }
  const others = Array.from(observations.keys())
    .filter((i) => excess[i]! > 0)
    .sort((i, j) => excess[i]! - excess[j]! || i - j);
  return [...chosen, ...others].slice(0, count).map((i) => observations[i]!);
}

/** The better of two random parents: they are sorted. */
const tournament = <T>(parents: readonly T[], random: Random): T =>
  parents[Math.min(random.int(parents.length), random.int(parents.length))]!;

/** A new point from two parents, in coordinates. */
function child(axes: readonly Axis[], parents: readonly Float64Array[], random: Random): Float64Array {
  const [a, b] = [tournament(parents, random), tournament(parents, random)];
  const crossed = random.uniform() < CROSSOVER;
  return Float64Array.from(axes, (axis, j) => {
    // A parent may lack a parameter, see conditions.ts.
    const p = Number.isNaN(a[j]!) ? b[j]! : a[j]!;
    const q = Number.isNaN(b[j]!) ? a[j]! : b[j]!;
    if (Number.isNaN(p)) return snap(axis, random.uniform());
    const mixed = crossed ? cross(axis, p, q, random) : p;
    return random.uniform() < 1 / axes.length ? mutate(axis, mixed, random) : mixed;
  });
}

/** Simulated binary crossover: one of the two children, each as far from its parent as from the other's mean. */
function cross(axis: Axis, p: number, q: number, random: Random): number {
  const second = random.uniform() < 0.5;
  if (axis.kind === 'categorical') return second ? q : p;
  if (p === q || random.uniform() < 0.5) return second ? q : p;
  const u = random.uniform();
  const power = 1 / (CROSSOVER_INDEX + 1);
  const spread = u < 0.5 ? (2 * u) ** power : (0.5 / (1 - u)) ** power;
  const half = ((second ? 1 : -1) * spread * Math.abs(q - p)) / 2;
  return snap(axis, clamp((p + q) / 2 + half));
}

/** Polynomial mutation; another choice of a categorical. */
function mutate(axis: Axis, x: number, random: Random): number {
  const u = random.uniform();
  if (axis.kind === 'categorical')
    return (x + 1 + Math.floor(u * (axis.values.length - 1))) % axis.values.length;
  const power = 1 / (MUTATION_INDEX + 1);
  const step =
    u < 0.5
      ? (2 * u + (1 - 2 * u) * (1 - x) ** (MUTATION_INDEX + 1)) ** power - 1
      : 1 - (2 * (1 - u) + (2 * u - 1) * x ** (MUTATION_INDEX + 1)) ** power;
  const moved = snap(axis, clamp(x + step));
  if (moved !== x || axis.kind === 'continuous') return moved;
  // A grid coarser than the step: a neighbor.
  const width = axis.kind === 'grid' ? 1 / axis.values.length : 1 / 64;
  return snap(axis, clamp(x + (u < 0.5 ? -1 : 1) * width));
}

const clamp = (u: number): number => Math.min(1, Math.max(0, u));
