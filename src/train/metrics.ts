// The metrics log: one JSON object a line, on disk as soon as it is written.

import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeWriteError, makeFolder } from '../base/files.js';

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
    write: (record) => void guarded(() => writeSync(file, `${JSON.stringify(record)}\n`)),
    close: () => closeSync(file),
  };
}
