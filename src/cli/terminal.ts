// What commands say while they work: one line that redraws on a terminal, plain lines elsewhere.

const REDRAW_MS = 100;
const PLAIN_MS = 5000;

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
  const live = stream.isTTY === true;
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
      if (live) {
        stream.write(`\r\x1b[2K${line().slice(0, (stream.columns || 120) - 1)}`);
        shown = true;
      } else stream.write(`${line()}\n`);
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

/** A line cut to a terminal's width, so that a table stays one; whole where the stream is a file or a pipe. */
export function fitted(line: string, stream: NodeJS.WriteStream = process.stdout): string {
  const columns = stream.isTTY ? stream.columns || 120 : Number.POSITIVE_INFINITY;
  return line.length < columns ? line : `${line.slice(0, columns - 2)}…`;
}

/** `[#####.....]` for a fraction of 0 to 1. */
export function bar(fraction: number, width = 20): string {
  const filled = Math.round(Math.min(Math.max(fraction, 0), 1) * width);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}

/** 12,345 */
export const thousands = (value: number): string => Math.round(value).toLocaleString('en-US');

/** 950 B, 12.3 MB, 4.5 GB (powers of 1000). */
export function byteSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${unit === 0 ? bytes : bytes.toPrecision(3)} ${units[unit]}`;
}

/** 45s, 2m05s, 3h20m. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${String(s % 60).padStart(2, '0')}s`;
  return `${Math.floor(s / 3600)}h${String(Math.floor((s % 3600) / 60)).padStart(2, '0')}m`;
}

/**
 * Turns Ctrl-C (and SIGTERM) into an abort signal; the second one leaves at once.
 * @param onFirst tells the user what happens next
 */
export function abortOnInterrupt(onFirst: () => void): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const release = () => {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  };
  return { signal: controller.signal, release };
}
