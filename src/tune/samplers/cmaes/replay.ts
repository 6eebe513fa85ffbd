// The state of the search, rebuilt from the trials in the order in which they finished. Trials that finished since
// the last call are added to a cached state; should the order of the past change (another machine's clock, a trial
// told late), all is replayed. So the state is a function of the trials alone.

import type { StudyView, Trial } from '../../types.js';
import { encode } from '../axes.js';
import { estimate, finishedTrials, lossOf } from '../evidence.js';
import type { Told } from './screen.js';
import { advance, type Search, type Settings, startSearch } from './search.js';

/** Attribute of our trials: [run, generation] that they were drawn from. */
export const GENERATION = 'cmaes:generation';

export interface Replay {
  search: Search;
  /** Every finished trial that lies in the space. */
  told: readonly Told[];
}

type Cached = {
  settings: Settings;
  /** Null until one of our own draws has finished. */
  search: Search | null;
  told: Told[];
  /** Finished trials taken in, in order. */
  order: Trial[];
  taken: Set<Trial>;
};

/** A replayer with its own cache. */
export function replayer(): (study: StudyView, settings: Settings) => Replay {
  const caches = new WeakMap<readonly Trial[], Cached>();
  return (study, settings) => {
    let cached = caches.get(study.trials);
    const added = cached && finishedTrials({ ...study, trials: study.trials.filter(isNew, cached.taken) });
    const last = cached?.order.at(-1);
    if (!cached || cached.settings !== settings || (last && added?.[0] && !isBefore(last, added[0]))) {
      cached = { settings, search: null, told: [], order: [], taken: new Set() };
      caches.set(study.trials, cached);
      for (const trial of finishedTrials(study)) take(study, cached, trial);
    } else for (const trial of added!) take(study, cached, trial);
    return { search: cached.search ?? startSearch(settings, cached.told), told: cached.told };
  };
}

function isNew(this: ReadonlySet<Trial>, trial: Trial): boolean {
  return !this.has(trial);
}

/** The order of `finishedTrials`. */
function isBefore(a: Trial, b: Trial): boolean {
  return ((a.end ?? 0) - (b.end ?? 0) || a.number - b.number) < 0;
}

function take(study: StudyView, cached: Cached, trial: Trial): void {
  const { settings, order, taken } = cached;
  order.push(trial);
  taken.add(trial);
  const told = toldOf(study, settings, trial, order);
  if (told === null) return;
  const isOurs = GENERATION in trial.systemAttrs;
  if (isOurs) cached.search ??= startSearch(settings, cached.told);
  cached.told.push(told);
  // What others proposed and failed says nothing about this distribution.
  if (cached.search && (isOurs || told.loss !== null)) cached.search = advance(settings, cached.search, told);
}

/**
 * A finished trial as a point with its loss; null where it does not lie in the space.
 * @param before the trials that a pruned one may be compared with
 */
export function toldOf(
  study: StudyView,
  { numeric, categorical }: Pick<Settings, 'numeric' | 'categorical'>,
  trial: Trial,
  before: readonly Trial[],
): Told | null {
  const axes = [...numeric, ...categorical];
  const x = encode(axes, trial.params);
  if (x === null) return null;
  const u = x.slice(0, numeric.length).map((v) => Math.min(1, Math.max(0, v)));
  const choices = [...x.slice(numeric.length)];
  const complete = before.filter((t) => lossOf(study, t) !== null);
  return { u, choices, loss: estimate(study, trial, complete)?.value ?? null };
}
