// An agent's run as a study: the log that karpathy/autoresearch's program.md asks for (results.tsv: commit, val_bpb,
// memory_gb, status, description), and where the git history is at hand the constants of the script at each commit. A
// crash has no value there (0.000000 stands for it) and none in the study.

import { expect } from '../base/errors.js';
import { parseDecimal } from '../base/format.js';
import { show } from '../base/json.js';
import { categorical, float, int } from './distributions.js';
import {
  createStudyEntry,
  createTrialEntry,
  type Entry,
  finishEntry,
  studyAttrEntry,
} from './journal/records.js';
import { own } from './objects.js';
import type { Language } from './script/lexer.js';
import { isSeed, proposeSpace, scriptValues } from './script/propose.js';
import type { Attributes, Choice, Direction, Params, SearchSpace } from './types.js';

/** One experiment of the log. */
export type AgentRun = {
  /** null where it failed. */
  value: number | null;
  commit: string | null;
  status: string;
  description: string;
  /** The log's other columns. */
  more: Attributes;
};

/** Statuses of experiments that came to nothing. */
const FAILED = /^(?:crash(?:ed)?|fail(?:ed|ure)?|error|oom|timeout|killed|nan)$/i;
/** A log without times: the reference's five minutes of training. */
export const USUAL_SECONDS = 300;

/**
 * Reads a log. Line ends, a byte order mark, more columns and their order do not matter; tabs in the last column do not
 * either.
 * @param metric its column; the one after `commit` unless set
 * @throws UsageError naming the line: no header, a value that is no number
 */
export function readAgentLog(text: string, metric?: string): { metric: string; runs: AgentRun[] } {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  const head = lines[0]!.split('\t').map((name) => name.trim());
  const at = (name: string) => head.indexOf(name);
  expect(
    head.length > 1 && at('status') >= 0,
    () =>
      `Expected a first line with the columns commit, val_bpb, memory_gb, status and description, separated by tabs, got ${show(lines[0]!.slice(0, 100))}`,
  );
  const value = metric === undefined ? (at('commit') === 0 ? 1 : 0) : at(metric);
  expect(value >= 0, () => `Expected a column ${metric}, got ${head.join(', ')}`);
  const runs = lines.slice(1).flatMap((line, i): AgentRun[] => {
    if (line.trim() === '') return [];
    const cells = line.split('\t');
    const whole = [...cells.slice(0, head.length - 1), cells.slice(head.length - 1).join('\t')];
    const cell = (column: number) => whole[column]?.trim() ?? '';
    const status = cell(at('status'));
    const number = parseDecimal(cell(value).replace(/%$/, ''));
    const isBits = /bpb|loss/i.test(head[value]!);
    const failed = FAILED.test(status) || Number.isNaN(number) || (isBits && number <= 0);
    expect(
      !Number.isNaN(number) || FAILED.test(status) || /^(?:nan|-|none|null|)$/i.test(cell(value)),
      () => `Expected a number for ${head[value]} in line ${i + 2}, got ${show(cell(value))}`,
    );
    const known = new Set([value, at('commit'), at('status'), at('description')]);
    const more = head.flatMap((name, column) =>
      known.has(column) || name === '' || cell(column) === ''
        ? []
        : [[name, readCell(cell(column))] as const],
    );
    const commit = at('commit') < 0 ? '' : cell(at('commit'));
    return [
      {
        value: failed ? null : number,
        commit: /^[0-9a-f]{4,40}$/i.test(commit) ? commit : null,
        status: status || 'unknown',
        description: cell(at('description')),
        more: Object.fromEntries(more),
      },
    ];
  });
  expect(runs.length > 0, () => 'Expected experiments below the first line, got none');
  return { metric: head[value]!, runs };
}

const readCell = (text: string): unknown => {
  const number = parseDecimal(text);
  return Number.isFinite(number) ? number : text;
};

export type AgentStudy = {
  name: string;
  metric: string;
  direction: Direction;
  /** What the agent is called beside the samplers. */
  sampler: string;
  runs: readonly AgentRun[];
  /** The script at the time of each run; null where it is not known. */
  scripts: readonly (string | null)[];
  language: Language;
  /** Milliseconds since the epoch. */
  begin: number;
  /** Of the whole run; five minutes an experiment unless given. */
  hours?: number | undefined;
  costUsd?: number | undefined;
  /** File, repository: where it comes from. */
  source: Attributes;
};

/** The records of a new journal that hold the run: its trials one after the other over the hours. */
export function agentEntries(study: AgentStudy): Entry[] {
  const { name, metric, direction, sampler, runs, begin, hours, costUsd, source } = study;
  const configurations = study.scripts.map((text) =>
    text === null ? {} : scriptValues(text, study.language),
  );
  const space = spaceOf(study, configurations);
  const paramsOf = (i: number): Params =>
    Object.fromEntries(
      Object.keys(space).flatMap((key) => {
        const value = own(configurations[i]!, key);
        return value === undefined ? [] : [[key, value]];
      }),
    );
  const each = hours === undefined ? USUAL_SECONDS * 1000 : (hours * 3600e3) / runs.length;
  const attributes: Attributes = {
    sampler,
    seed: 1,
    objective: { task: 'imported', metric },
    imported: {
      ...source,
      experiments: runs.length,
      times: hours === undefined ? 'assumed' : 'spread evenly',
    },
    hours: (each * runs.length) / 3600e3,
    ...(costUsd !== undefined && { cost_usd: costUsd }),
    ...(Object.keys(space).length > 0 && { space, defaults: paramsOf(0) }),
  };
  const entries = [
    createStudyEntry(name, direction),
    studyAttrEntry('system', 0, 'study:metric_names', [metric]),
  ];
  for (const [key, value] of Object.entries(attributes)) entries.push(studyAttrEntry('user', 0, key, value));
  for (const [i, run] of runs.entries()) {
    const start = begin + i * each;
    const userAttrs: Attributes = { ...run.more, status: run.status, description: run.description || '-' };
    if (run.commit) userAttrs.commit = run.commit;
    if (run.value === null)
      Object.assign(userAttrs, {
        fail_reason: /\boom\b|out of memory/i.test(run.description) ? 'out_of_memory' : 'crash',
        fail_message: run.description || '-',
        cost_seconds: each / 1000,
      });
    entries.push(createTrialEntry(0, space, { state: 'running', params: paramsOf(i), start, userAttrs }));
    const state = run.value === null ? 'fail' : 'complete';
    const times = { start, end: start + each };
    entries.push(finishEntry(i, state, run.value === null ? null : [run.value], times));
  }
  return entries;
}

/**
 * The constants that look like hyperparameters, or that the agent changed, in the range that it used; seeds are none, so that
 * a change of one shows as noise.
 */
function spaceOf({ scripts, language }: AgentStudy, configurations: readonly Params[]): SearchSpace {
  const first = scripts.find((text) => text !== null);
  if (first === undefined || first === null) return {};
  const proposed = Object.keys(proposeSpace(first, language).space).map((name) => name.replace(/^log2_/, ''));
  const names = new Set(
    configurations.flatMap(Object.keys).filter((name) => !name.startsWith('log2_') && !isSeed(name)),
  );
  const space: SearchSpace = {};
  for (const name of names) {
    const values = [
      ...new Set(configurations.flatMap((one) => (Object.hasOwn(one, name) ? [one[name]!] : []))),
    ];
    if (!proposed.includes(name) && values.length < 2) continue;
    space[name] = distributionOf(values);
  }
  return space;
}

function distributionOf(values: readonly Choice[]) {
  const numbers = values.filter((value): value is number => typeof value === 'number');
  if (numbers.length < values.length) return categorical(values);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return [...numbers, high - low].every(Number.isSafeInteger) ? int(low, high) : float(low, high);
}
