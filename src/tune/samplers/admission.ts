// Which configurations may be proposed: those that can run, by the study's check, and in finite spaces those that
// were not tried yet. Every sampler filters its draws by this, so that no trial is wasted.

import { randomStream } from '../../base/random.js';
import { activeParams, isConditional } from '../conditions.js';
import { cardinality, fromUnit, isNumeric, nearest, sampleSpace, toUnit } from '../distributions.js';
import { normalQuantile } from '../math/normal.js';
import { sobol } from '../math/sobol.js';
import type { Choice, Params, Proposal, SearchSpace, StudyView, Trial } from '../types.js';
import { type Axis, decode, encodeAll, snap } from './axes.js';
import { isSilent } from './evidence.js';
import { believed } from './prior.js';

/** Draws of a sampler, and then uniform ones, before a space is enumerated or the defaults come in. */
const ATTEMPTS = 100;
/** Finite spaces of at most this many configurations are enumerated. */
const LISTED = 4096;

/** Whether a configuration may be proposed. */
export type Admits = (params: Params) => boolean;

/** Number of configurations; Infinity with a continuous parameter. */
export function configurations(space: SearchSpace): number {
  return Object.values(space).reduce((product, distribution) => product * cardinality(distribution), 1);
}

/** Equal for equal configurations; Python's grid values differ from ours by rounding. */
export const keyOf = (space: SearchSpace, params: Params): string =>
  JSON.stringify(
    Object.entries(space).map(([name, d]) => {
      const value = params[name];
      return isNumeric(d) && typeof value === 'number' ? nearest(d, value) : value;
    }),
  );

/** The filter of a study; null if every configuration may be proposed. */
export function admissionOf(study: StudyView): Admits | null {
  const { space, canRun } = study;
  // With conditions, some choices may leave nothing continuous.
  if (configurations(space) === Infinity && !isConditional(space)) return canRun ?? null;
  const counts = (trial: Trial) => trial.state !== 'waiting' && !isSilent(trial);
  const tried = new Set(study.trials.filter(counts).map(({ params }) => keyOf(space, params)));
  return (params) => !tried.has(keyOf(space, params)) && (canRun?.(params) ?? true);
}

/**
 * The first admitted draw; if the sampler's are refused again and again, a uniform one, an untried configuration of a
 * small space, or the first draw moved towards the defaults. `exhausted` means that nothing is left to try.
 * @param draw the sampler's draw number `attempt`
 */
export function admitted(
  study: StudyView,
  admits: Admits | null,
  number: number,
  draw: (attempt: number) => Params,
): Pick<Proposal, 'params' | 'exhausted'> {
  const first = draw(0);
  if (admits === null || admits(first)) return { params: first };
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const params = draw(attempt);
    if (admits(params)) return { params };
  }
  const random = randomStream(study.seed, `admitted/${number}`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const params = activeParams(study.space, sampleSpace(study.space, random));
    if (admits(params)) return { params };
  }
  if (configurations(study.space) <= LISTED) {
    const left = everyConfiguration(study.space).filter(admits);
    return left.length > 0 ? { params: left[random.int(left.length)]! } : { params: first, exhausted: true };
  }
  let params = first;
  for (let halvings = 0; halvings < 10 && !admits(params); halvings++)
    params = towardsDefaults(study, params);
  return { params: admits(params) ? params : activeParams(study.space, study.defaults) };
}

/** `count` admitted draws out of at most 8 times as many; fewer if need be, but at least one, then not admitted. */
export function admittedDraws<T>(count: number, draw: () => T, admits: (drawn: T) => boolean): T[] {
  const draws: T[] = [];
  let last = draw();
  for (let i = 1; ; i++) {
    if (admits(last)) draws.push(last);
    if (draws.length === count || i === 8 * count) return draws.length > 0 ? draws : [last];
    last = draw();
  }
}

/** Half-way to the defaults, choices all the way. */
function towardsDefaults({ space, defaults }: StudyView, active: Params): Params {
  const params = { ...defaults, ...active };
  const between = ([name, d]: [string, SearchSpace[string]]): [string, Choice] => [
    name,
    isNumeric(d) ? fromUnit(d, (toUnit(d, params[name]!) + toUnit(d, defaults[name]!)) / 2) : defaults[name]!,
  ];
  return activeParams(space, Object.fromEntries(Object.entries(space).map(between)));
}

function everyConfiguration(space: SearchSpace): Params[] {
  let all: Params[] = [{}];
  for (const [name, distribution] of Object.entries(space)) {
    const count = cardinality(distribution);
    const values = Array.from({ length: count }, (_, i) => valueNumber(distribution, i, count));
    all = all.flatMap((params) => values.map((value) => ({ ...params, [name]: value })));
  }
  if (!isConditional(space)) return all;
  const byKey = new Map(all.map((params) => activeParams(space, params)).map((p) => [keyOf(space, p), p]));
  return [...byKey.values()];
}

function valueNumber(distribution: SearchSpace[string], index: number, count: number): Choice {
  if (distribution.kind === 'categorical') return distribution.choices[index]!;
  const { low, high } = distribution;
  return fromUnit(distribution, toUnit(distribution, low + ((high - low) * index) / Math.max(1, count - 1)));
}

/**
 * The center of the ranges, with the default choices. Users choose ranges around what they expect, so that one trial
 * there is often the best of the first ones.
 * @returns null where it was tried, may not be proposed, or the defaults lie close to it
 */
export function centreOf(study: StudyView, axes: readonly Axis[], admits: Admits | null): Params | null {
  const defaults = encodeAll(axes, study.defaults);
  if (defaults === null) return null;
  const x = defaults.map((u, j) => (axes[j]!.kind === 'categorical' ? u : 0.5));
  if (x.every((u, j) => Math.abs(u - defaults[j]!) <= 0.1)) return null;
  const params = decode(study.space, axes, x);
  return !isTried(study, params) && (admits?.(params) ?? true) ? params : null;
}

/** Whether the study has a trial with this configuration. */
export function isTried({ space, trials }: StudyView, params: Params): boolean {
  const key = keyOf(space, params);
  return trials.some((trial) => keyOf(space, trial.params) === key);
}

/** Standard deviation of startup points around the defaults, as a share of each range. */
const AROUND = 0.15;

/**
 * Point `number` of a scrambled Sobol sequence, so that workers that ask at once get points of their own; where it is
 * refused, one from much later in the sequence. Every second point follows the priors of the space, and lies around the
 * defaults in parameters without one if `around` is set.
 */
export function startupPoint(
  study: StudyView,
  axes: readonly Axis[],
  admits: Admits | null,
  purpose: string,
  number: number,
  around = false,
): Pick<Proposal, 'params' | 'exhausted'> {
  const start = around ? encodeAll(axes, study.defaults) : null;
  const place = (axis: Axis, j: number, u: number) =>
    number % 2 === 1 ? u : start && !axis.distribution.prior ? near(axis, start[j]!, u) : believed(axis, u);
  return admitted(study, admits, number, (attempt) => {
    const u = sobol(axes.length, 1, study.seed, purpose, number + 1024 * attempt);
    return decode(
      study.space,
      axes,
      axes.map((axis, j) => snap(axis, place(axis, j, u[j]!))),
    );
  });
}

/** A normal draw around `start` for a uniform u, mirrored at the ends; the same choice half of the time. */
function near(axis: Axis, start: number, u: number): number {
  if (axis.kind === 'categorical') return u < 0.5 ? (start + 0.5) / axis.values.length : 2 * u - 1;
  const v = start + AROUND * normalQuantile(Math.min(1 - 1e-9, Math.max(1e-9, u)));
  return v < 0 ? Math.min(1, -v) : v > 1 ? Math.max(0, 2 - v) : v;
}
