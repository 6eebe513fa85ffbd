// Hyperparameters along a study. Fits happen after fixed numbers of finished trials, at first each from the one
// before: the outcome depends only on the trials, in the order in which they finished, so that a resumed study (or
// another process) gets the same fits. Fits are cached.

import type { StudyView, Trial } from '../../types.js';
import type { Axis } from '../axes.js';
import { fitDue, fitHyper, priorMode, startsAfresh } from './fit.js';
import type { Data } from './likelihood.js';

/** Cached fits of one model. */
export interface FitChain {
  /**
   * The hyperparameters after the finished trials.
   * @param finished in the order in which they finished
   * @param data what the model sees of the first trials; null: too little
   */
  at(
    study: StudyView,
    axes: readonly Axis[],
    finished: readonly Trial[],
    data: (trials: readonly Trial[]) => Data | null,
  ): Float64Array;
}

/** An empty chain. */
export function fitChain(): FitChain {
  let key: string[] = [];
  let links: { length: number; hyper: Float64Array }[] = [];
  let origin = '';
  let known: StudyView['warmStart'];
  return {
    at(study, axes, finished, data) {
      const source = JSON.stringify([study.direction, axes]);
      const next = finished.map((t) =>
        JSON.stringify([t.number, t.state, t.values ?? t.value, t.params, [...t.intermediate]]),
      );
      let same = 0;
      if (source === origin && known === study.warmStart)
        while (same < key.length && key[same] === next[same]) same++;
      [origin, key, known] = [source, next, study.warmStart];
      links = links.filter((link) => link.length <= same);
      const from = (links.at(-1)?.length ?? 0) + 1;
      const due = Array.from(finished.keys(), (i) => i + 1).filter((n) => n >= from && fitDue(n));
      for (const length of startsAfresh(due.at(-1) ?? 0) ? due.slice(-1) : due) {
        const warm = startsAfresh(length) ? null : (links.at(-1)?.hyper ?? null);
        const part = data(finished.slice(0, length));
        if (part) links.push({ length, hyper: fitHyper(part, warm).hyper });
      }
      return links.at(-1)?.hyper ?? priorMode(axes.length);
    },
  };
}
