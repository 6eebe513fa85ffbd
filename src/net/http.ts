// HTTP requests with redirects, timeouts, retries and back-off; used by download.ts, the hub's datasets, and the
// package index of `tinygpt setup`.

import { setTimeout } from 'node:timers/promises';
import { EnvironmentError, hasCode, messageOf } from '../base/errors.js';
import { counted } from '../base/format.js';
import { parseJson } from '../base/json.js';
import { type Random, randomStream } from '../base/random.js';

export type HttpOptions = {
  /** Sent to the host of the first URL only, never to one it redirects to. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Consecutive failures without progress before giving up (default 6). */
  attempts?: number | undefined;
  /** Milliseconds without a byte after which a connection is closed (default 30,000). */
  stall?: number | undefined;
  /** Called when an attempt failed and another will follow. */
  onRetry?: ((reason: string) => void) | undefined;
  /** What the user can do about a status, or about a network that fails (undefined); ends every error message. */
  remedy?: ((status: number | undefined, hasToken: boolean) => string) | undefined;
  /** What is done with the URL, for messages (default download). */
  action?: string | undefined;
  /** How to wait (tests do not). */
  wait?: ((milliseconds: number, signal?: AbortSignal) => Promise<void>) | undefined;
};

/** An answer whose body is still to be read. */
export type Answer = {
  /** After redirects. */
  url: string;
  status: number;
  headers: Headers;
  /** Headers of a redirect that describe the file behind it: `x-linked-size`, `x-linked-etag`, `x-repo-commit`. */
  linked: Headers;
  body: AsyncIterable<Uint8Array>;
  /** Closes the connection; to be called whether or not the body was read. */
  close(): Promise<void>;
};

/** A failure worth another attempt; `after` is the wait the server asked for, in milliseconds. */
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
/** A longer text is no listing. */
const MOST_TEXT_BYTES = 1 << 27;
/** Statuses that another attempt may not have. */
export const BUSY = new Set([408, 425, 429, 500, 502, 503, 504]);
const defaultRemedy = () => 'check the address and the network, and try again later';
let jitter: Random | undefined;

/**
 * Repeats a step until it succeeds. Waits between attempts: 1, 2, 4 ... seconds, at most a minute, less up to a half at
 * random (so that many clients do not return at once), or what the server asked for if that is longer.
 * @param url for messages
 * @param progress bytes received so far; the count of failures restarts when it grows
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
          `Cannot ${options.action ?? 'download'} ${withoutCredentials(url)}: ${error.message} (${counted(attempts, 'attempt')}); ` +
            remedyOf(options)(undefined, options.token !== undefined),
          { cause: error },
        );
      options.onRetry?.(error.message);
      jitter ??= randomStream(process.pid, 'http.jitter');
      const backoff = Math.min(MOST_BACKOFF, 1000 * 2 ** (failures - 1)) * (0.5 + jitter.uniform() / 2);
      await wait(Math.max(backoff, Math.min(MOST_WAIT, error.after)), signal);
    }
  }
}

const remedyOf = ({ remedy = defaultRemedy }: HttpOptions) => remedy;

/** A URL without user name and password, for messages. */
export function withoutCredentials(address: string): string {
  const url = new URL(address);
  url.username = url.password = '';
  return url.href;
}

async function defaultWait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, signal && { signal });
}

/**
 * Sends a GET request, follows redirects, and returns the answer when its status is 200, 206 or 416. A user name and
 * password in the URL are sent as basic authentication, to the host of that URL only.
 * @throws Retriable for failures worth another attempt, also while the body is read
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
    let at = new URL(withoutCredentials(url));
    const { origin } = at;
    const authorization = authorizationOf(url, token);
    for (let redirects = 0; ; redirects++) {
      const response = await fetch(at, {
        redirect: 'manual',
        signal: either,
        headers: {
          'accept-encoding': 'identity',
          'user-agent': 'tinygpt',
          ...headers,
          ...(authorization && at.origin === origin && { authorization }),
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
            `Expected ${at.host} to stay with https, got a redirect to ${next.origin}; ` +
              remedyOf(options)(response.status, token !== undefined),
          );
        at = next;
        continue;
      }
      if (![200, 206, 416].includes(response.status)) {
        await response.body?.cancel();
        throw refusal(url, response, options);
      }
      const body = readBody(response, () => timer.refresh(), failed, stop);
      const close = async () => {
        stop();
        if (!response.bodyUsed) await response.body?.cancel();
      };
      return { url: at.href, status: response.status, headers: response.headers, linked, body, close };
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

/** `Bearer TOKEN`, or basic authentication where the URL holds a user name. */
function authorizationOf(address: string, token: string | undefined): string | undefined {
  const { username, password } = new URL(address);
  if (!username) return token && `Bearer ${token}`;
  return `Basic ${Buffer.from(`${decodeText(username)}:${decodeText(password)}`).toString('base64')}`;
}

/** Percent-encoded text decoded where it is well formed, else as it is. */
export function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A text of at most 128 MiB, the URL it came from in the end, and its headers. */
export type TextAnswer = { text: string; url: string; headers: Headers };

/** Fetches a text. @throws as `retrying` and `openUrl` */
export const fetchText = (
  url: string,
  headers: Record<string, string>,
  options: HttpOptions,
): Promise<TextAnswer> => retrying(url, options, () => readTextOnce(url, headers, options));

async function readTextOnce(
  url: string,
  headers: Record<string, string>,
  options: HttpOptions,
): Promise<TextAnswer> {
  const answer = await openUrl(url, headers, options);
  try {
    if (answer.status !== 200) throw refusal(url, answer, options);
    const text = await textOf(answer.body, MOST_TEXT_BYTES, withoutCredentials(url));
    return { text, url: answer.url, headers: answer.headers };
  } finally {
    await answer.close();
  }
}

/** A body as text. @throws EnvironmentError when it is longer than `most` bytes */
export async function textOf(body: AsyncIterable<Uint8Array>, most: number, from: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > most) throw new EnvironmentError(`Expected at most ${most} bytes from ${from}, got more`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Fetches a JSON document; an answer that is not JSON is asked for again. @throws as `retrying` and `openUrl` */
export async function fetchJson(url: string, options: HttpOptions): Promise<unknown> {
  return retrying(url, options, async () => {
    const { text } = await readTextOnce(url, { accept: 'application/json' }, options);
    try {
      return parseJson(text);
    } catch (error) {
      throw new Retriable(`expected JSON, got ${messageOf(error).split('\n')[0]}`, 0, { cause: error });
    }
  });
}

/** An error for a status that is no success. */
function refusal(
  url: string,
  { status, headers }: Pick<Answer, 'status' | 'headers'>,
  options: HttpOptions,
): Error {
  const said = headers.get('x-error-message');
  const reason = `${status}${said ? ` (${said})` : ''}`;
  if (BUSY.has(status))
    return new Retriable(`the server answered ${reason}`, retryAfter(headers.get('retry-after')));
  return new EnvironmentError(
    `Expected ${withoutCredentials(url)} to be downloadable, the server answered ${reason}; ` +
      remedyOf(options)(status, options.token !== undefined),
  );
}

/** What a `retry-after` header says, seconds or a date, in milliseconds. */
export function retryAfter(value: string | null): number {
  if (value === null) return 0;
  const seconds = Number(value);
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
}

/** What failed: fetch hides it in `cause`, and of a host with several addresses there is an error for each. */
export function networkCause(error: unknown): unknown {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof AggregateError ? cause.errors[0] : cause;
}

/** Node does not look at proxy variables unless it is told to. */
export function networkMessage(error: unknown): string {
  const cause = networkCause(error);
  const { HTTPS_PROXY, https_proxy, NODE_USE_ENV_PROXY } = process.env;
  const proxy =
    (HTTPS_PROXY ?? https_proxy) && !NODE_USE_ENV_PROXY
      ? '; behind a proxy, Node.js 22.21 or newer with NODE_USE_ENV_PROXY=1 uses it'
      : '';
  if (hasCode(cause, 'ENOTFOUND', 'EAI_AGAIN')) return `the host is unknown (${messageOf(cause)})${proxy}`;
  return `${messageOf(error) || 'failed'}${cause === error ? '' : ` (${messageOf(cause)})`}${proxy}`;
}
