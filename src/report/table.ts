// The study as text: best trials, best parameters, importances.

import { counted } from '../base/format.js';
import { type CompleteTrial, completeTrials, improvements, rankedTrials, signOf } from '../tune/best.js';
import { isFeasible } from '../tune/constraints.js';
import { knownImportances } from '../tune/importance.js';
import { own } from '../tune/objects.js';
import type { Direction, Trial } from '../tune/types.js';
import { sortedFront } from './frontPlot.js';
import { describeParam, failuresByReason, shortNumber, valueText } from './labels.js';
import { llmLines } from './llm.js';
import { convergedText, isOfSeveral, metricName, metricNames, type ReportedStudy } from './study.js';

const BEST_ROWS = 5;
const FRONT_ROWS = 12;

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

/**
 * The summary printed at the end of a study.
 * @param weights importances that are known, worked out unless given
 */
export function summaryText(
  study: ReportedStudy,
  weights: Readonly<Record<string, number>> = knownImportances(study.trials, study.direction),
): string {
  const { trials, direction } = study;
  const metric = metricName(study);
  const all = completeTrials(trials);
  const complete = rankedTrials(trials, direction);
  const beyond = all.length - complete.length;
  const failed = trials.filter((trial) => trial.state === 'fail').length;
  const pruned = trials.filter((trial) => trial.state === 'pruned').length;
  const why = [...failuresByReason(trials)].map(([reason, of]) => `${of.length} ${reason}`).join(', ');
  const lines = [
    '---',
    `${counted(trials.length, 'trial')}: ${all.length} complete${beyond > 0 ? ` (${beyond} beyond a constraint)` : ''}, ${pruned} pruned, ${failed} failed${why ? ` (${why})` : ''}`,
    ...llmLines(study),
    ...[convergedText(study.userAttrs)].filter((line) => line !== null),
  ];
  const best = complete[0];
  if (!best) return lines.join('\n');
  if (isOfSeveral(study)) return [...lines, ...frontLines(study)].join('\n');
  lines.push(
    `best ${metric}: ${valueText(best.value, 6)} in trial ${best.number}${gainOver(trials[0], best, direction)}`,
  );
  lines.push(`improvements: ${improvements(trials, direction).length - 1}`, '');
  const rows = complete.slice(0, BEST_ROWS).map((trial) => [`${trial.number}`, valueText(trial.value, 6)]);
  lines.push(alignColumns([['trial', metric], ...rows]));
  const weight = (name: string) => own(weights, name);
  const params = Object.entries(best.params).sort(([a], [b]) => (weight(b) ?? 0) - (weight(a) ?? 0));
  const isKnown = params.some(([name]) => weight(name) !== undefined);
  const table = params.map(([name, value]) => [
    ...describeParam(name, value),
    weight(name) === undefined ? '' : `${(100 * weight(name)!).toFixed(0)}%`,
  ]);
  if (table.length > 0)
    lines.push('', alignColumns([['parameter', 'best', isKnown ? 'importance' : ''], ...table]));
  return lines.join('\n');
}

/** ` (trial 0: 1.200000, 12.50% better)`, without a gain over what violates a constraint; empty where there is nothing finite to compare with. */
function gainOver(first: Trial | undefined, best: CompleteTrial, direction: Direction): string {
  if (first?.state !== 'complete' || !first.value || first === best) return '';
  const percent = (100 * signOf(direction) * (first.value - best.value)) / Math.abs(first.value);
  if (!Number.isFinite(percent)) return '';
  const gain = isFeasible(first) ? `${percent.toFixed(2)}% better` : 'beyond a constraint';
  return ` (trial 0: ${valueText(first.value, 6)}, ${gain})`;
}

/** The Pareto front, at most so many of its trials, evenly. */
function frontLines(study: ReportedStudy & { directions: readonly Direction[] }): string[] {
  const front = sortedFront(study.trials, study.directions);
  const step = Math.max(1, (front.length - 1) / (FRONT_ROWS - 1));
  const count = Math.min(front.length, FRONT_ROWS);
  const shown = Array.from({ length: count }, (_, i) => front[Math.round(i * step)]!);
  const rows = shown.map(({ number, values }) => [`${number}`, ...values!.map((v) => shortNumber(v, 6))]);
  const which = count < front.length ? `; ${count} of them` : '';
  return [
    `Pareto front: ${counted(front.length, 'trial')}${which}`,
    '',
    alignColumns([['trial', ...metricNames(study)], ...rows]),
  ];
}
