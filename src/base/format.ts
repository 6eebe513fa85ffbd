// Numbers and texts as people read them.

/**
 * A text without control characters but line breaks and tabs, and without those that reorder it: names from elsewhere must not
 * steer a terminal.
 */
export const printable = (text: string): string => text.replace(/(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu, '?');

/** The number that a decimal text stands for (`1e-3`, `-.5`); NaN for any other text, hexadecimal and empty ones included. */
export const parseDecimal = (text: string): number =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;

/** 12,345 */
export const thousands = (value: number): string => Math.round(value).toLocaleString('en-US');

/** `1 document`, `12,345 documents`; `plural` where that takes more than an s. */
export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${thousands(count)} ${count === 1 ? noun : plural}`;

/** 950 B, 12.3 MB, 4.50 GB (powers of 1000). */
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

/** A text as a POSIX shell reads it back: quoted where it holds more than plain characters. */
export function shellQuoted(text: string): string {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text;
  return /^[\w./:@%+=,' -]+$/.test(text) ? `"${text}"` : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A path for a printed command, which must not look like an option. */
export const shellPath = (path: string): string => shellQuoted(path.startsWith('-') ? `./${path}` : path);

/** `--name value` for a printed command, as it is read back. */
export const shellOption = (name: string, value: string): string =>
  `--${name}${value.startsWith('-') ? '=' : ' '}${shellQuoted(value)}`;

/** `[#####.....]` for a fraction of 0 to 1. */
export function bar(fraction: number, width = 20): string {
  const filled = Math.round(Math.min(Math.max(fraction, 0), 1) * width);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}
