// Providers on the network: OpenAI-compatible chat completions (hosted, or a local server such as llama.cpp's, vLLM's
// or Ollama's), and Anthropic's messages. By HTTP alone, no SDK.
// Sources: platform.openai.com/docs/api-reference/chat, docs.anthropic.com/en/api/messages.

import { EnvironmentError, expect } from '../../base/errors.js';
import { isObject } from '../../base/valid.js';
import { withoutCredentials } from '../../net/http.js';
import { postJson, saidIn } from '../../net/post.js';
import { type Message, type Provider, tokenCount } from './provider.js';

export type EndpointOptions = {
  /** Base URL: `/chat/completions` or `/v1/messages` is appended. */
  url?: string | undefined;
  model: string;
  /** Sent to this host only; none for a local server. */
  key?: string | undefined;
  /** Most tokens of an answer, hidden reasoning included. */
  maxTokens: number;
  /** Seconds until an answer must be there. */
  timeout: number;
};

const OPENAI = 'https://api.openai.com/v1';
const ANTHROPIC = 'https://api.anthropic.com';

/** An OpenAI-compatible endpoint. @throws UsageError for a URL that would send the key in the clear */
export function openaiProvider(options: EndpointOptions): Provider {
  const { model, key, maxTokens } = options;
  const base = checkedBase(options.url ?? OPENAI, key);
  // OpenAI's own reasoning models refuse the older name, which is the one that other servers know.
  const limit = base.startsWith(OPENAI) ? 'max_completion_tokens' : 'max_tokens';
  return endpoint('openai', base, options, {
    path: '/chat/completions',
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    body: (messages) => ({ model, messages, [limit]: maxTokens }),
    read: ({ choices, usage, model: said }) => {
      const choice = Array.isArray(choices) ? choices[0] : undefined;
      const message = isObject(choice) ? choice.message : undefined;
      const { content, refusal } = isObject(message) ? message : {};
      const { prompt_tokens, completion_tokens } = isObject(usage) ? usage : {};
      const stop = isObject(choice) ? choice.finish_reason : undefined;
      const text = textOf(content) || (refusal ?? textOf(content));
      return { text, stop, input: prompt_tokens, output: completion_tokens, said };
    },
  });
}

/** Anthropic's messages. @throws UsageError for a URL that would send the key in the clear */
export function anthropicProvider(options: EndpointOptions): Provider {
  const { model, key = '', maxTokens } = options;
  const base = checkedBase(options.url ?? ANTHROPIC, key);
  return endpoint('anthropic', base, options, {
    path: '/v1/messages',
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
    body: (messages) => ({
      model,
      max_tokens: maxTokens,
      system: textsOf(messages, true).join('\n\n'),
      messages: messages.filter(({ role }) => role !== 'system'),
    }),
    read: ({ content, usage, model: said, stop_reason: stop }) => {
      const use = isObject(usage) ? usage : {};
      const cached = [use.cache_creation_input_tokens, use.cache_read_input_tokens].map(
        (count) => tokenCount(count) ?? 0,
      );
      const input = tokenCount(use.input_tokens);
      return {
        text: textOf(content),
        stop,
        input: input === null ? null : cached.reduce((sum, count) => sum + count, input),
        output: use.output_tokens,
        said,
      };
    },
  });
}

/** A message's text: as it is, or that of its parts; undefined for anything else. */
function textOf(content: unknown): string | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  return content
    .flatMap((part) => (isObject(part) && typeof part.text === 'string' ? [part.text] : []))
    .join('');
}

const textsOf = (messages: readonly Message[], system: boolean): string[] =>
  messages.filter(({ role }) => (role === 'system') === system).map(({ content }) => content);

type Protocol = {
  path: string;
  headers: Record<string, string>;
  body(messages: readonly Message[]): unknown;
  read(answer: Record<string, unknown>): Record<'text' | 'stop' | 'input' | 'output' | 'said', unknown>;
};

/** Why an answer has no text. @param stop why the model stopped, in either API's words */
function whyEmpty(stop: unknown, maxTokens: number): string | undefined {
  if (stop === 'length' || stop === 'max_tokens')
    return `The answer ended after ${maxTokens} tokens, before any text (hidden reasoning counts); raise --llm-max-tokens`;
  if (stop === 'refusal' || stop === 'content_filter') return 'The model refused to answer';
  return undefined;
}

function endpoint(kind: string, base: string, options: EndpointOptions, protocol: Protocol): Provider {
  const place = withoutCredentials(base);
  return {
    kind,
    model: options.model,
    place,
    maxTokens: options.maxTokens,
    async ask(messages, signal) {
      const { headers, body, read, path } = protocol;
      const timeout = 1000 * options.timeout;
      const answer = await postJson(`${base}${path}`, body(messages), { headers, signal, timeout });
      const { text, stop, input, output, said } = read(isObject(answer) ? answer : {});
      const isEmpty = text === null || text === undefined || text === '';
      const refused = isEmpty ? whyEmpty(stop, options.maxTokens) : undefined;
      if (typeof text !== 'string' && refused === undefined)
        throw new EnvironmentError(
          `Expected an answer of ${kind}'s form from ${place}, got another${saidIn(JSON.stringify(answer))}`,
        );
      return {
        text: typeof text === 'string' ? text : '',
        ...(refused !== undefined && { refused }),
        inputTokens: tokenCount(input),
        outputTokens: tokenCount(output),
        cost: null,
        model: typeof said === 'string' ? said.slice(0, 100) : undefined,
      };
    },
  };
}

/** The URL without a slash at its end. */
function checkedBase(given: string, key: string | undefined): string {
  const url = URL.canParse(given) ? new URL(given) : null;
  expect(
    url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.search === '',
    // Whatever else it holds may be a secret.
    () =>
      `Expected --llm-url to be an http or https URL without user, password or query, got ${url?.host ? `one of ${url.host}` : 'something else'}`,
  );
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url!.hostname);
  expect(
    url!.protocol === 'https:' || isLocal || !key,
    () => `Expected an https URL, since a key is sent to it, got http://${url!.host}`,
  );
  return given.replace(/\/+$/, '');
}
