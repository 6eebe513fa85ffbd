// The record of every call to a provider, a JSON line each in the study's folder: one before the call with the most that it
// can cost, one after it with what it gave. So a spending cap holds for all processes of a study and over restarts: a call
// whose end is missing counts with the most it can have cost. The log is also what answers are replayed from.

import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../../base/errors.js';
import { describeWriteError, makeFolder, writeWhole } from '../../base/files.js';
import { readTextFile } from '../../base/textFile.js';
import { isObject } from '../../base/valid.js';
import { withLock } from '../storage/lock.js';

/** Why a call is made: for a proposal, for the correction of one, for advice on a space. */
export type Purpose = 'propose' | 'repair' | 'advise';

/** What a call is for: a trial's number (null for advice), and a hash of what the prompt is about. */
export type CallKey = { purpose: Purpose; trial: number | null; about: string };

export type StartRecord = CallKey & {
  event: 'start';
  id: string;
  time: string;
  provider: string;
  model: string;
  prompt: string;
  /** Dollars that the call can cost at most; null where prices are unknown. */
  worst_cost_usd: number | null;
};

export type EndRecord = CallKey & {
  event: 'end';
  id: string;
  time: string;
  /** `replayed`: the answer was recorded earlier, and costs nothing. */
  status: 'answered' | 'failed' | 'aborted' | 'replayed';
  seconds: number;
  answer?: string;
  error?: string;
  /** What answered, of a replay when the answer was recorded. */
  provider: string;
  model: string;
  input_tokens: number | null;
  output_tokens: number | null;
  /** Dollars; null where that is unknown. */
  cost_usd: number | null;
  /** What counts towards the spending cap: the cost, or where that is unknown the most it can be. */
  charged_usd: number | null;
};

/** All calls together. Unknown tokens and costs are counted, not guessed. */
export type Usage = {
  calls: number;
  answered: number;
  replayed: number;
  input_tokens: number;
  output_tokens: number;
  seconds: number;
  /** Of the calls whose cost is known. */
  cost_usd: number;
  /** Answers whose tokens were not reported. */
  unknown_tokens: number;
  /** Calls whose cost is unknown. */
  unknown_cost: number;
};

export interface CallLog {
  readonly path: string;
  /** Of all processes of the study. */
  usage(): Usage;
  /** Kinds of providers that have answered. */
  providers(): string[];
  /** Dollars that count towards a spending cap, calls under way included. */
  charged(): number;
  /**
   * Records the start of a call unless `allow` refuses it by what has been charged so far; one step for all processes.
   * @returns whether it was recorded
   */
  begin(record: StartRecord, allow: (charged: number) => boolean): boolean;
  /** Records the end of a call. */
  end(record: EndRecord): void;
  /** An answer that an earlier process of this study was given and did not come to use. */
  earlier(key: CallKey): EndRecord | undefined;
}

/** Opens the log of a study, which is created with the first call. */
export function openCallLog(given: string): CallLog {
  const path = resolve(given);
  const started = new Map<string, StartRecord['worst_cost_usd']>();
  const ended = new Map<string, EndRecord>();
  let offset = 0;
  let rest = Buffer.alloc(0);

  function take(line: string): void {
    const record = parseRecord(line);
    if (record?.event === 'start') started.set(record.id, record.worst_cost_usd);
    else if (record) ended.set(record.id, record);
  }

  /** Reads what was appended; only whole lines. */
  function refresh(): void {
    if (!existsSync(path)) return;
    const fd = openSync(path, 'r');
    try {
      const size = fstatSync(fd).size;
      const fresh = Buffer.alloc(Math.max(0, size - offset));
      offset += readSync(fd, fresh, 0, fresh.length, offset);
      const lines = Buffer.concat([rest, fresh]);
      const last = lines.lastIndexOf(10) + 1;
      rest = lines.subarray(last);
      for (const line of lines.toString('utf8', 0, last).split('\n')) take(line);
    } finally {
      closeSync(fd);
    }
  }

  function append(record: StartRecord | EndRecord): void {
    try {
      const fd = openSync(path, 'a');
      try {
        // A line that a killed process left torn stays one by itself.
        const before = rest.length > 0 ? '\n' : '';
        writeWhole(fd, Buffer.from(`${before}${JSON.stringify(record)}\n`));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw describeWriteError(path, error);
    }
    refresh();
  }

  const locked = <T>(work: () => T): T => {
    makeFolder(dirname(path));
    return withLock(path, () => {
      refresh();
      return work();
    });
  };

  const charged = () => {
    let sum = 0;
    for (const [id, worst] of started) {
      const end = ended.get(id);
      sum += (end ? end.charged_usd : worst) ?? 0;
    }
    return sum;
  };

  refresh();
  const before = [...ended.values()].filter(({ status }) => status === 'answered');
  return {
    path,
    charged: () => {
      refresh();
      return charged();
    },
    usage() {
      refresh();
      const usage: Usage = {
        calls: started.size,
        answered: 0,
        replayed: 0,
        input_tokens: 0,
        output_tokens: 0,
        seconds: 0,
        unknown_tokens: 0,
        cost_usd: 0,
        unknown_cost: 0,
      };
      for (const [id, end] of ended) {
        if (end.status === 'answered') usage.answered++;
        if (end.status === 'replayed') usage.replayed++;
        const isCounted = end.input_tokens !== null && end.output_tokens !== null;
        if (end.status === 'answered' && !isCounted) usage.unknown_tokens++;
        usage.input_tokens += end.input_tokens ?? 0;
        usage.output_tokens += end.output_tokens ?? 0;
        usage.seconds += end.seconds;
        usage.cost_usd += end.cost_usd ?? 0;
        if (started.has(id) && end.cost_usd === null) usage.unknown_cost++;
      }
      for (const id of started.keys()) if (!ended.has(id)) usage.unknown_cost++;
      return usage;
    },
    providers() {
      refresh();
      const answers = [...ended.values()].filter(({ answer }) => answer !== undefined);
      return [...new Set(answers.map(({ provider }) => provider))];
    },
    begin: (record, allow) =>
      locked(() => {
        if (!allow(charged())) return false;
        append(record);
        return true;
      }),
    end: (record) => locked(() => append(record)),
    earlier: (key) => before.findLast((record) => isFor(record, key) && record.about === key.about),
  };
}

const isFor = (record: CallKey, { purpose, trial }: CallKey): boolean =>
  record.purpose === purpose && record.trial === trial;

/** A line of the log; undefined for one that is torn or no record. */
function parseRecord(line: string): StartRecord | EndRecord | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(record) || typeof record.id !== 'string') return undefined;
  const isAmount = (value: unknown) => value === null || Number.isFinite(value);
  if (record.event === 'start')
    return isAmount(record.worst_cost_usd) ? (record as unknown as StartRecord) : undefined;
  const { input_tokens, output_tokens, cost_usd, charged_usd, seconds } = record;
  const amounts = [input_tokens, output_tokens, cost_usd, charged_usd];
  const isEnd =
    record.event === 'end' &&
    amounts.every(isAmount) &&
    Number.isFinite(seconds) &&
    typeof record.provider === 'string';
  return isEnd ? (record as unknown as EndRecord) : undefined;
}

/** Recorded answers. */
export type Recording = {
  /** Kinds of providers that gave them. */
  providers: readonly string[];
  /** That of the same prompt, else that for the same trial. */
  find(
    key: CallKey,
  ): (Pick<EndRecord, 'provider' | 'model'> & { answer: string; exact: boolean }) | undefined;
};

/**
 * Opens a log to replay its answers.
 * @throws UsageError where there is none in it
 */
export function openRecording(path: string): Recording {
  const records = readTextFile(path, '--llm-replay')
    .split('\n')
    .flatMap((line) => parseRecord(line) ?? []);
  const answers = records.filter(
    (record): record is EndRecord & { answer: string } =>
      record.event === 'end' && typeof record.answer === 'string',
  );
  if (answers.length === 0)
    throw new UsageError(
      `Expected recorded calls in --llm-replay ${path}, got none; give a study's llm-calls.jsonl`,
    );
  return {
    providers: [...new Set(answers.map(({ provider }) => provider))],
    find(key) {
      const found = answers.filter((record) => isFor(record, key));
      const same = found.findLast(({ about }) => about === key.about);
      const record = same ?? found.at(-1);
      return record && { ...record, exact: same !== undefined };
    },
  };
}

/** Opens the log of a study that may have none; null then. */
export const callLogOf = (path: string): CallLog | null => (existsSync(path) ? openCallLog(path) : null);
