// A point drawn from the search distribution, inside the space and on its grids.
//
// n numeric coordinates.

import { type Random, randomStream } from '../../../base/random.js';
import { admittedDraws } from '../admission.js';
import { snap } from '../axes.js';
import { mirroredDirections } from './directions.js';
import { colour } from './gaussian.js';
import { isGrid } from './margin.js';
import { type Evaluated, mostPromising, type Point } from './screen.js';
import type { Search, Settings } from './search.js';

/**
 * Proposals for trial `number`, one with each call. The first one is a plain draw in even slots, the most promising of
 * `screen` draws in odd ones; the others, in case that is not admitted, are plain draws.
 * @param slot position of the trial within its generation, counting those under way
 */
export function proposer(
  settings: Settings,
  search: Search,
  evaluated: readonly Evaluated[],
  slot: number,
  number: number,
  screen: number,
  admits: (point: Point) => boolean,
): () => Point {
  const random = randomStream(settings.seed, `cmaes/trial/${number}`);
  let direction: Float64Array | undefined = directionOf(settings, search, slot);
  const drawn = () => {
    const point = draw(settings, search, random, direction);
    direction = undefined;
    return point;
  };
  let screening = screen > 1 && slot % 2 === 1 && evaluated.length >= search.constants.lambda;
  return () => {
    if (!screening) return drawn();
    screening = false;
    const candidates = admittedDraws(screen, drawn, admits);
    return candidates[mostPromising(candidates, evaluated, search.gaussian, search.stretch)]!;
  };
}

/** The slot's vector among the generation's mirrored orthogonal ones; workers beyond lambda open another set. */
function directionOf({ seed }: Settings, { run, gaussian, constants }: Search, slot: number): Float64Array {
  const { lambda } = constants;
  const purpose = `cmaes/directions/${run}/${gaussian.generation}/${Math.floor(slot / lambda)}`;
  return mirroredDirections(randomStream(seed, purpose), gaussian.mean.length, lambda)[slot % lambda]!;
}

/**
 * x = m + sigma A y, y ~ N(0, C), drawn again where a continuous coordinate leaves its range, up to 10 n times,
 * then clipped. Grid coordinates are rounded into their range; the search learns from the rounded point.
 */
function draw(settings: Settings, search: Search, random: Random, direction?: Float64Array): Point {
  const { numeric } = settings;
  const { gaussian, stretch, categories } = search;
  const n = numeric.length;
  const choices = categories.q.map((q) => pick(q, random));
  for (let attempt = 0; ; attempt++) {
    const z =
      attempt === 0 && direction ? direction : Float64Array.from({ length: n }, () => random.normal());
    const y = colour(gaussian, z);
    const u = gaussian.mean.map((m, i) => m + gaussian.sigma * stretch[i]! * y[i]!);
    if (attempt < 10 * n && !u.every((v, i) => (v >= 0 && v <= 1) || isGrid(numeric[i]!))) continue;
    return { u: u.map((v, i) => snap(numeric[i]!, v)), choices };
  }
}

/** An index drawn with the given probabilities. */
function pick(q: Float64Array, random: Random): number {
  let u = random.uniform();
  for (let k = 0; k < q.length - 1; k++) if ((u -= q[k]!) < 0) return k;
  return q.length - 1;
}
