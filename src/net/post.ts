// One POST request of a JSON document that carries a secret: it goes to the host of the URL and nowhere else. By node:http,
// since fetch gives up on a server that thinks for more than five minutes. Retries are `retrying`'s (http.ts).

import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { EnvironmentError } from '../base/errors.js';
import { isObject } from '../base/valid.js';
import { BUSY, networkMessage, Retriable, retryAfter, textOf, withoutCredentials } from './http.js';

export type PostOptions = {
  headers: Record<string, string>;
  signal: AbortSignal;
  /** Milliseconds until the whole answer must be there. */
  timeout: number;
};

/** Anthropic's status of an overloaded server, besides the usual ones. */
const OVERLOADED = 529;
/** Servers that ask for a longer wait are not waited for. */
const MOST_WAIT = 60e3;
const MOST_BYTES = 8 << 20;

/** A status that is no success. */
export class RefusedError extends EnvironmentError {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/**
 * Sends a JSON document; returns the answer's.
 * @throws Retriable for a busy server (its cause is a RefusedError) or a connection that was cut
 * @throws RefusedError for another status, with what the server said
 * @throws EnvironmentError for a redirect, a time-out, or an answer that is no JSON; the signal's reason
 */
export async function postJson(url: string, document: unknown, options: PostOptions): Promise<unknown> {
  const { headers, signal, timeout } = options;
  const shown = withoutCredentials(url);
  const late = AbortSignal.timeout(timeout);
  try {
    const response = await send(url, headers, JSON.stringify(document), AbortSignal.any([signal, late]));
    const status = response.statusCode!;
    const text = await textOf(response, MOST_BYTES, shown);
    if (status >= 200 && status < 300) return parse(text, shown);
    const refused = new RefusedError(`${shown} answered ${status}${saidIn(text)}`, status);
    if (!BUSY.has(status) && status !== OVERLOADED) throw refused;
    const wait = retryAfter(response.headers['retry-after'] ?? null);
    if (wait > MOST_WAIT)
      throw new RefusedError(`${refused.message}, and asks to wait ${Math.round(wait / 1000)} s`, status);
    throw new Retriable(`the server answered ${status}${saidIn(text)}`, wait, { cause: refused });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Retriable || error instanceof EnvironmentError) throw error;
    if (late.aborted)
      throw new EnvironmentError(`No answer from ${shown} within ${timeout / 1000} s; allow more time`, {
        cause: error,
      });
    throw new Retriable(networkMessage(error), 0, { cause: error });
  }
}

/** Sends a request, whose redirects are answers like others: what it carries is for this host only. */
function send(
  url: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const all = {
    'content-type': 'application/json',
    'user-agent': 'tinygpt',
    connection: 'close',
    ...headers,
  };
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    request(url, { method: 'POST', headers: all, signal })
      .on('response', resolve)
      .on('error', reject)
      .end(body);
  });
}

function parse(text: string, shown: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new EnvironmentError(`Expected JSON from ${shown}, got ${JSON.stringify(text.slice(0, 80))}`);
  }
}

/** `: what the server says of it`, where its body is `{"error": {"message": ...}}` or `{"error": ...}`. */
export function saidIn(text: string): string {
  try {
    const document: unknown = JSON.parse(text);
    const error = isObject(document) ? document.error : undefined;
    const said = isObject(error) ? error.message : error;
    return typeof said === 'string' ? `: ${said.slice(0, 300)}` : '';
  } catch {
    return '';
  }
}
