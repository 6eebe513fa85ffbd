// The state of the search, rebuilt from the trials in the order in which they finished. Trials that finished since
// the last call are added to a cached state; should the order of the past change (another machine's clock, a trial
// told late), all is replayed. So the state is a function of the trials alone.

import type { StudyView, Trial } from '../../types.js';
import { encode } from '../gp/axes.js';
import { finishedTrials, gather } from '../gp/targets.js';
import type { Told } from './screen.js';
import { advance, type Search, type Settings, startSearch } from './search.js';

/** Attribute of our trials: [run, generation] that they were drawn from. */
export const GENERATION = 'cmaes:generation';

export interface Replay {
  search: Search;
  /** Every finished trial that lies in the space. */
  told: Told[];
}

type Cached = { settings: Settings; search: Search | null; told: Told[]; seen: Trial[] };

/** A replayer with its own cache. */
export function replayer(): (study: StudyView, settings: Settings) => Replay {
  const caches = new WeakMap<readonly Trial[], Cached>();
  return (study, settings) => {
    const finished = finishedTrials(study);
    let cached = caches.get(study.trials);
    if (!cached || !isPrefix(cached.seen, finished) || !sameSettings(cached.settings, settings)) {
      cached = { settings, search: null, told: [], seen: [] };
      caches.set(study.trials, cached);
    }
    for (const trial of finished.slice(cached.seen.length)) take(study, cached, trial);
    return { search: cached.search ?? startSearch(settings, cached.told), told: cached.told };
  };
}

function take(study: StudyView, cached: Cached, trial: Trial): void {
  const { settings } = cached;
  cached.seen.push(trial);
  const told = toldOf(study, settings, trial, cached.seen);
  if (told === null) return;
  const isOurs = GENERATION in trial.systemAttrs;
  if (isOurs) cached.search ??= startSearch(settings, cached.told);
  cached.told.push(told);
  // What others proposed and failed says nothing about this distribution.
  if (cached.search && (isOurs || told.loss !== null)) cached.search = advance(settings, cached.search, told);
}

/** A finished trial as a point with its loss; null where it does not lie in the space. */
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
  if (trial.state === 'complete' && trial.value !== null && Number.isFinite(trial.value))
    return { u, choices, loss: study.direction === 'minimize' ? trial.value : -trial.value };
  const reported = trial.state === 'pruned' && [...trial.intermediate.values()].some(Number.isFinite);
  if (!reported) return { u, choices, loss: null };
  // A pruned trial counts with its partial result, carried to the end as complete trials went on.
  const complete = before.filter((t) => t.state === 'complete');
  return { u, choices, loss: gather(study, axes, [trial, ...complete]).observations[0]!.value };
}

function isPrefix(seen: readonly Trial[], finished: readonly Trial[]): boolean {
  return seen.length <= finished.length && seen.every((trial, i) => trial === finished[i]);
}

function sameSettings(a: Settings, b: Settings): boolean {
  return a.seed === b.seed && a.numeric === b.numeric;
}
