// Providers against a scripted endpoint and scripted commands.

import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { commandProvider } from '../../../src/tune/llm/command.js';
import { anthropicProvider, openaiProvider } from '../../../src/tune/llm/endpoints.js';
import type { Message } from '../../../src/tune/llm/provider.js';
import { redactor } from '../../../src/tune/llm/provider.js';
import { processStatus } from '../../../src/tune/storage/worker.js';
import { scratchFolder } from '../scratch.js';
import { callerFor, cut, never, says, scriptedServer, silent, status } from './scripted.js';

const scratch = scratchFolder();
const KEY = 'sk-test-0123456789';
const messages: Message[] = [
  { role: 'system', content: 'be brief' },
  { role: 'user', content: 'propose' },
];
const key = { purpose: 'propose', trial: 3, about: 'x' } as const;

let server: Awaited<ReturnType<typeof scriptedServer>> | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const serve = async (...steps: Parameters<typeof scriptedServer>) =>
  (server = await scriptedServer(...steps));
const openai = (url: string, more = {}) =>
  openaiProvider({ url: `${url}/v1`, model: 'm', key: KEY, maxTokens: 100, timeout: 600, ...more });

describe('an OpenAI-compatible endpoint', () => {
  test('gets model, messages, limit and key, and gives text and usage', async () => {
    const { url, requests } = await serve(says('hello'));
    const reply = await openai(url).ask(messages, never);
    expect(reply).toEqual({
      text: 'hello',
      inputTokens: 1000,
      outputTokens: 100,
      cost: null,
      model: 'tiny-1',
    });
    expect(requests[0]).toMatchObject({
      path: '/v1/chat/completions',
      body: { model: 'm', messages, max_tokens: 100 },
    });
    expect(requests[0]!.headers.authorization).toBe(`Bearer ${KEY}`);
  });

  test('without a key no authorization is sent; without usage the counts are unknown', async () => {
    const { url, requests } = await serve(says('hello', null));
    const reply = await openai(url, { key: undefined }).ask(messages, never);
    expect(reply).toMatchObject({ inputTokens: null, outputTokens: null });
    expect(requests[0]!.headers.authorization).toBeUndefined();
  });

  test('a refusal is an answer; another form is an error', async () => {
    const { url } = await serve(
      (response) =>
        response.end(JSON.stringify({ choices: [{ message: { content: null, refusal: 'I will not' } }] })),
      (response) =>
        response.end(
          JSON.stringify({ choices: [{ message: { content: [{ type: 'text', text: 'in parts' }] } }] }),
        ),
      (response) => response.end('{"error":{"message":"no such model"}}'),
      (response) => response.end('<html>'),
    );
    expect((await openai(url).ask(messages, never)).text).toBe('I will not');
    expect((await openai(url).ask(messages, never)).text).toBe('in parts');
    await expect(openai(url).ask(messages, never)).rejects.toThrow(
      /answer of openai's form.*: no such model/,
    );
    await expect(openai(url).ask(messages, never)).rejects.toThrow('Expected JSON');
  });

  test.each([
    [{ content: null, reasoning_content: 'hmm' }, 'length', /ended after 100 tokens.*--llm-max-tokens/],
    [{ content: '' }, 'content_filter', /The model refused to answer/],
  ])(
    'an answer without text (%j, %s) fails with the reason and counts its tokens',
    async (message, stop, why) => {
      const usage = { prompt_tokens: 1000, completion_tokens: 100 };
      const { url, requests } = await serve((response) =>
        response.end(JSON.stringify({ choices: [{ message, finish_reason: stop }], usage })),
      );
      const prices = { input: 1, output: 10 };
      const caller = callerFor(scratch('calls.jsonl'), { provider: openai(url), prices });
      const { failed, ends } = await caller.ask(key, messages, never);
      expect(failed).toMatch(why);
      expect(ends).toMatchObject([{ status: 'failed', output_tokens: 100, cost_usd: 0.002 }]);
      expect(requests).toHaveLength(1);
    },
  );

  test('a redirect is not followed, so that the key stays with its host', async () => {
    const { url, requests } = await serve(status(307, 'moved', { location: '/elsewhere' }), says('hello'));
    await expect(openai(url).ask(messages, never)).rejects.toThrow('answered 307');
    expect(requests).toHaveLength(1);
  });

  test('an answer may take longer than the five minutes after which fetch gives up', async () => {
    const { url } = await serve(says('hello'));
    const fetching = jest.spyOn(globalThis, 'fetch');
    expect((await openai(url).ask(messages, never)).text).toBe('hello');
    expect(fetching).not.toHaveBeenCalled();
    fetching.mockRestore();
  });

  test('what was certainly not done costs nothing: a redirect, a server that is not there', async () => {
    const { url } = await serve(status(308, 'moved', { location: '/elsewhere' }));
    for (const at of [url, 'http://localhost:9']) {
      const prices = { input: 1, output: 10 };
      const caller = callerFor(scratch('calls.jsonl'), { provider: openai(at), prices, maxCost: 1 });
      const { failed } = await caller.ask(key, messages, never);
      expect(failed).toMatch(/answered 308|ECONNREFUSED/);
      expect(caller.log.charged()).toBe(0);
    }
  });

  test('no key goes over plain http to another machine, and none in a URL', () => {
    const at = (url: string, key?: string) => () =>
      openaiProvider({ url, model: 'm', key, maxTokens: 1, timeout: 1 });
    expect(at('http://example.org/v1', KEY)).toThrow('Expected an https URL, since a key is sent to it');
    expect(at('http://example.org/v1')).not.toThrow();
    for (const url of [`https://me:${KEY}@example.org`, `https://example.org/?key=${KEY}`, KEY]) {
      expect(at(url)).toThrow('without user, password or query');
      expect(at(url)).not.toThrow(KEY);
    }
  });
});

test("Anthropic's messages: an answer without text says why", async () => {
  const { url } = await serve(
    (response) => response.end(JSON.stringify({ content: [], stop_reason: 'refusal' })),
    (response) =>
      response.end(
        JSON.stringify({ content: [{ type: 'thinking', thinking: 'hmm' }], stop_reason: 'max_tokens' }),
      ),
  );
  const anthropic = anthropicProvider({ url, model: 'm', key: KEY, maxTokens: 100, timeout: 600 });
  expect(await anthropic.ask(messages, never)).toMatchObject({ refused: 'The model refused to answer' });
  expect((await anthropic.ask(messages, never)).refused).toMatch(/ended after 100 tokens/);
});

test("Anthropic's messages: system apart, text parts joined, cached tokens counted", async () => {
  const usage = { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 3 };
  const content = [
    { type: 'thinking', thinking: 'hm' },
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ];
  const { url, requests } = await serve((response) =>
    response.end(JSON.stringify({ content, usage, model: 'c' })),
  );
  const reply = await anthropicProvider({ url, model: 'm', key: KEY, maxTokens: 100, timeout: 600 }).ask(
    messages,
    never,
  );
  expect(reply).toEqual({ text: 'ab', inputTokens: 12, outputTokens: 3, cost: null, model: 'c' });
  expect(requests[0]).toMatchObject({ path: '/v1/messages', headers: { 'x-api-key': KEY } });
  expect(requests[0]!.body).toEqual({
    model: 'm',
    max_tokens: 100,
    system: 'be brief',
    messages: [messages[1]],
  });
});

describe('calls', () => {
  const open = (url: string, more = {}, options = {}) =>
    callerFor(scratch('calls.jsonl'), {
      provider: openai(url, more),
      prices: { input: 2, output: 10 },
      redact: redactor({}, KEY),
      ...options,
    });

  test('are repeated where the server is busy or the connection is cut, each attempt with its records', async () => {
    const { url, requests } = await serve(status(429), status(529), cut, says('hello'));
    const caller = open(url);
    const { text, ends } = await caller.ask(key, messages, never);
    expect(text).toBe('hello');
    expect(requests).toHaveLength(4);
    expect(ends.map((end) => end.status)).toEqual(['failed', 'failed', 'failed', 'answered']);
    // A refusal costs nothing, a cut connection may have cost the most; an answer what its usage says.
    expect(ends[0]!.charged_usd).toBe(0);
    expect(ends[2]!.charged_usd).toBeGreaterThan(0);
    expect(ends[2]!.cost_usd).toBeNull();
    expect(ends[3]!.cost_usd).toBeCloseTo(0.003, 12);
    expect(caller.log.usage()).toMatchObject({ calls: 4, answered: 1, input_tokens: 1000, unknown_cost: 1 });
  });

  test('give up after some attempts, and say why', async () => {
    const { url, requests } = await serve(status(500, 'broken'));
    const { failed } = await open(url).ask(key, messages, never);
    expect(failed).toMatch(/^Cannot ask http.*500: broken \(4 attempts\)/);
    expect(requests).toHaveLength(4);
  });

  test('a server that asks for a long wait is not waited for', async () => {
    const { url, requests } = await serve(status(429, 'quota', { 'retry-after': '3600' }));
    expect((await open(url).ask(key, messages, never)).failed).toContain('asks to wait 3600 s');
    expect(requests).toHaveLength(1);
  });

  test('a slow answer is given up and not asked for again', async () => {
    const { url, requests } = await serve(silent);
    const { failed, ends } = await open(url, { timeout: 0.05 }).ask(key, messages, never);
    expect(failed).toContain('within 0.05 s');
    expect(ends).toHaveLength(1);
    expect(requests.length).toBeLessThanOrEqual(1); // it may be given up before it has arrived
  });

  test('a wrong key ends all calls with one note, and is repeated nowhere', async () => {
    const { url, requests } = await serve(status(401, `bad key ${KEY}`));
    const caller = open(url);
    const first = await caller.ask(key, messages, never);
    await caller.ask({ ...key, trial: 4 }, messages, never);
    expect(first.failed).toContain('bad key [secret]');
    expect(requests).toHaveLength(1);
    expect(caller.notes).toEqual([expect.stringContaining('goes on without a model')]);
  });

  test('what a server says is shown as one line without control characters', async () => {
    const { url } = await serve(status(400, 'no\n\u001b[2Jway'));
    const caller = open(url);
    expect((await caller.ask(key, messages, never)).failed).toMatch(/answered 400: no \?\[2Jway$/);
    expect(caller.notes.join()).not.toContain('\u001b');
  });

  test('an abort ends the call at once and is recorded', async () => {
    const controller = new AbortController();
    const { url } = await serve(() => controller.abort());
    const caller = open(url);
    await expect(caller.ask(key, messages, controller.signal)).rejects.toThrow('aborted');
    expect(caller.log.usage()).toMatchObject({ calls: 1, answered: 0, unknown_cost: 1 });
  });

  test('a server that is not there costs nothing', async () => {
    const { url, close } = await scriptedServer(silent);
    await close();
    const caller = open(url);
    const { failed, ends } = await caller.ask(key, messages, never);
    expect(failed).toContain('ECONNREFUSED');
    expect(ends.map((end) => end.charged_usd)).toEqual([0, 0, 0, 0]);
  });
});

describe('a command', () => {
  const ask = (command: string, timeout = 600, signal = never) =>
    commandProvider(command, timeout).ask(messages, signal);

  test('reads the prompt on its stdin and writes the answer', async () => {
    expect(await ask('cat')).toEqual({
      text: 'be brief\n\npropose',
      inputTokens: null,
      outputTokens: null,
      cost: null,
    });
  });

  test('may answer without reading', async () => {
    expect((await ask('echo hi')).text).toBe('hi\n');
  });

  test("usage and cost are read from a coding agent's JSON", async () => {
    const output = {
      result: 'ok',
      total_cost_usd: 0.25,
      usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 5 },
    };
    const reply = await ask(`echo '${JSON.stringify(output)}'`);
    expect(reply).toMatchObject({ text: 'ok', inputTokens: 7, outputTokens: 5, cost: 0.25 });
    await expect(ask(`echo '${JSON.stringify({ result: 'no credit', is_error: true })}'`)).rejects.toThrow(
      'no credit',
    );
  });

  test('one that fails, is slow or stops says so', async () => {
    await expect(ask('echo oh no >&2; exit 3')).rejects.toThrow('The command ended with code 3: oh no');
    await expect(ask('sleep 60', 0.05)).rejects.toThrow('within 0.05 s');
    const controller = new AbortController();
    const stopped = ask('sleep 60', 60, controller.signal);
    controller.abort();
    await expect(stopped).rejects.toThrow('aborted');
  });

  test('what it started in the background ends with it', async () => {
    // Also where it holds the output open, or has left the group.
    for (const background of ['sleep 600', 'sleep 600 >/dev/null 2>&1', 'setsid sleep 600']) {
      const { text } = await ask(`${background} & echo $!`);
      expect(processStatus(Number(text)).alive).toBe(false);
    }
  });

  test('one that answers without end is ended', async () => {
    await expect(ask('yes')).rejects.toThrow('Expected at most 4194304 bytes from the command, got more');
  });
});

test('secrets are taken out in every form they may be repeated in', () => {
  const redact = redactor({ MY_API_KEY: 'abc"def/ghi', HOME: '/home/someone', SHORT_KEY: 'abc' });
  const forms = [
    'abc"def/ghi',
    JSON.stringify('abc"def/ghi'),
    encodeURIComponent('abc"def/ghi'),
    btoa('abc"def/ghi'),
  ];
  for (const form of forms) expect(redact(`x ${form} y`)).not.toMatch(/def/);
  expect(redact('abc /home/someone')).toBe('abc /home/someone');
  expect(redactor({ FILE_TOKEN: 'from-a-file\n' })('x from-a-file y')).toBe('x [secret] y');
});
