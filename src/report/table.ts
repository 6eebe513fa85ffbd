// The study in words: best trials, best parameters, importances.

import { counted } from '../base/format.js';
import { importances } from '../tune/importance.js';
import { bestSoFar } from '../tune/progress.js';
import { describeParam, failReason } from './labels.js';
import { completeTrials, metricName, type ReportedStudy } from './study.js';

const BEST_ROWS = 5;
const IMPORTANT = 8;

/** Columns padded to equal width; numbers to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const numeric = /^[-+]?[\d.,]+%?$/;
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          numeric.test(cell) || (row === rows[0] && numeric.test(rows[1]?.[column] ?? ''))
            ? cell.padStart(widths[column]!)
            : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The summary printed at the end of a study. */
export function summaryText(study: ReportedStudy): string {
  const { trials, direction } = study;
  const sign = direction === 'minimize' ? 1 : -1;
  const metric = metricName(study);
  const complete = [...completeTrials(study)].sort(
    (a, b) => sign * (a.value - b.value) || a.number - b.number,
  );
  const failed = trials.filter((trial) => trial.state === 'fail');
  const pruned = trials.filter((trial) => trial.state === 'pruned').length;
  const reasons = new Map<string, number>();
  for (const trial of failed) reasons.set(failReason(trial), (reasons.get(failReason(trial)) ?? 0) + 1);
  const why = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(', ');
  const lines = [
    '---',
    `${counted(trials.length, 'trial')}: ${complete.length} complete, ${pruned} pruned, ${failed.length} failed${why ? ` (${why})` : ''}`,
  ];
  const best = complete[0];
  if (!best) return lines.join('\n');
  const first = trials[0]?.state === 'complete' ? trials[0].value : null;
  const gain = first
    ? ` (trial 0: ${first.toFixed(6)}, ${percent(sign * (first - best.value), first)} better)`
    : '';
  lines.push(`best ${metric}: ${best.value.toFixed(6)} in trial ${best.number}${gain}`);
  lines.push(`improvements: ${Math.max(0, bestSoFar(trials, direction).length - 1)}`, '');
  const rows = complete.slice(0, BEST_ROWS).map((trial) => [`${trial.number}`, trial.value.toFixed(6)]);
  lines.push(alignColumns([['trial', metric], ...rows]), '');
  const weights = importances(trials, direction);
  const params = Object.entries(best.params).sort(([a], [b]) => (weights[b] ?? 0) - (weights[a] ?? 0));
  const known = Object.keys(weights).length > 0;
  const table = params.map(([name, value], i) => {
    const weight = known && i < IMPORTANT ? `${(100 * (weights[name] ?? 0)).toFixed(0)}%` : '';
    return [...describeParam(name, value), weight];
  });
  lines.push(alignColumns([['parameter', 'best', known ? 'importance' : ''], ...table]));
  return lines.join('\n');
}

const percent = (difference: number, of: number): string =>
  `${((100 * difference) / Math.abs(of)).toFixed(2)}%`;
