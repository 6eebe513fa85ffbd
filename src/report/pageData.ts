// What the page knows of a study, as JSON: the same in report.html and from the dashboard's server. A trial is a short row,
// made once when it ends, so that 20,000 of them are sent at once. Everything may come from a hostile journal: text and
// numbers only, of limited length.

import { formatStandardJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { bestTrial } from '../tune/best.js';
import { CONSTRAINTS, storedViolations } from '../tune/constraints.js';
import { fromInternal, isNumeric, toInternal } from '../tune/distributions.js';
import { states } from '../tune/journal/records.js';
import { own, setOwn } from '../tune/objects.js';
import type { Attributes, Direction, SearchSpace, Trial } from '../tune/types.js';
import { type ReportedStudy, usedSpace } from './study.js';
import { workerOf } from './timeline.js';

/** A point of a learning curve. */
export type Point = readonly [x: number, value: number | null];

/** What is known of a study but its trials. */
export type StudyHead = {
  name: string;
  directions: readonly Direction[];
  space: SearchSpace;
  userAttrs: Attributes;
  systemAttrs: Attributes;
  /** Importances that are known. */
  weights: Readonly<Record<string, number>>;
  /** The best trial's whole configuration, where its objective recorded one. */
  bestConfig: Attributes | null;
  reference: number | null;
};

/** state, value, start, end, parameters in the order of the space (choices by index), the rest. */
export type TrialRow = readonly [
  state: number,
  value: number | null,
  start: number | null,
  end: number | null,
  params: readonly (number | null)[],
  more?: TrialMore,
];
type TrialMore = {
  curve?: readonly Point[];
  /** Training loss over the share of the budget used. */
  loss?: readonly Point[];
  attrs?: Attributes;
  worker?: string;
  /** Of a study of several objectives. */
  values?: readonly number[];
  /** How far each constraint is violated. */
  violations?: readonly number[];
  /** An enqueued configuration that waits. */
  fixed?: Attributes;
};

/** A whole study. */
export type PageStudy = { head: StudyHead; rows: readonly TrialRow[] };

/** Characters of an attribute's JSON: longer ones stay in the journal. */
const LONGEST_ATTRIBUTE = 600;
const LONGEST_STUDY_ATTRIBUTE = 20_000;
/** Points of all learning curves together, and of one. */
const CURVE_POINTS = 60_000;
const MOST_POINTS = 100;

/** Attributes that are short enough to be sent. */
function shortAttributes(
  attributes: Attributes,
  longest: number,
  without: readonly string[] = [],
): Attributes {
  const kept: Attributes = {};
  for (const [key, value] of Object.entries(attributes))
    if (!without.includes(key) && key.length <= 200 && formatStandardJson(value ?? null).length <= longest)
      setOwn(kept, key, value);
  return kept;
}

/** @param weights importances that are known */
export function headOf(
  study: Omit<ReportedStudy, 'direction'> & { directions: readonly Direction[] },
  weights: Readonly<Record<string, number>>,
  reference: number | null = null,
  space: SearchSpace = usedSpace(study),
): StudyHead {
  const { name, directions, trials, userAttrs, systemAttrs = {} } = study;
  const config = bestTrial(trials, directions[0] ?? 'minimize')?.userAttrs.config;
  return {
    name,
    directions,
    space,
    userAttrs: shortAttributes(userAttrs, LONGEST_STUDY_ATTRIBUTE, ['space']),
    systemAttrs: shortAttributes(systemAttrs, LONGEST_STUDY_ATTRIBUTE),
    weights,
    bestConfig: isObject(config) ? config : null,
    reference,
  };
}

/** At most `most` points, evenly, the last one included; NaN is null. */
export function thinned(points: readonly (readonly [number, number])[], most: number): Point[] {
  const every = Math.max(1, Math.ceil((points.length - 1) / Math.max(1, most - 1)));
  return points
    .filter((_, i) => i % every === 0 || i === points.length - 1)
    .map(([x, value]) => [x, Number.isNaN(value) ? null : Number(value.toPrecision(6))]);
}

/** Points that one curve may have among so many trials. */
export const pointsPerCurve = (trials: number): number =>
  Math.min(MOST_POINTS, Math.floor(CURVE_POINTS / Math.max(1, trials)));

/**
 * @param space the head's
 * @param points the most that a curve has; below 3 there are no curves
 * @param loss the trial's training loss
 */
export function rowOf(
  trial: Trial,
  space: SearchSpace,
  points: number,
  loss: readonly (readonly [number, number])[] = [],
): TrialRow {
  const { state, value, start, end, params, intermediate, userAttrs, systemAttrs } = trial;
  const coded = Object.keys(space).map((name) => {
    const distribution = space[name]!;
    const used = own(trial.distributions, name);
    // A choice has no place among numbers, nor a number among choices.
    const isKnown = used && Object.hasOwn(params, name) && isNumeric(used) === isNumeric(distribution);
    return isKnown ? toInternal(distribution, params[name]!) : null;
  });
  const attrs = shortAttributes(userAttrs, LONGEST_ATTRIBUTE, ['config']);
  const worker = workerOf(trial);
  const violations = storedViolations(trial);
  const { fixed_params: fixed } = systemAttrs;
  const curve =
    points < 3
      ? []
      : thinned(
          [...intermediate].sort(([a], [b]) => a - b),
          points,
        );
  const more: TrialMore = {
    ...(curve.length > 0 && { curve }),
    ...(points >= 3 && loss.length > 0 && { loss: thinned(loss, points) }),
    ...(Object.keys(attrs).length > 0 && { attrs }),
    ...(worker !== null && { worker }),
    ...(trial.values && { values: trial.values }),
    ...(violations.length > 0 && { violations }),
    ...(state === 'waiting' && isObject(fixed) && { fixed: shortAttributes(fixed, LONGEST_ATTRIBUTE) }),
  };
  return [
    states.indexOf(state),
    value,
    start,
    end,
    coded,
    ...(Object.keys(more).length > 0 ? ([more] as const) : ([] as const)),
  ];
}

/** A trial as the page has it: `loss` and `fixed` besides what the journal says. */
export type PageTrial = Trial & { loss: readonly Point[]; fixed: Attributes | null };

/** The reverse of `rowOf`. */
export function trialOf(row: TrialRow, number: number, space: SearchSpace): PageTrial {
  const [state, value, start, end, coded, more = {}] = row;
  const trial: PageTrial = {
    number,
    id: number,
    state: states[state] ?? 'fail',
    value,
    start,
    end,
    params: {},
    distributions: {},
    intermediate: new Map((more.curve ?? []).map(([x, y]) => [x, y ?? Number.NaN])),
    userAttrs: more.attrs ?? {},
    systemAttrs: {
      ...(more.worker !== undefined && { 'tinygpt:worker': more.worker }),
      ...(more.violations && { [CONSTRAINTS]: more.violations }),
    },
    ...(more.values && { values: more.values }),
    loss: more.loss ?? [],
    fixed: more.fixed ?? null,
  };
  Object.keys(space).forEach((name, i) => {
    const code = coded[i];
    const distribution = own(space, name);
    if (code === null || code === undefined || !distribution) return;
    setOwn(trial.params, name, fromInternal(distribution, code));
    setOwn(trial.distributions, name, distribution);
  });
  return trial;
}

/** A whole study as JSON that may stand inside a script element. */
export const pageJson = (study: PageStudy): string => formatStandardJson(study).replaceAll('<', '\\u003c');
