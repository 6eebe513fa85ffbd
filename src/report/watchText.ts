// A study while it runs, as lines for a terminal: counts, the budget, running trials with their steps, the last trials.

import { bar, byteSize, counted, duration, printable, thousands } from '../base/format.js';
import { bestTrial, improvements } from '../tune/best.js';
import { countsAsEvaluated } from '../tune/starting.js';
import { stopRequest } from '../tune/stopping.js';
import type { Trial } from '../tune/types.js';
import { budgetUsed } from './budget.js';
import { sortedFront } from './frontPlot.js';
import { describeParam, failReason, secondsOf, shortNumber, stateName, valueText } from './labels.js';
import type { Steps } from './steps.js';
import { isOfSeveral, metricName, metricNames, outcomesOf, type ReportedStudy } from './study.js';

const BLOCKS = ' ▁▂▃▄▅▆▇█';

/** A curve in one line of blocks, at most `width` of them. */
function sparkline(values: readonly number[], width: number): string {
  const every = Math.max(1, Math.ceil(values.length / width));
  const shown = values.filter((value, i) => i % every === 0 && Number.isFinite(value));
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  return shown.map((value) => BLOCKS[1 + Math.round((7 * (value - low)) / (high - low || 1))]).join('');
}

/** `now` in milliseconds since the epoch. */
export type WatchOptions = {
  rows: number;
  columns: number;
  now: number;
  /** Whether the process of a running trial is gone. */
  isLost(trial: Trial): boolean;
};

/**
 * The view of a study in at most `rows` lines of `columns` characters, without control characters.
 */
export function watchLines(
  study: ReportedStudy,
  steps: Steps,
  { rows, columns, now, isLost }: WatchOptions,
): string[] {
  const { trials, direction } = study;
  const metric = metricName(study);
  const best = isOfSeveral(study) ? null : bestTrial(trials, direction);
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const states = [
    `${count('complete')} complete`,
    ...(['pruned', 'fail', 'running', 'waiting'] as const).flatMap((state) => {
      const number = count(state);
      return number > 0 ? [`${number} ${stateName(state)}`] : [];
    }),
  ];
  const lines = [
    `${study.name}: ${counted(trials.length, 'trial')} (${states.join(', ')})`,
    isOfSeveral(study)
      ? `${counted(sortedFront(trials, study.directions).length, 'trial')} in the Pareto front of ${metricNames(study).join(', ')}`
      : best
        ? `best ${metric} ${shortNumber(best.value, 7)} in trial ${best.number}, ${counted(improvements(trials, direction).length - 1, 'improvement')}`
        : 'no trial has finished',
    ...budgetLine(study, steps, now),
    '',
  ];
  for (const trial of trials.filter(({ state }) => state === 'running').slice(0, 8))
    lines.push(...runningLines(trial, steps, columns, isLost(trial)));
  if (lines.at(-1) !== '') lines.push('');
  const ended = trials.filter(({ state }) => state !== 'running' && state !== 'waiting');
  const room = Math.max(0, rows - lines.length - 1);
  const last = room > 0 ? ended.slice(-room) : [];
  if (last.length > 0)
    lines.push(
      `   #  ${metricNames(study)
        .map((name) => name.slice(0, 12).padStart(12))
        .join('  ')}    time  state           parameters`,
    );
  for (const trial of last) lines.push(endedLine(study, trial, trial === best));
  return lines.slice(0, rows).map((line) => {
    const shown = inOneLine(line);
    return shown.length > columns ? `${shown.slice(0, columns - 1)}…` : shown;
  });
}

/** Trials that have ended as lines without control characters. */
export function endedLines(study: ReportedStudy, ended: readonly Trial[]): string[] {
  const best = isOfSeveral(study) ? null : bestTrial(study.trials, study.direction);
  return ended.map((trial) => inOneLine(endedLine(study, trial, trial === best)));
}

const inOneLine = (line: string): string => printable(line).replace(/[\n\t]/g, ' ');

function budgetLine(study: ReportedStudy, { limits }: Steps, now: number): string[] {
  if (!limits) return [];
  const evaluated = study.trials.filter(countsAsEvaluated).length;
  const isRunning = study.trials.some(({ state }) => state === 'running');
  const { share, texts } = budgetUsed(limits, evaluated, isRunning, now);
  if (texts.length === 0) return []; // a limit in time, and nothing runs
  const stopping = isRunning && stopRequest({ systemAttrs: study.systemAttrs ?? {} }) !== null;
  return [`${bar(share, 30)} ${texts.join(', ')}${stopping ? '; stops after the running trial' : ''}`];
}

function runningLines(trial: Trial, steps: Steps, columns: number, lost: boolean): string[] {
  const last = steps.last.get(trial.number);
  const head = `trial ${trial.number}`;
  if (lost) return [`${head}  its process is gone`];
  if (!last)
    return [
      `${head}  running${trial.start === null ? '' : ` since ${new Date(trial.start).toISOString().slice(11, 19)} UTC`}`,
    ];
  const facts = [
    `${head} ${bar(last.progress, 20)} ${(100 * last.progress).toFixed(0).padStart(3)}%`,
    ...(last.secondsLeft === null ? [] : [`${duration(last.secondsLeft)} left`]),
    `loss ${last.loss.toFixed(4)}`,
    ...(last.tokensPerSecond === null ? [] : [`${thousands(last.tokensPerSecond)} tok/s`]),
    ...(last.memoryBytes === null ? [] : [byteSize(last.memoryBytes)]),
  ];
  const curve = (steps.losses.get(trial.number) ?? []).map(([, loss]) => loss);
  return [
    facts.join(' | '),
    ...(curve.length > 3 ? [`  ${sparkline(curve, Math.min(60, columns - 4))}`] : []),
  ];
}

function endedLine(study: ReportedStudy, trial: Trial, isBest: boolean): string {
  const { number, state, params } = trial;
  const values = outcomesOf(study, trial);
  const outcome = state === 'fail' ? failReason(trial) : isBest ? 'best' : state;
  const changed = Object.entries(params).map(([name, each]) => describeParam(name, each).join('='));
  return [
    String(number).padStart(4),
    ...metricNames(study).map((_, k) => valueText(values[k] ?? null, 6).padStart(12)),
    duration(secondsOf(trial) ?? 0).padStart(6),
    outcome.slice(0, 14).padEnd(14),
    changed.join(' '),
  ].join('  ');
}
