// Fetching files: errors that say what to do, resumption within a run, and the checksum.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError, messageOf } from '../../base/errors.js';
import { describeWriteError } from '../../base/files.js';

/** Answers of a server that another try may change. */
const PASSING = [408, 425, 429, 500, 502, 503, 504];

const TRIES = 4;

/** Where the bytes may come from instead, for every error here. */
const ELSEWHERE =
  'set PIP_INDEX_URL to an index that can be reached, or download the wheel elsewhere and name it with --from';

export interface RequestOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** fetch that takes credentials in the URL. @throws EnvironmentError that names the host and the reason */
export async function request(
  address: string,
  { headers = {}, signal }: RequestOptions = {},
): Promise<Response> {
  const url = new URL(address);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const authorization: Record<string, string> = username
    ? { authorization: `Basic ${credentials.toString('base64')}` }
    : {};
  let response: Response;
  try {
    response = await fetch(url, { headers: { ...headers, ...authorization }, signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unreachable(`${url.host} cannot be reached (${reasonOf(error)}); ${ELSEWHERE}${proxyHint()}`, {
      cause: error,
    });
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const refused = `${url.host} refused ${url.pathname} (${response.status} ${response.statusText}); ${ELSEWHERE}`;
  throw PASSING.includes(response.status) ? new Unreachable(refused) : new EnvironmentError(refused);
}

/** Worth another try. */
class Unreachable extends EnvironmentError {}

/** undici hides the reason in `cause`. */
function reasonOf(error: unknown): string {
  const cause = (error as { cause?: { code?: string } }).cause;
  return cause?.code ?? messageOf(cause ?? error);
}

/** Node's fetch does not look at proxy variables unless told to. */
function proxyHint(): string {
  const { HTTPS_PROXY, https_proxy, NODE_USE_ENV_PROXY } = process.env;
  return (HTTPS_PROXY ?? https_proxy) && !NODE_USE_ENV_PROXY
    ? '; behind a proxy, Node.js 22.21 or newer with NODE_USE_ENV_PROXY=1 uses it'
    : '';
}

/**
 * Downloads a file. A broken connection is taken up where it broke, a few times.
 * @param onBytes receives the bytes that are there so far
 * @throws EnvironmentError when the server refuses, or when the checksum is another
 */
export async function download(
  url: string,
  path: string,
  {
    sha256,
    signal,
    onBytes,
  }: {
    sha256?: string | undefined;
    signal?: AbortSignal | undefined;
    onBytes?: (bytes: number) => void;
  } = {},
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    // What reached the disk counts, not what was received.
    let bytes = attempt === 1 ? 0 : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
    try {
      const response = await request(url, { headers: bytes > 0 ? { range: `bytes=${bytes}-` } : {}, signal });
      if (bytes > 0 && response.status !== 206) bytes = 0;
      const flags = bytes > 0 ? 'a' : 'w';
      const count = new Transform({
        transform(chunk: Uint8Array, _encoding, done) {
          bytes += chunk.length;
          onBytes?.(bytes);
          done(null, chunk);
        },
      });
      await pipeline(Readable.fromWeb(response.body as never), count, createWriteStream(path, { flags }), {
        signal: signal as AbortSignal,
      });
      break;
    } catch (error) {
      signal?.throwIfAborted();
      const written = describeWriteError(path, error);
      if (written !== error) throw written;
      if (attempt === TRIES || (error instanceof EnvironmentError && !(error instanceof Unreachable)))
        throw error instanceof EnvironmentError
          ? error
          : new EnvironmentError(`${new URL(url).host} broke off (${reasonOf(error)}); ${ELSEWHERE}`, {
              cause: error,
            });
      await sleep(250 * 2 ** attempt, undefined, { signal });
    }
  }
  if (sha256 === undefined) return;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal: signal as AbortSignal });
  const digest = hash.digest('hex');
  if (digest !== sha256)
    throw new EnvironmentError(
      `${url} has the SHA-256 ${digest}, expected ${sha256}: it was damaged or replaced on the way; try again`,
    );
}
