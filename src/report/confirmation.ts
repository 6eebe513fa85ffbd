// The confirmation of a study as text: means over fresh seeds, and what may be said of the winner.

import { counted } from '../base/format.js';
import { type Confirmation, isImprovement, noiseOf } from '../tune/confirm.js';
import { valueText } from './labels.js';
import { alignColumns } from './table.js';

const fixed = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : valueText(value, 4);
const range = (interval: readonly [number, number] | null | undefined): string =>
  interval ? `${fixed(interval[0])}..${fixed(interval[1])}` : '-';

/** A table of the candidates, and a sentence on the winner. */
export function confirmationText(confirmation: Confirmation): string {
  const { candidates, winner, repeats, complete } = confirmation;
  const rows = candidates.map((candidate) => [
    candidate.trial === null ? 'defaults' : `${candidate.trial}`,
    fixed(candidate.searched),
    candidate.runs.some(({ value }) => value === null) ? 'failed' : fixed(candidate.mean),
    range(candidate.interval),
    fixed(candidate.gain?.mean),
    range(candidate.gain?.interval),
    `${candidate.runs.length}`,
  ]);
  const noise = noiseOf(confirmation);
  return [
    '',
    `confirmation on ${counted(repeats, 'fresh seed')}${complete ? '' : ' (not finished; the same command continues)'}:`,
    alignColumns([
      ['trial', 'search', 'mean', '95% of the mean', 'gain', '95% of the gain', 'runs'],
      ...rows,
    ]),
    ...(noise === null ? [] : [`standard deviation of the defaults: ${noise.toExponential(1)}`]),
    verdict(confirmation, winner),
  ].join('\n');
}

function verdict(confirmation: Confirmation, winner: Confirmation['winner']): string {
  if (!winner)
    return confirmation.complete
      ? 'winner: none, each configuration has a run that failed or violates a constraint'
      : 'winner: none yet, no configuration has all its runs';
  if (winner.trial === null) return 'winner: the defaults; no trial was better on fresh seeds';
  const [, high = 0] = winner.gain?.interval ?? [];
  const how = isImprovement(confirmation)
    ? 'better than the defaults'
    : high < 0
      ? 'worse than the defaults, which violate a constraint or have a run that failed'
      : 'not distinguishable from the defaults on these seeds';
  return `winner: trial ${winner.trial}, mean ${fixed(winner.mean)}, ${how}`;
}
