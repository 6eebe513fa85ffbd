// Calls to a provider: recorded, repeated where that helps, priced, kept within a spending cap, and replayed. What fails here
// never ends a study: the caller says why there is no answer, and the classic sampler goes on.

import { randomUUID } from 'node:crypto';
import { EnvironmentError, hasCode, messageOf } from '../../base/errors.js';
import { printable } from '../../base/format.js';
import { type HttpOptions, networkCause, Retriable, retrying } from '../../net/http.js';
import { RefusedError } from '../../net/post.js';
import type { Attributes } from '../types.js';
import type { CallKey, CallLog, EndRecord, Recording, StartRecord } from './callLog.js';
import { asText, type Message, type Provider, type Reply } from './provider.js';
import { CAUTION, STAND_IN } from './standIn.js';

/** Dollars per million tokens. */
export type Prices = { input: number; output: number };

export type CallerOptions = {
  /** None where answers are only replayed. */
  provider: Provider | null;
  log: CallLog;
  /** Unknown unless given; they are never guessed. */
  prices?: Prices | undefined;
  /** Dollars that all calls of the study may cost. Needs prices, or the most that a call can cost. */
  maxCost?: number | undefined;
  /** The most that one call can cost in dollars, for commands. */
  callCost?: number | undefined;
  /** Recorded answers, used instead of calls. */
  replay?: Recording | undefined;
  /** Takes secrets out of a text. */
  redact?: (text: string) => string;
  /** Told once of each kind of trouble. */
  onNote?: (line: string) => void;
  /** Attempts where the server is busy or the connection is cut (default 4), and how to wait between them. */
  attempts?: number;
  wait?: HttpOptions['wait'];
};

/** An answer, or why there is none; `ends` are the calls it took. */
export type Outcome = { ends: readonly EndRecord[] } & (
  | { text: string; failed?: undefined }
  | { text?: undefined; failed: string }
);

export interface Caller {
  /** What answers, to be stored with a study. */
  readonly about: Attributes;
  readonly log: CallLog;
  /** @throws the signal's reason */
  ask(key: CallKey, messages: readonly Message[], signal: AbortSignal): Promise<Outcome>;
}

const ATTEMPTS = 4;
/** Statuses that all later calls would get too: a key or an address is wrong. */
const HOPELESS = new Set([401, 403, 404]);
/** Tokens that wrap a message, at most. */
const WRAPPING = 16;

/** Opens a caller. */
export function openCaller(options: CallerOptions): Caller {
  const { provider, log, prices, maxCost, replay, redact = (text) => text } = options;
  const noted = new Set<string>();
  const note = (kind: string, line: string) => {
    if (!noted.has(kind)) options.onNote?.(line);
    noted.add(kind);
  };
  let hopeless: string | undefined;

  const caution = replay?.providers.includes(STAND_IN) ? CAUTION : provider?.caution;
  const about: Attributes = {
    ...(replay
      ? { provider: `replay of ${replay.providers.join(', ')}` }
      : { provider: provider!.kind, model: redact(provider!.model) }),
    ...(caution && { caution }),
    ...(prices && { price_in: prices.input, price_out: prices.output }),
    ...(maxCost !== undefined && { max_cost: maxCost }),
  };

  /** Dollars that a prompt can cost at most: a token is at least a byte, so this is a bound for every tokenizer. */
  function worstCost(messages: readonly Message[]): number | null {
    if (provider!.kind === STAND_IN) return 0;
    if (options.callCost !== undefined) return options.callCost;
    if (!prices || provider!.maxTokens === null) return null;
    const bytes = messages.reduce(
      (sum, { content }) => sum + Buffer.byteLength(content) + WRAPPING,
      4 * WRAPPING,
    );
    return (bytes * prices.input + provider!.maxTokens * prices.output) / 1e6;
  }

  function costOf({ cost, inputTokens, outputTokens }: Reply): number | null {
    if (provider!.kind === STAND_IN) return 0;
    if (cost !== null) return cost;
    if (!prices || inputTokens === null || outputTokens === null) return null;
    return (inputTokens * prices.input + outputTokens * prices.output) / 1e6;
  }

  /** One attempt with its two records. */
  async function attempt(
    key: CallKey,
    messages: readonly Message[],
    signal: AbortSignal,
    ends: EndRecord[],
  ): Promise<string> {
    const worst = worstCost(messages);
    const id = randomUUID();
    const start: StartRecord = {
      event: 'start',
      id,
      time: new Date().toISOString(),
      ...key,
      provider: provider!.kind,
      model: redact(provider!.model),
      prompt: asText(messages),
      worst_cost_usd: worst,
    };
    // Sums of floating-point numbers may be a little off.
    const allowed = (charged: number) =>
      maxCost === undefined || charged + (worst ?? Infinity) <= maxCost + 1e-12;
    if (!log.begin(start, allowed)) {
      const most = worst === null ? 'an unknown amount' : `up to $${worst.toFixed(4)}`;
      throw new CapReached(
        `The spending cap of $${maxCost} leaves $${(maxCost! - log.charged()).toFixed(4)}, and a call can cost ${most}`,
      );
    }
    const begun = performance.now();
    const end = (status: EndRecord['status'], more: Partial<EndRecord>) => {
      const record: EndRecord = {
        event: 'end',
        id,
        time: new Date().toISOString(),
        ...key,
        status,
        seconds: Math.round(performance.now() - begun) / 1000,
        provider: start.provider,
        model: start.model,
        input_tokens: null,
        output_tokens: null,
        cost_usd: null,
        charged_usd: worst,
        ...more,
      };
      log.end(record);
      ends.push(record);
    };
    let reply: Reply;
    try {
      reply = await provider!.ask(messages, signal);
    } catch (error) {
      const status = signal.aborted ? 'aborted' : 'failed';
      const free = !signal.aborted && isUnbilled(error) && { cost_usd: 0, charged_usd: 0 };
      end(status, { error: oneLine(redact(messageOf(error))), ...free });
      throw error;
    }
    const cost = costOf(reply);
    const answer = redact(reply.text);
    const { refused } = reply;
    end(refused === undefined ? 'answered' : 'failed', {
      ...(refused === undefined ? { answer } : { error: refused }),
      input_tokens: reply.inputTokens,
      output_tokens: reply.outputTokens,
      cost_usd: cost,
      charged_usd: cost ?? worst,
      ...(reply.model !== undefined && { model: redact(reply.model) }),
    });
    if (refused !== undefined) throw new EnvironmentError(refused);
    return answer;
  }

  function replayed(
    key: CallKey,
    { answer, provider, model }: Pick<EndRecord, 'provider' | 'model'> & { answer: string },
  ): Outcome {
    const record: EndRecord = {
      event: 'end',
      id: randomUUID(),
      time: new Date().toISOString(),
      ...key,
      status: 'replayed',
      seconds: 0,
      answer,
      provider,
      model,
      input_tokens: 0,
      output_tokens: 0,
      cost_usd: 0,
      charged_usd: 0,
    };
    log.end(record);
    return { text: answer, ends: [record] };
  }

  return {
    about,
    log,
    async ask(key, given, signal) {
      signal.throwIfAborted();
      if (replay) {
        const found = replay.find(key);
        if (!found) return { failed: 'no recorded answer', ends: [] };
        if (!found.exact) note('replay', 'A prompt differs from the one whose answer is replayed');
        return replayed(key, found);
      }
      const earlier = log.earlier(key);
      if (earlier?.answer !== undefined) return replayed(key, { ...earlier, answer: earlier.answer });
      if (hopeless !== undefined) return { failed: hopeless, ends: [] };
      const messages = given.map((message) => ({ ...message, content: wellFormed(redact(message.content)) }));
      const ends: EndRecord[] = [];
      try {
        const { attempts = ATTEMPTS, wait } = options;
        const http = { attempts, signal, action: 'ask', ...(wait && { wait }) };
        const text = await retrying(provider!.place, http, () => attempt(key, messages, signal, ends));
        return { text, ends };
      } catch (error) {
        signal.throwIfAborted();
        const failed = oneLine(redact(messageOf(error)));
        if (error instanceof RefusedError && HOPELESS.has(error.status)) {
          hopeless = failed;
          note('hopeless', `${failed}; the classic sampler goes on without a model`);
        } else if (error instanceof CapReached) note('cap', `${failed}; the classic sampler goes on`);
        else note('failed', `${failed}; the classic sampler proposes instead`);
        return { failed, ends };
      }
    },
  };
}

/** Without halves of characters, as a text that was cut short may end with: endpoints refuse them. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

/** What a server or a command says, as a line that a terminal can show. */
const oneLine = (text: string): string => printable(text).replace(/\s+/g, ' ').trim().slice(0, 1000);

/** A call was not made, because it could exceed the cap. */
class CapReached extends Error {
  override readonly name = 'CapReached';
}

/** Whether a provider certainly did no work for a failed call: it refused it, or was never reached. */
function isUnbilled(error: unknown): boolean {
  const refused = error instanceof Retriable ? error.cause : error;
  if (refused instanceof RefusedError)
    return (refused.status < 500 && refused.status !== 408) || refused.status === 529;
  return hasCode(networkCause(refused), 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN');
}
