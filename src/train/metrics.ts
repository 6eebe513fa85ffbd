// The metrics log: one JSON object per line, on disk as soon as it is written, one record per step.

import { closeSync, createReadStream, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { describeWriteError, makeFolder, writeFileAtomic, writeWhole } from '../base/files.js';
import { isNatural, isObject } from '../base/valid.js';

/** An append-only JSONL file. */
export interface MetricsLog {
  /** @throws EnvironmentError when the disk is full */
  write(record: Readonly<Record<string, unknown>>): void;
  close(): void;
}

/** Opens a log for appending. @throws EnvironmentError when it cannot be written */
export function openMetricsLog(path: string): MetricsLog {
  const guarded = <R>(action: () => R): R => {
    try {
      return action();
    } catch (error) {
      throw describeWriteError(path, error);
    }
  };
  const file = guarded(() => {
    makeFolder(dirname(path));
    return openSync(path, 'a');
  });
  return {
    write: (record) => guarded(() => writeWhole(file, Buffer.from(`${JSON.stringify(record)}\n`))),
    close: () => closeSync(file),
  };
}

/**
 * Prepares the log of a run that resumes at step `steps`: keeps one record of each earlier step, the last one written,
 * and drops everything else (steps after the checkpoint, which are run again; incomplete lines; the end of the run).
 * @throws EnvironmentError when it cannot be written
 */
export async function rewindMetricsLog(path: string, steps: number): Promise<void> {
  if (!existsSync(path)) return;
  const kept: { step: number; line: string }[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const step = stepOf(line);
    if (step === null || step >= steps) continue;
    while (kept.length > 0 && kept.at(-1)!.step >= step) kept.pop();
    kept.push({ step, line });
  }
  writeFileAtomic(path, kept.map(({ line }) => `${line}\n`).join(''));
}

/** The step recorded on a line; null for any other line. */
function stepOf(line: string): number | null {
  try {
    const record: unknown = JSON.parse(line);
    const { kind, step } = isObject(record) ? record : {};
    return kind === 'step' && isNatural(step) ? step : null;
  } catch {
    return null;
  }
}
