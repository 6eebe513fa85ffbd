// One line per trial: number, bpb, best so far, time, status, what changed.

import { failReason, secondsOf, shortNumber, valueText } from '../report/labels.js';
import { bestTrial } from '../tune/best.js';
import { isFeasible } from '../tune/constraints.js';
import { own } from '../tune/objects.js';
import { paretoFront } from '../tune/pareto.js';
import type { Direction, Params, Trial } from '../tune/types.js';
import { duration } from './terminal.js';

/** `name=value` of the parameters that differ from the defaults. */
export function changes(params: Params, defaults: Params): string {
  const changed = Object.entries(params).filter(([name, value]) => value !== own(defaults, name));
  if (changed.length === 0) return 'defaults';
  return changed.map(([name, value]) => `${name}=${shortNumber(value, 4)}`).join(' ');
}

/** What became of a trial, given the number of the best: `best`, `complete`, `constraint` where it violates one, `pruned`, or the reason of its failure. */
function statusOf(trial: Trial, best?: number): string {
  if (trial.state === 'complete' && !isFeasible(trial)) return 'constraint';
  if (trial.state === 'complete') return trial.number === best ? 'best' : 'complete';
  return trial.state === 'fail' ? failReason(trial) : trial.state;
}

/** `  12  0.9876  2.5e+9  30s  front  depth=6`: of two objectives. */
export function frontTrialLine(
  trial: Trial,
  trials: readonly Trial[],
  defaults: Params,
  directions: readonly Direction[],
): string {
  const inFront = paretoFront(trials, directions).includes(trial);
  return [
    String(trial.number).padStart(4),
    ...directions.map((_, k) => (trial.values ? shortNumber(trial.values[k]!, 5) : '-').padStart(11)),
    duration(secondsOf(trial) ?? 0).padStart(6),
    (inFront ? 'front' : statusOf(trial)).padEnd(13),
    changes(trial.params, defaults),
  ].join('  ');
}

/** `  12  0.9876  best 0.9801  30s  complete   depth=6 matrixLr=0.051`. */
export function trialLine(
  trial: Trial,
  trials: readonly Trial[],
  defaults: Params,
  direction: Direction = 'minimize',
): string {
  const best = bestTrial(trials, direction);
  return [
    String(trial.number).padStart(4),
    valueText(trial.state === 'complete' ? trial.value : null, 4).padStart(7), // a pruned trial's is of a slice
    `best ${valueText(best?.value ?? null, 4).padStart(6)}`,
    duration(secondsOf(trial) ?? 0).padStart(6),
    statusOf(trial, best?.number).padEnd(13),
    changes(trial.params, defaults),
  ].join('  ');
}
