// HTTP requests that are made again when the network or the server fails: redirects, time limits, back-off.
// What is requested and where it goes is download.ts and hubSource.ts.

import { setTimeout } from 'node:timers/promises';
import { EnvironmentError, hasCode, messageOf } from '../base/errors.js';
import { type Random, randomStream } from '../base/random.js';

export type HttpOptions = {
  /** Sent to the host of the first URL only, never to one it redirects to. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Consecutive failures without progress before giving up (default 6). */
  attempts?: number | undefined;
  /** Milliseconds without a byte after which a connection is given up (default 30,000). */
  stall?: number | undefined;
  /** Told of a failure that another attempt will follow. */
  onRetry?: ((reason: string) => void) | undefined;
  /** How to wait (tests do not). */
  wait?: ((milliseconds: number, signal?: AbortSignal) => Promise<void>) | undefined;
};

/** An answer whose body is still to be read. */
export type Answer = {
  status: number;
  headers: Headers;
  /** Headers of a redirect that tell of the file behind it: `x-linked-size`, `x-linked-etag`, `x-repo-commit`. */
  linked: Headers;
  body: AsyncIterable<Uint8Array>;
  /** Gives the connection up; to be called whether or not the body was read. */
  close(): Promise<void>;
};

/** A failure that another attempt may mend; `after` is the wait the server asked for, in milliseconds. */
export class Retriable extends Error {
  constructor(
    message: string,
    readonly after = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const MOST_REDIRECTS = 10;
const MOST_WAIT = 10 * 60e3;
const MOST_BACKOFF = 60e3;
const BUSY = new Set([408, 425, 429, 500, 502, 503, 504]);
let jitter: Random | undefined;

/**
 * Takes a step until it succeeds. Waits between attempts: 1, 2, 4 ... seconds, at most a minute, of which a random half
 * (so that many clients do not return at once), or what the server asked for if that is longer.
 * @param url for messages
 * @param progress bytes had so far; failures are counted anew when it grows
 * @throws EnvironmentError after `options.attempts` failures; what `step` throws other than Retriable; the signal's reason
 */
export async function retrying<T>(
  url: string,
  options: HttpOptions,
  step: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  const { attempts = 6, signal, wait = defaultWait } = options;
  let best = progress();
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted();
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Retriable)) throw error;
      const now = progress();
      if (now > best) {
        best = now;
        failures = 1;
      }
      if (failures >= attempts)
        throw new EnvironmentError(
          `Cannot download ${url}: ${error.message} (${attempts} attempts); ` +
            'check the network, try again later, or set HF_ENDPOINT to a mirror',
          { cause: error },
        );
      options.onRetry?.(error.message);
      jitter ??= randomStream(process.pid, 'http.jitter');
      const backoff = Math.min(MOST_BACKOFF, 1000 * 2 ** (failures - 1)) * (0.5 + jitter.uniform() / 2);
      await wait(Math.max(backoff, Math.min(MOST_WAIT, error.after)), signal);
    }
  }
}

async function defaultWait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, signal && { signal });
}

/**
 * Sends a GET request, follows redirects, and hands the answer over when its status is 200, 206 or 416.
 * @throws Retriable for what another attempt may mend, also while the body is read
 * @throws EnvironmentError for other statuses, with a remedy
 */
export async function openUrl(
  url: string,
  headers: Record<string, string>,
  options: HttpOptions,
): Promise<Answer> {
  const { token, signal, stall = 30e3 } = options;
  const silence = new AbortController();
  const timer = globalThis.setTimeout(() => silence.abort(), stall);
  const stop = () => clearTimeout(timer);
  const either = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  const failed = (error: unknown): unknown => {
    stop();
    if (signal?.aborted || error instanceof Retriable || error instanceof EnvironmentError) return error;
    if (silence.signal.aborted) return new Retriable(`no data for ${stall / 1000} s`, 0, { cause: error });
    return new Retriable(networkMessage(error), 0, { cause: error });
  };
  try {
    const linked = new Headers();
    let at = new URL(url);
    for (let redirects = 0; ; redirects++) {
      const home = at.origin === new URL(url).origin;
      const response = await fetch(at, {
        redirect: 'manual',
        signal: either,
        headers: {
          'accept-encoding': 'identity',
          'user-agent': 'tinygpt',
          ...headers,
          ...(token && home && { authorization: `Bearer ${token}` }),
        },
      });
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        if (redirects === MOST_REDIRECTS) throw new Retriable(`more than ${MOST_REDIRECTS} redirects`);
        for (const [name, value] of response.headers)
          if (/^x-(linked|repo)-/.test(name)) linked.set(name, value);
        const next = new URL(location, at);
        if (at.protocol === 'https:' && next.protocol !== 'https:')
          throw new EnvironmentError(
            `Expected ${at.host} to stay with https, got a redirect to ${next.origin}; check HF_ENDPOINT`,
          );
        at = next;
        continue;
      }
      if (![200, 206, 416].includes(response.status)) {
        await response.body?.cancel();
        throw refusal(url, response, token !== undefined);
      }
      const body = readBody(response, () => timer.refresh(), failed, stop);
      const close = async () => {
        stop();
        if (!response.bodyUsed) await response.body?.cancel();
      };
      return { status: response.status, headers: response.headers, linked, body, close };
    }
  } catch (error) {
    throw failed(error);
  }
}

async function* readBody(
  response: Response,
  alive: () => void,
  failed: (error: unknown) => unknown,
  stop: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    if (!response.body) return;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      alive();
      yield chunk;
    }
  } catch (error) {
    throw failed(error);
  } finally {
    stop();
  }
}

/** A JSON document. @throws as `retrying` and `openUrl` */
export async function fetchJson(url: string, options: HttpOptions): Promise<unknown> {
  return retrying(url, options, async () => {
    const { body } = await openUrl(url, { accept: 'application/json' }, options);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
    } catch (error) {
      throw new Retriable(`expected JSON, got ${messageOf(error)}`, 0, { cause: error });
    }
  });
}

/** What to do about a status that is no success. */
function refusal(url: string, { status, headers }: Response, hasToken: boolean): Error {
  const said = headers.get('x-error-message');
  const reason = `${status}${said ? ` (${said})` : ''}`;
  if (BUSY.has(status)) return new Retriable(`the server answered ${reason}`, retryAfter(headers));
  const remedy =
    status === 401
      ? hasToken
        ? 'check the name of the data set, and HF_TOKEN, which was refused'
        : 'check the name of the data set, or set HF_TOKEN to a token that may read it'
      : status === 403
        ? hasToken
          ? "accept the data set's terms on its page with the account of HF_TOKEN"
          : 'set HF_TOKEN to a token that may read it'
        : status === 404 || status === 410
          ? 'check the name of the data set and HF_ENDPOINT'
          : 'check HF_ENDPOINT';
  return new EnvironmentError(`Expected ${url} to be downloadable, the server answered ${reason}; ${remedy}`);
}

/** The `retry-after` header, seconds or a date, in milliseconds. */
function retryAfter(headers: Headers): number {
  const value = headers.get('retry-after');
  if (value === null) return 0;
  const seconds = Number(value);
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
}

/** fetch hides the reason in `cause`. */
function networkMessage(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (hasCode(cause, 'ENOTFOUND', 'EAI_AGAIN')) return `the host is unknown (${messageOf(cause)})`;
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
