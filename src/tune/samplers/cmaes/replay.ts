// The state of the search, rebuilt from the trials in the order in which they finished. Trials that finished since
// the last call are added to a cached state; if the order of the earlier ones changed (clocks of several machines, a
// trial reported late), all trials are replayed. So the state is a function of the trials alone.

import { totalViolation, UNMEASURED } from '../../constraints.js';
import type { StudyView, Trial } from '../../types.js';
import { encode } from '../axes.js';
import { byEnd, estimator, finishedTrials, lossOf } from '../evidence.js';
import type { Evaluated } from './screen.js';
import { advance, type Search, type Settings, startSearch } from './search.js';

/** System attribute of this sampler's trials: the [run, generation] they were drawn from. */
export const GENERATION = 'cmaes:generation';
/** System attribute: coordinates that were drawn for parameters which the configuration does not have, by name. */
export const INACTIVE = 'cmaes:inactive';
/** System attribute of a trial that only decides where to start: true at the center, or the index of another study. */
export const PROBE = 'cmaes:probe';

export interface Replay {
  search: Search;
  /** Every finished trial that lies in the space. */
  evaluated: readonly Evaluated[];
}

type Cached = {
  settings: Settings;
  /** Null until one of this sampler's trials has finished. */
  search: Search | null;
  evaluated: Evaluated[];
  /** Finished trials that the state includes, in order. */
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
    if (!cached || cached.settings !== settings || (last && added?.[0] && byEnd(last, added[0]) >= 0)) {
      cached = { settings, search: null, evaluated: [], order: [], taken: new Set() };
      caches.set(study.trials, cached);
      for (const trial of finishedTrials(study)) take(study, cached, trial);
    } else for (const trial of added!) take(study, cached, trial);
    return { search: cached.search ?? startSearch(settings, cached.evaluated), evaluated: cached.evaluated };
  };
}

function isNew(this: ReadonlySet<Trial>, trial: Trial): boolean {
  return !this.has(trial);
}

function take(study: StudyView, cached: Cached, trial: Trial): void {
  const { settings, order, taken } = cached;
  order.push(trial);
  taken.add(trial);
  const evaluated = evaluatedPoint(study, settings, trial, order);
  if (evaluated === null) return;
  const isOurs = GENERATION in trial.systemAttrs;
  if (isOurs) cached.search ??= startSearch(settings, cached.evaluated);
  cached.evaluated.push(evaluated);
  // A failed trial that another sampler proposed says nothing about this distribution.
  if (cached.search && (isOurs || evaluated.loss !== null))
    cached.search = advance(settings, cached.search, evaluated);
}

/**
 * A finished trial as a point with its loss; null where it does not lie in the space.
 * @param before the trials that a pruned one may be compared with
 */
export function evaluatedPoint(
  study: StudyView,
  { numeric, categorical, defaults }: Pick<Settings, 'numeric' | 'categorical' | 'defaults'>,
  trial: Trial,
  before: readonly Trial[],
): Evaluated | null {
  const axes = [...numeric, ...categorical];
  const encoded = encode(axes, trial.params);
  if (encoded === null) return null;
  const drawn = trial.systemAttrs[INACTIVE] as Record<string, number> | undefined;
  const elsewhere = [...defaults.u, ...defaults.choices];
  const x = encoded.map((u, j) => (Number.isNaN(u) ? (drawn?.[axes[j]!.name] ?? elsewhere[j]!) : u));
  const u = x.slice(0, numeric.length).map((v) => Math.min(1, Math.max(0, v)));
  const choices = [...x.slice(numeric.length)];
  const complete = before.filter((t) => lossOf(study, t) !== null);
  const probe = trial.systemAttrs[PROBE];
  const region = typeof probe === 'number' && { region: probe };
  const violated = totalViolation(trial);
  const excess = violated > 0 && { excess: violated };
  const loss = UNMEASURED in trial.systemAttrs ? null : (estimator(study, complete)(trial)?.value ?? null);
  return { u, choices, loss, ...region, ...excess };
}
