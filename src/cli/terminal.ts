// What commands print while they work: one line that redraws on a terminal, plain lines elsewhere.

import { printable } from '../base/format.js';

export {
  bar,
  byteSize,
  counted,
  duration,
  printable,
  shellOption,
  shellPath,
  thousands,
} from '../base/format.js';

const REDRAW_MS = 100;
const PLAIN_MS = 5000;

/** Whether a stream is a terminal on which lines can be drawn again. */
export const isLive = ({ isTTY }: NodeJS.WriteStream): boolean =>
  isTTY === true && process.env.TERM !== 'dumb';

/** Where progress goes; results go to stdout on their own. */
export interface ProgressLine {
  /** Shows the state of the work; drawn at most ten times a second (every five seconds off a terminal). */
  update(line: () => string): void;
  /** Prints a line that stays. */
  note(line: string): void;
  /** Leaves the last state on screen, or clears it. */
  end(last?: string): void;
}

/** A progress line on `stream` (default stderr, so that stdout stays clean for results). */
export function openProgress(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  const live = isLive(stream);
  let drawn = live ? Number.NEGATIVE_INFINITY : performance.now();
  let shown = false;
  const clear = () => {
    if (shown) stream.write('\r\x1b[2K');
    shown = false;
  };
  return {
    update(line) {
      const now = performance.now();
      if (now - drawn < (live ? REDRAW_MS : PLAIN_MS)) return;
      drawn = now;
      // Of whatever a program prints: a tab is wider than it counts, and a line that wraps cannot be drawn again.
      const text = printable(line().replace(/\s/g, ' '));
      if (live) {
        stream.write(`\r\x1b[2K${fitted(text, stream)}`);
        shown = true;
      } else stream.write(`${text}\n`);
    },
    note(line) {
      clear();
      stream.write(`${line}\n`);
    },
    end(last) {
      clear();
      if (last !== undefined) stream.write(`${last}\n`);
    },
  };
}

/** Where a run shows what it does, and the signal that stops it. */
export type Screen = { progress: ProgressLine; signal: AbortSignal; say: (line: string) => void };

/** Prints lines for people: to stderr where stdout is for JSON alone. */
export const linePrinter =
  (json: boolean): Screen['say'] =>
  (line) =>
    void (json ? process.stderr : process.stdout).write(`${line}\n`);

/**
 * A command's screen.
 * @param stopping what Ctrl-C says
 * @param until stops the command
 */
export function openScreen(
  stopping: string,
  { json = false } = {},
  until: typeof abortOnInterrupt = abortOnInterrupt,
): Screen & { close(): void } {
  const progress = openProgress();
  const { signal, release } = until(() => progress.note(stopping));
  const close = () => {
    progress.end();
    release();
  };
  return { progress, signal, say: linePrinter(json), close };
}

/** A line cut to a terminal's width, so that a table stays one; whole where the stream is a file or a pipe. */
export function fitted(line: string, stream: NodeJS.WriteStream = process.stdout): string {
  const columns = stream.isTTY ? stream.columns || 120 : Number.POSITIVE_INFINITY;
  const shown = printable(line);
  return shown.length < columns ? shown : `${shown.slice(0, columns - 2)}…`;
}

/**
 * Turns Ctrl-C (also SIGTERM, and SIGHUP of a terminal that closes) into an abort signal. The second one ends the process at
 * once: by then the system's default is back, which works in the middle of a computation too. SIGHUP never does: shell and
 * kernel each send one.
 * @param onFirst tells the user what happens next
 * @param options.unread aborts too when nobody reads stdout any more (`| head`): for commands that make nothing else
 */
export function abortOnInterrupt(
  onFirst: () => void,
  { unread = false } = {},
): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abandon = () => controller.abort();
  if (unread) process.stdout.once('error', abandon);
  const interrupt = () => {
    restore();
    if (controller.signal.aborted) return;
    controller.abort();
    onFirst();
  };
  const restore = () => {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  process.on('SIGHUP', interrupt);
  const release = () => {
    restore();
    process.off('SIGHUP', interrupt);
    process.stdout.off('error', abandon);
  };
  return { signal: controller.signal, release };
}
