// A study as the page's messages: rows are made once per trial and change, and each reader gets what changed since it last
// asked.

import { formatStandardJson } from '../base/json.js';
import type { LiveState, MachineState, RunningState, StudyEntry } from '../report/messages.js';
import { headOf, pointsPerCurve, rowOf, thinned } from '../report/pageData.js';
import { addToSpace } from '../report/study.js';
import { bestTrial, completeTrials } from '../tune/best.js';
import { knownImportances } from '../tune/importance.js';
import { isFinished } from '../tune/journal/records.js';
import { countsAsEvaluated } from '../tune/starting.js';
import { stopRequest } from '../tune/stopping.js';
import type { SearchSpace } from '../tune/types.js';
import type { Found } from './library.js';

/** How far a reader has read. */
export type Position = { epoch: number; version: number };

export type Feed = {
  /** Reads what is new and makes rows of it. */
  refresh(): void;
  /** The whole study as JSON of a message. */
  snapshot(): { text: string; at: Position };
  /** What changed since, as JSON of a message; null where that is nothing or the whole must be sent again. */
  since(at: Position): { text: string; at: Position } | null | 'again';
  live(machine: MachineState): LiveState;
  entry(): StudyEntry;
};

/** Importances are worked out again when the complete trials have grown by this share: it takes a second for many. */
const GROWTH = 1.1;
const CURVE = 120;

/** No two feeds share an epoch, so that a study that was opened again is sent whole. */
let epochs = 0;

/** Follows one study. */
export function openFeed(study: Found): Feed {
  const { key, log, steps } = study;
  const rows: string[] = [];
  const final: boolean[] = [];
  const changed: number[] = [];
  const space: SearchSpace = {};
  let shape = '';
  let head = '';
  let headChanged = 0;
  let weights: Record<string, number> = {};
  let weighed = 0;
  const position: Position = { epoch: ++epochs, version: 1 };

  function refresh(): void {
    study.refresh();
    const { trials } = log;
    const next = position.version + 1;
    const points = pointsPerCurve(trials.length);
    let some = false;
    // New parameters, or choices, change the meaning of every row.
    for (const [i, trial] of trials.entries()) if (!final[i]) addToSpace(space, trial.distributions);
    const now = Object.entries(space)
      .map(
        ([name, each]) =>
          `${name}\0${each.kind === 'categorical' ? formatStandardJson(each.choices) : each.kind}`,
      )
      .join('\0');
    if (now !== shape || trials.length < rows.length) {
      shape = now;
      [rows.length, final.length, changed.length] = [0, 0, 0];
      position.epoch = ++epochs;
    }
    for (const [i, trial] of trials.entries()) {
      if (final[i]) continue;
      const row = formatStandardJson(rowOf(trial, space, points, steps.losses.get(trial.number)));
      // A trial of runs changes after its end too, when it is resumed.
      final[i] = isFinished(trial.state) && study.place !== null;
      if (row === rows[i]) continue;
      rows[i] = row;
      changed[i] = next;
      some = true;
    }
    if (head !== '') weigh(); // not before the study is first shown
    const made = formatStandardJson(headOf(log, weights, null, space));
    if (made !== head) [head, headChanged] = [made, next];
    if (some || headChanged === next) position.version = next;
  }

  function weigh(): void {
    const complete = completeTrials(log.trials).length;
    if (complete < 10 || complete < weighed * GROWTH || log.directions.length > 1) return;
    weighed = complete;
    weights = knownImportances(log.trials, log.directions[0]!);
  }

  return {
    refresh,
    snapshot: () => ({
      text: `{"kind":"study","key":"${key}","head":${head},"rows":[${rows.join(',')}]}`,
      at: { ...position },
    }),
    since(at) {
      if (at.epoch !== position.epoch) return 'again';
      if (at.version === position.version) return null;
      const changes: string[] = [];
      for (let i = 0; i < rows.length; i++) if (changed[i]! > at.version) changes.push(`[${i},${rows[i]}]`);
      const newHead = headChanged > at.version ? `"head":${head},` : '';
      return {
        text: `{"kind":"update","key":"${key}",${newHead}"rows":[${changes.join(',')}]}`,
        at: { ...position },
      };
    },
    live(machine) {
      const running = log.trials.filter(({ state }) => state === 'running');
      const states = running.slice(0, 64).map(({ number }): RunningState => {
        const last = steps.last.get(number);
        const trial = log.trials[number]!;
        return {
          trial: number,
          progress: last?.progress ?? null,
          step: last?.step ?? null,
          loss: last?.loss ?? null,
          curve: thinned(steps.losses.get(number) ?? [], CURVE),
          tokensPerSecond: last?.tokensPerSecond ?? null,
          mfuPercent: last?.mfuPercent ?? null,
          memoryBytes: last?.memoryBytes ?? null,
          secondsLeft: last?.secondsLeft ?? null,
          lost: study.isLost(trial),
        };
      });
      const evaluated = log.trials.filter(countsAsEvaluated).length;
      const { limits } = steps;
      const stopping = stopRequest(log) !== null && states.some(({ lost }) => !lost);
      return { time: Date.now(), running: states, machine, limits, evaluated, stopping };
    },
    entry: () => ({
      key,
      name: log.name,
      where: study.where,
      trials: log.trials.length,
      running: log.trials.filter(({ state }) => state === 'running').length,
      best: bestTrial(log.trials, log.directions[0] ?? 'minimize')?.value ?? null,
      actions: study.place !== null,
    }),
  };
}
