// Records of calls, the spending cap, replay.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { openCallLog, openRecording } from '../../../src/tune/llm/callLog.js';
import type { Message } from '../../../src/tune/llm/provider.js';
import { redactor } from '../../../src/tune/llm/provider.js';
import { scratchFolder } from '../scratch.js';
import { callerFor, never, scriptedProvider } from './scripted.js';

const scratch = scratchFolder();
const messages: Message[] = [{ role: 'user', content: 'x'.repeat(904) }];
const key = (trial: number) => ({ purpose: 'propose', trial, about: `about ${trial}` }) as const;
const prices = { input: 1000, output: 1000 };
/** 904 bytes, 5 times 16 for what wraps them, 1000 tokens of answer. */
const WORST = 1.984;

test('every call is recorded before it is made and after it, readable as JSON lines', async () => {
  const path = scratch('calls.jsonl');
  let during = '';
  const provider = scriptedProvider(() => {
    during = readFileSync(path, 'utf8');
    return 'yes';
  });
  const caller = callerFor(path, { provider, prices });
  await caller.ask(key(1), messages, never);
  const start = JSON.parse(during);
  expect(start).toMatchObject({ event: 'start', trial: 1, model: 'scripted', prompt: messages[0]!.content });
  expect(start.worst_cost_usd).toBeCloseTo(WORST, 9);
  const end = JSON.parse(readFileSync(path, 'utf8').split('\n')[1]!);
  expect(end).toMatchObject({
    event: 'end',
    id: start.id,
    status: 'answered',
    answer: 'yes',
    input_tokens: 500,
  });
  expect(end.cost_usd).toBeCloseTo(0.55, 9);
  expect(caller.log.usage()).toMatchObject({
    calls: 1,
    answered: 1,
    input_tokens: 500,
    output_tokens: 50,
    unknown_cost: 0,
  });
});

test('a prompt has whole characters only, also where a text in it was cut within one', async () => {
  const provider = scriptedProvider(() => 'yes');
  const content = 'it failed 🤗'.slice(0, -1);
  await callerFor(scratch('calls.jsonl'), { provider }).ask(key(1), [{ role: 'user', content }], never);
  expect(provider.calls[0]![0]!.content).toBe('it failed \ufffd');
});

describe('the spending cap', () => {
  test('a call that could exceed it is not made; one that just fits is', async () => {
    const provider = scriptedProvider(() => 'yes');
    const caller = callerFor(scratch('calls.jsonl'), { provider, prices, maxCost: 0.55 + WORST });
    expect((await caller.ask(key(1), messages, never)).text).toBe('yes');
    expect((await caller.ask(key(2), messages, never)).text).toBe('yes');
    const { failed } = await caller.ask(key(3), messages, never);
    expect(failed).toMatch(
      /^The spending cap of \$2\.534 leaves \$1\.4340, and a call can cost up to \$1\.9840/,
    );
    await caller.ask(key(4), messages, never);
    expect(provider.calls).toHaveLength(2);
    expect(caller.notes).toHaveLength(1);
  });

  test('holds over restarts: a call whose end is missing counts with the most it can have cost', async () => {
    const path = scratch('calls.jsonl');
    const first = callerFor(path, { provider: scriptedProvider(() => 'yes'), prices, maxCost: 3 });
    await first.ask(key(1), messages, never);
    const lines = readFileSync(path, 'utf8').split('\n');
    appendFileSync(path, `${lines[0]!.replace(/"id":"[^"]*"/, '"id":"killed"')}\n${lines[1]!.slice(0, 30)}`);
    const provider = scriptedProvider(() => 'yes');
    const again = callerFor(path, { provider, prices, maxCost: 3 });
    expect(again.log.charged()).toBeCloseTo(0.55 + WORST, 9);
    expect((await again.ask(key(2), messages, never)).failed).toContain('spending cap');
    const more = callerFor(path, { provider, prices, maxCost: 6 });
    expect((await more.ask(key(2), messages, never)).text).toBe('yes');
    // The torn line stays one by itself.
    expect(openCallLog(path).usage()).toMatchObject({ calls: 3, answered: 2, unknown_cost: 1 });
  });

  test('holds for several processes: a call under way counts with the most it can cost', async () => {
    const path = scratch('calls.jsonl');
    let finish = (_: string) => {};
    const slow = scriptedProvider(() => new Promise((resolve) => (finish = resolve)));
    const one = callerFor(path, { provider: slow, prices, maxCost: 3 }).ask(key(1), messages, never);
    const other = callerFor(path, { provider: scriptedProvider(() => 'yes'), prices, maxCost: 3 });
    expect((await other.ask(key(1), messages, never)).failed).toContain('spending cap');
    finish('done');
    await one;
    expect((await other.ask(key(2), messages, never)).text).toBe('yes');
  });

  test('without prices the cost is unknown, not guessed, and a cap lets no call through', async () => {
    const provider = scriptedProvider(() => 'yes');
    const caller = callerFor(scratch('calls.jsonl'), { provider });
    const { ends } = await caller.ask(key(1), messages, never);
    expect(ends[0]).toMatchObject({ cost_usd: null, charged_usd: null, input_tokens: 500 });
    expect(caller.log.usage()).toMatchObject({ cost_usd: 0, unknown_cost: 1 });
    const capped = callerFor(scratch('calls.jsonl'), { provider, maxCost: 100 });
    expect((await capped.ask(key(1), messages, never)).failed).toContain('an unknown amount');
  });
});

describe('replay', () => {
  const record = async () => {
    const path = scratch('calls.jsonl');
    const caller = callerFor(path, { provider: scriptedProvider((_, call) => `answer ${call}`), prices });
    for (const trial of [1, 2]) await caller.ask(key(trial), messages, never);
    return path;
  };

  test('gives recorded answers without a provider, by prompt or else by trial, and says where a prompt differs', async () => {
    const caller = callerFor(scratch('calls.jsonl'), { replay: openRecording(await record()) });
    expect(await caller.ask(key(2), messages, never)).toMatchObject({ text: 'answer 1' });
    expect(caller.notes).toEqual([]);
    expect(await caller.ask({ ...key(1), about: 'else' }, messages, never)).toMatchObject({
      text: 'answer 0',
    });
    expect(caller.notes).toEqual([expect.stringContaining('differs')]);
    expect(await caller.ask(key(3), messages, never)).toMatchObject({ failed: 'no recorded answer' });
    expect(caller.log.usage()).toMatchObject({ calls: 0, replayed: 2, cost_usd: 0 });
    expect(caller.about).toEqual({ provider: 'replay of openai' });
  });

  test('an answer that an earlier process was given and did not use is not paid for twice', async () => {
    const path = await record();
    const provider = scriptedProvider(() => 'new');
    const caller = callerFor(path, { provider, prices });
    expect((await caller.ask(key(2), messages, never)).text).toBe('answer 1');
    expect((await caller.ask({ ...key(2), about: 'more is known' }, messages, never)).text).toBe('new');
    expect(provider.calls).toHaveLength(1);
  });

  test('a file without calls is refused', async () => {
    const path = scratch('calls.jsonl');
    expect(() => openRecording(path)).toThrow('no such file');
    await callerFor(path, { provider: scriptedProvider(() => Promise.reject(new Error('no'))) }).ask(
      key(1),
      messages,
      never,
    );
    expect(() => openRecording(path)).toThrow('Expected recorded calls in --llm-replay');
  });
});

test('secrets reach neither the provider nor the log', async () => {
  const path = scratch('calls.jsonl');
  const secret = 'hunter2-hunter2';
  const provider = scriptedProvider(() => `your key is ${secret}`);
  const caller = callerFor(path, { provider, redact: redactor({ PASSWORD: secret }) });
  const { text } = await caller.ask(key(1), [{ role: 'user', content: `log: ${secret}` }], never);
  expect(text).toBe('your key is [secret]');
  expect(provider.calls[0]![0]!.content).toBe('log: [secret]');
  expect(existsSync(path) && readFileSync(path, 'utf8')).not.toContain(secret);
});
