// What the progress plot shows of a study, and what its axis leaves out.

import { counted } from '../base/format.js';
import { completeTrials, improvements as improvementsOf } from '../tune/best.js';
import { isFeasible } from '../tune/constraints.js';
import type { Trial } from '../tune/types.js';
import { improvementRange, isBeyond } from './axes.js';
import { confirmedOf, defaultNoise, type ReportedStudy } from './study.js';

/** Counts of the study and the axis that the plot has. */
export function progressView(study: ReportedStudy, reference?: number) {
  const { direction, trials } = study;
  const complete = completeTrials(trials);
  const improvements = improvementsOf(trials, direction);
  const noise = defaultNoise(study);
  const band = noise === null ? [] : [noise.mean - noise.deviation, noise.mean + noise.deviation];
  const confirmed = confirmedOf(study.userAttrs).filter(({ trial }) => trial !== null);
  const means = confirmed.map(({ mean }) => mean);
  const include = [...band, ...means, ...(reference === undefined ? [] : [reference])];
  const values = complete.map(({ value }) => value);
  const range = improvementRange(values, include, direction);
  const inState = (state: Trial['state']) => trials.filter((trial) => trial.state === state);
  return {
    complete,
    improvements,
    noise,
    confirmed,
    violating: complete.filter((trial) => !isFeasible(trial)),
    range,
    pruned: inState('pruned'),
    failed: inState('fail'),
    beyond: complete.filter(({ value }) => isBeyond(value, range)),
  };
}

/** `3 above the axis, of 120 trials`: what the axis leaves out; empty where that is nothing. */
export function beyondNote({ beyond, complete, range }: ReturnType<typeof progressView>): string {
  const above = beyond.filter(({ value }) => value > range[1]).length;
  const part = (count: number, where: string) => (count > 0 ? [`${count} ${where}`] : []);
  const parts = [...part(above, 'above'), ...part(beyond.length - above, 'below')].join(' and ');
  return parts && `${parts} the axis, of ${counted(complete.length, 'trial')}`;
}
