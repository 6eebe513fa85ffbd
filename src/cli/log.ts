// The log of a study: JSON lines. Its journal holds the results, so a log that cannot be written is no reason to stop.

import { type Logger, pino } from 'pino';
import { messageOf } from '../base/errors.js';

/**
 * Opens a log whose lines are written before the call returns.
 * @param onNote called once if a line cannot be written, e.g. on a full disk
 */
export function openLog(path: string, onNote: (line: string) => void): Logger {
  const destination = pino.destination({ dest: path, sync: true });
  let noted = false;
  destination.on('error', (error: Error) => {
    if (!noted) onNote(`${path} cannot be written (${messageOf(error)}); the study continues without it`);
    noted = true;
  });
  return pino({ base: { pid: process.pid } }, destination);
}
