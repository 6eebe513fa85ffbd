// Downloads that survive dropped connections, busy servers and wrong lengths.
// A file is downloaded to `NAME.part`, with its ETag or date in `NAME.part.json`, and is renamed to NAME only when it is
// complete and its hash is right; a later run resumes one that was interrupted. Requests are made by http.ts.
// Resumption follows RFC 9110, section 14: `Range: bytes=N-` with `If-Range`, so that a server whose file has changed
// sends all of it. Writes go to explicit positions, so two processes can share one part.

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { EnvironmentError, hasCode, messageOf, UsageError } from '../base/errors.js';
import { describeWriteError, makeFolder, sha256OfFile } from '../base/files.js';
import type { OnProgress } from '../base/progress.js';
import { type Answer, type HttpOptions, openUrl, Retriable, retrying, withoutCredentials } from './http.js';

/** A file to download, and what is known about it. */
export type Download = {
  url: string;
  path: string;
  /** Bytes. */
  size?: number | undefined;
  /** Hex. */
  sha256?: string | undefined;
  /** Checks the complete part before it is renamed; what it refuses (with an EnvironmentError) is deleted. */
  check?: ((part: string) => Promise<void>) | undefined;
};

/** Identifies the version of a file that a part belongs to: a strong ETag or a modification date. */
type PartMark = { validator: string | null };

const WORKERS = 4;

/**
 * Downloads files, several at a time; files that exist already (with the right size) are kept.
 * @param options.workers files at a time (default 4)
 * @param options.onProgress bytes of all files; the stage says so while a request is retried
 * @throws EnvironmentError when one cannot be downloaded; the others are stopped, and resumed by another call
 */
export async function downloadAll(
  files: Download[],
  options: HttpOptions & { workers?: number; onProgress?: OnProgress | undefined } = {},
): Promise<void> {
  const { workers = WORKERS, onProgress, signal } = options;
  const failure = new AbortController();
  const either = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const done = files.map(() => 0);
  const total = files.every(({ size }) => size !== undefined)
    ? files.reduce((sum, { size }) => sum + size!, 0)
    : undefined;
  const what = files.length === 1 ? basename(files[0]!.path) : `${files.length} files`;
  let retry = '';
  const report = () =>
    onProgress?.({
      stage: `downloading ${what}${retry}`,
      done: done.reduce((sum, bytes) => sum + bytes, 0),
      ...(total !== undefined && { total }),
      unit: 'bytes',
    });
  let next = 0;
  const work = async () => {
    while (next < files.length) {
      const index = next++;
      await downloadFile(files[index]!, {
        ...options,
        signal: either,
        onBytes: (bytes) => {
          done[index] = bytes;
          retry = '';
          report();
        },
        onRetry: (reason) => {
          retry = ` (${reason}; retrying)`;
          report();
        },
      });
    }
  };
  const running = Array.from({ length: Math.min(workers, files.length) }, work).map((worker) =>
    worker.catch((error: unknown) => {
      failure.abort(error); // the first failure is the reason that the others see
      throw error;
    }),
  );
  await Promise.allSettled(running);
  await Promise.all(running);
}

/**
 * Downloads one file unless it exists.
 * @param options.onBytes bytes of the file so far
 * @throws EnvironmentError when it cannot be downloaded, with the reason and a remedy; the part is kept for another call,
 * except when the disk is full
 */
export async function downloadFile(
  file: Download,
  options: HttpOptions & { onBytes?: (bytes: number) => void } = {},
): Promise<void> {
  const { path, size } = file;
  try {
    const present = sizeOf(path);
    if (present !== null && (size === undefined || present === size)) {
      options.onBytes?.(present);
      return;
    }
    makeFolder(dirname(path));
    await retrying(
      file.url,
      options,
      () => fetchRest(file, options),
      () => sizeOf(partOf(path)) ?? 0,
    );
  } catch (error) {
    if (hasCode(error, 'ENOSPC', 'EDQUOT')) discard(path);
    throw describeWriteError(path, error);
  }
}

const partOf = (path: string) => `${path}.part`;
const markOf = (path: string) => `${path}.part.json`;

/** Downloads what a part lacks and renames it when it is complete. */
async function fetchRest(
  file: Download,
  options: HttpOptions & { onBytes?: (bytes: number) => void },
): Promise<void> {
  const { url, path } = file;
  const mark = readMark(path);
  let at = mark ? (sizeOf(partOf(path)) ?? 0) : 0;
  const resumable = mark !== null && (mark.validator !== null || file.sha256 !== undefined);
  if (!resumable || (file.size !== undefined && at > file.size)) at = 0;
  if (at > 0 && at === file.size) return finish(file);

  const range =
    at > 0 ? { range: `bytes=${at}-`, ...(mark?.validator && { 'if-range': mark.validator }) } : {};
  const answer = await openUrl(url, range as Record<string, string>, options);
  try {
    await receive(answer, file, at, mark, options.onBytes);
  } finally {
    await answer.close();
  }
}

/** Writes the body of an answer to the part from byte `at`, or from the first when the answer begins there. */
async function receive(
  answer: Answer,
  file: Download,
  at: number,
  mark: PartMark | null,
  onBytes: ((bytes: number) => void) | undefined,
): Promise<void> {
  const { path } = file;
  if (answer.status === 416) {
    if (at > 0 && rangeOf(answer).total === at && (file.size ?? at) === at) return finish(file);
    throw again(path, 'the server refused to resume');
  }
  const validator = validatorOf(answer);
  if (answer.status === 206) {
    if (rangeOf(answer).start !== at) throw again(path, 'the server resumed at another byte');
    if (mark?.validator && validator && mark.validator !== validator)
      throw again(path, 'the file changed on the server');
  } else at = 0;
  const announced = announcedSize(answer);
  const linked = Number(answer.linked.get('x-linked-size') ?? Number.NaN);
  const expected = file.size ?? (Number.isFinite(linked) ? linked : announced);
  if (expected !== null && announced !== null && expected !== announced)
    throw again(path, `the server announced ${announced} bytes, expected ${expected}`);

  writeFileSync(markOf(path), JSON.stringify({ validator } satisfies PartMark));
  const part = await open(partOf(path), at > 0 ? 'r+' : 'w');
  try {
    for await (const chunk of answer.body) {
      if (expected !== null && at + chunk.length > expected)
        throw again(path, `the server sent more than ${expected} bytes`);
      await part.write(chunk, 0, chunk.length, at);
      at += chunk.length;
      onBytes?.(at);
    }
    if (expected !== null && at < expected) throw new Retriable(`the server sent ${at} bytes of ${expected}`);
    await part.sync();
  } finally {
    await part.close();
  }
  await finish(file);
}

/** Checks a complete part and renames it; one that is wrong is deleted. */
async function finish({ url, path, sha256, check }: Download): Promise<void> {
  if (sha256 !== undefined) {
    const found = await sha256OfFile(partOf(path));
    if (found !== sha256) throw again(path, `the content has SHA-256 ${found}, expected ${sha256}`);
  }
  try {
    await check?.(partOf(path));
  } catch (error) {
    discard(path);
    if (!(error instanceof EnvironmentError || error instanceof UsageError)) throw error;
    const reason = messageOf(error)
      .replaceAll(partOf(path), basename(path))
      .replace(/; [^;]*$/, '');
    throw new EnvironmentError(`${withoutCredentials(url)} sent something else: ${reason}; try again later`, {
      cause: error,
    });
  }
  renameSync(partOf(path), path);
  rmSync(markOf(path), { force: true });
}

/** A failure after which the next attempt starts from the first byte. */
function again(path: string, message: string): Retriable {
  discard(path);
  return new Retriable(message);
}

function discard(path: string): void {
  rmSync(partOf(path), { force: true });
  rmSync(markOf(path), { force: true });
}

function readMark(path: string): PartMark | null {
  try {
    const { validator } = JSON.parse(readFileSync(markOf(path), 'utf8')) as PartMark;
    return validator === null || typeof validator === 'string' ? { validator } : null;
  } catch {
    return null; // absent or half-written: begin again
  }
}

function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null;
}

/** A strong ETag, else the date of modification; a weak ETag does not promise equal bytes. */
function validatorOf({ headers }: Answer): string | null {
  const etag = headers.get('etag');
  return etag !== null && !etag.startsWith('W/') ? etag : headers.get('last-modified');
}

/** Size of the whole file in bytes, according to the answer. */
function announcedSize(answer: Answer): number | null {
  if (answer.status === 206) return rangeOf(answer).total;
  const length = answer.headers.get('content-length');
  return length === null ? null : Number(length);
}

/** `content-range: bytes 5-9/10` or `bytes * /10` (without the space). */
function rangeOf({ headers }: Answer): { start: number | null; total: number | null } {
  const [, start, total] =
    /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
  const number = (digits: string | undefined) =>
    digits === undefined || digits === '*' ? null : Number(digits);
  return { start: number(start), total: number(total) };
}
