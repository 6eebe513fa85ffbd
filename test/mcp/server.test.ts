// The MCP server, driven by the official client.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { MAIN } from '../../src/cli/commandLine.js';
import { openServer, type ServerOptions } from '../../src/mcp/server.js';
import type { ServerTask } from '../../src/mcp/studies.js';
import { float, int } from '../../src/tune/distributions.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { scratchFolder } from '../tune/scratch.js';

const scratch = scratchFolder();
const folderFor = () => scratch('studies');
const agentSpace = { x: { kind: 'float', low: -5, high: 5 }, n: { kind: 'int', low: 1, high: 8 } };

/** A task of two parameters, which counts what it evaluates. */
function taskOf(
  evaluate: (x: number, signal: AbortSignal) => number | Promise<number>,
): () => Promise<ServerTask> {
  return async () => ({
    setup: { space: { x: float(-5, 5), depth: int(1, 4) }, defaults: { x: 1, depth: 2 }, fixed: {} },
    direction: 'minimize',
    metricName: 'loss',
    identity: () => ({ task: 'a test' }),
    check: ({ depth }) => (depth === 4 ? { reason: 'memory', detail: 'too deep' } : null),
    objective: () => (trial) => evaluate(Number(trial.params.x), trial.signal),
    about: ['a parabola'],
  });
}

let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
});

async function connect(more: Partial<ServerOptions> = {}) {
  const { create, settled } = openServer({
    folder: folderFor(),
    version: '1',
    maxTrials: 50,
    maxMinutes: 10,
    task: taskOf((x) => x * x),
    signal: new AbortController().signal,
    ...more,
  });
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  await create().connect(theirs as never);
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(ours);
  closing.push(() => client.close());
  return { client, settled, ...caller(client) };
}

/** Milliseconds for an answer: the client's own limit is for a machine that is not busy otherwise. */
const timeout = 200_000;

type Result = Record<string, unknown> & { best?: unknown };
function caller(client: Client) {
  const raw = async (name: string, args: object, options = {}) => {
    const call = { name, arguments: args as Record<string, unknown> };
    const result = await client.callTool(call, { timeout, ...options });
    const [content] = result.content as { text: string }[];
    return { isError: result.isError === true, text: content!.text };
  };
  const call = async (name: string, args: object = {}, options = {}): Promise<Result> => {
    const { isError, text } = await raw(name, args, options);
    if (isError) throw new Error(text);
    return JSON.parse(text);
  };
  return { call, raw };
}

test('the tools are listed with their schemas', async () => {
  const { client } = await connect();
  const { tools } = await client.listTools();
  const names = ['best', 'create_study', 'importance', 'report_result', 'run_trials', 'status', 'suggest'];
  expect(tools.map(({ name }) => name).sort()).toEqual(names);
  for (const { description, inputSchema } of tools) {
    expect(description!.length).toBeGreaterThan(20);
    expect(inputSchema.type).toBe('object');
  }
});

describe('a study that the agent evaluates', () => {
  test('goes from suggestions to the best, failures included, and its journal is a study like any other', async () => {
    const folder = folderFor();
    const { call } = await connect({ folder });
    const created = await call('create_study', {
      name: 'mine',
      space: agentSpace,
      defaults: { x: 3 },
      sampler: 'random',
      metric: 'ms',
    });
    expect(created).toMatchObject({
      evaluated_by: 'agent',
      defaults: { x: 3 },
      next: 'suggest, measure, report_result',
    });
    const tried: number[] = [];
    for (let i = 0; i < 6; i++) {
      const { suggestions } = (await call('suggest', { study: 'mine' })) as {
        suggestions: { trial: number; params: { x: number } }[];
      };
      const { trial, params } = suggestions[0]!;
      tried.push(params.x);
      if (i === 2)
        await call('report_result', { study: 'mine', trial, failed: 'out_of_memory', message: 'CUDA' });
      else await call('report_result', { study: 'mine', trial, value: params.x ** 2 });
    }
    expect(tried[0]).toBe(3);
    const values = tried.filter((_, i) => i !== 2).map((x) => x * x);
    const { best } = (await call('best', { study: 'mine', count: 3 })) as { best: { value: number }[] };
    expect(best.map(({ value }) => value)).toEqual(values.sort((a, b) => a - b).slice(0, 3));
    expect(await call('status', { study: 'mine' })).toMatchObject({
      complete: 5,
      failed: 1,
      open: [],
      last_failures: [{ trial: 2, reason: 'out_of_memory', message: 'CUDA' }],
    });
    expect(await call('importance', { study: 'mine' })).toMatchObject({ known: {}, complete: 5 });
    expect(await call('status')).toMatchObject({ studies: ['mine'], max_trials_per_study: 50 });
    const [study] = readJournal(join(folder, 'mine', 'journal.log'));
    expect(study!.systemAttrs['study:metric_names']).toEqual(['ms']);
    expect(study!.trials[2]!.userAttrs.fail_reason).toBe('out_of_memory');
  });

  test('continues in another server', async () => {
    const folder = folderFor();
    const first = await connect({ folder });
    await first.call('create_study', { name: 'mine', space: agentSpace });
    await first.call('suggest', { study: 'mine' });
    await first.call('report_result', { study: 'mine', trial: 0, value: 4 });
    const second = await connect({ folder });
    expect(await second.call('suggest', { study: 'mine', count: 3 })).toMatchObject({
      suggestions: [{}, {}, {}],
    });
    expect(await second.call('best', { study: 'mine' })).toMatchObject({ best: [{ trial: 0, value: 4 }] });
  });

  test('an open suggestion outlives its server: its result is taken by the next', async () => {
    const folder = folderFor();
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [MAIN, 'mcp', '--out', folder],
      stderr: 'ignore',
    });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(transport);
    const first = caller(client);
    await first.call('create_study', { name: 'mine', space: agentSpace });
    await first.call('suggest', { study: 'mine', count: 2 });
    await client.close();
    const { call } = await connect({ folder });
    expect(await call('suggest', { study: 'mine' })).toMatchObject({ suggestions: [{ trial: 2 }] });
    expect(await call('report_result', { study: 'mine', trial: 1, value: 4 })).toMatchObject({
      best: { trial: 1, value: 4 },
      failed: 0,
    });
  });

  test('has bounded trials and open suggestions', async () => {
    const { call } = await connect({ maxTrials: 3 });
    await call('create_study', { name: 'mine', space: agentSpace, sampler: 'random' });
    expect(await call('suggest', { study: 'mine', count: 5 })).toMatchObject({
      suggestions: [{}, {}, {}],
      ended: 'the limit of 3 trials is reached',
    });
    const wide = await connect();
    await wide.call('create_study', { name: 'mine', space: agentSpace, sampler: 'random' });
    for (let i = 0; i < 2; i++) await wide.call('suggest', { study: 'mine', count: 16 });
    expect((await wide.raw('suggest', { study: 'mine' })).text).toContain('at most 32 open suggestions');
    const many = await connect();
    await many.call('create_study', { name: 'mine', space: agentSpace, sampler: 'random' });
    const asked = Array.from({ length: 4 }, () => many.raw('suggest', { study: 'mine', count: 16 }));
    expect((await Promise.all(asked)).filter(({ isError }) => isError)).toHaveLength(2);
  });

  test.each([
    ['a value and a failure', { trial: 0, value: 1, failed: 'oom' }, 'got both or none'],
    ['neither', { trial: 0 }, 'got both or none'],
    ['an unknown trial', { trial: 7, value: 1 }, 'Expected the number of a trial that was asked for'],
    ['a value that is none', { trial: 0, value: 'good' }, 'nvalid'],
  ])('refuses to be told %s', async (_, told, message) => {
    const { call, raw } = await connect();
    await call('create_study', { name: 'mine', space: agentSpace });
    await call('suggest', { study: 'mine' });
    const { isError, text } = await raw('report_result', { study: 'mine', ...told });
    expect([isError, text]).toEqual([true, expect.stringContaining(message)]);
  });

  test('a trial is told once', async () => {
    const { call, raw } = await connect();
    await call('create_study', { name: 'mine', space: agentSpace });
    await call('suggest', { study: 'mine' });
    await call('report_result', { study: 'mine', trial: 0, value: 1 });
    expect((await raw('report_result', { study: 'mine', trial: 0, value: 0 })).text).toContain(
      'Trial 0 has ended already (1)',
    );
  });
});

describe('a study that the server evaluates', () => {
  test('runs trials with progress, within the number asked for and what the server allows', async () => {
    const { call, raw } = await connect({ maxTrials: 8 });
    expect(await call('create_study', { name: 'run' })).toMatchObject({
      evaluated_by: 'server',
      task: ['a parabola'],
      direction: 'minimize',
    });
    const seen: { progress: number; total?: number; message?: string }[] = [];
    const onprogress = (progress: (typeof seen)[number]) => seen.push(progress);
    expect(await call('run_trials', { study: 'run', trials: 5 }, { onprogress })).toMatchObject({
      ran: 5,
      stopped: 'trials',
      complete: 5,
    });
    expect(seen.map(({ progress, total }) => `${progress}/${total}`)).toEqual([
      '1/5',
      '2/5',
      '3/5',
      '4/5',
      '5/5',
    ]);
    expect(seen[0]!.message).toBe('trial 0: 1');
    expect(await call('run_trials', { study: 'run', trials: 5 })).toMatchObject({ ran: 3 });
    expect((await raw('run_trials', { study: 'run' })).text).toContain('has its 8 trials');
    expect(await call('status', { study: 'run' })).toMatchObject({ trials: 8 });
  });

  test('cancelling a call ends the running trial and keeps the finished ones', async () => {
    const controller = new AbortController();
    let calls = 0;
    const task = taskOf((x, signal) => {
      if (++calls < 3) return x * x;
      controller.abort();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const { call, client, settled } = await connect({ task });
    await call('create_study', { name: 'run', sampler: 'random' });
    const cancelled = client.callTool(
      { name: 'run_trials', arguments: { study: 'run', trials: 10 } },
      { signal: controller.signal },
    );
    await expect(cancelled).rejects.toThrow();
    await settled();
    expect(await call('status', { study: 'run' })).toMatchObject({ complete: 2, running: null });
  });

  test('one run at a time; others can be read meanwhile', async () => {
    let finish = () => {};
    const done = new Promise<void>((resolve) => (finish = resolve));
    const task = taskOf(async (x) => {
      await done;
      return x;
    });
    const { call, raw } = await connect({ task });
    await call('create_study', { name: 'run', sampler: 'random' });
    const first = call('run_trials', { study: 'run', trials: 1 });
    expect(await call('status')).toMatchObject({ running: 'run' });
    expect((await raw('run_trials', { study: 'run' })).text).toContain('Trials of run are running');
    finish();
    expect(await first).toMatchObject({ ran: 1 });
  });

  test('the minutes of the server end its trials', async () => {
    const { call, raw } = await connect({ maxMinutes: 1e-9 });
    await call('create_study', { name: 'run', sampler: 'random' });
    expect(await call('run_trials', { study: 'run', trials: 50 })).toMatchObject({ stopped: 'seconds' });
    expect((await raw('run_trials', { study: 'run' })).text).toContain('minutes of trials are used up');
  });

  test('its results are measured, not told', async () => {
    const { call, raw } = await connect();
    await call('create_study', { name: 'run' });
    for (const [tool, args] of [
      ['suggest', {}],
      ['report_result', { trial: 0, value: -1 }],
    ] as const)
      expect((await raw(tool, { study: 'run', ...args })).text).toContain(
        'The server evaluates run; use run_trials',
      );
    await call('create_study', { name: 'mine', space: agentSpace });
    expect((await raw('run_trials', { study: 'mine' })).text).toContain('The agent evaluates mine');
  });

  test('a space selects parameters of the task, with other ranges', async () => {
    const { call, raw } = await connect();
    const space = { x: { kind: 'float', low: 0, high: 2 } };
    expect(await call('create_study', { name: 'part', space, evaluated_by: 'server' })).toMatchObject({
      space: { x: 'float 0 .. 2' },
      defaults: { x: 1 },
    });
    const unknown = await raw('create_study', {
      name: 'other',
      space: { y: space.x },
      evaluated_by: 'server',
    });
    expect(unknown.text).toContain('Unknown parameter "y" of the task');
  });
});

describe('what comes from outside', () => {
  test.each(['..', '../x', '/etc', 'a/b', 'a\\b', '.hidden', 'a b', 'x\u0000', '-x', 'a\n'])(
    'no study is named %j',
    async (name) => {
      const folder = folderFor();
      const { raw } = await connect({ folder });
      for (const [tool, args] of [
        ['create_study', { name, space: agentSpace }],
        ['status', { study: name }],
        ['best', { study: name }],
      ] as const)
        expect(await raw(tool, args)).toEqual({
          isError: true,
          text: expect.stringContaining('Expected the name of a study'),
        });
      expect(existsSync(folder)).toBe(false);
    },
  );

  test('a link in the folder is not followed', async () => {
    const folder = folderFor();
    const elsewhere = scratch('elsewhere');
    mkdirSync(folder, { recursive: true });
    mkdirSync(elsewhere, { recursive: true });
    symlinkSync(elsewhere, join(folder, 'link'));
    mkdirSync(join(folder, 'file'));
    writeFileSync(join(elsewhere, 'secret'), 'secret');
    symlinkSync(join(elsewhere, 'secret'), join(folder, 'file', 'journal.log'));
    const { raw } = await connect({ folder });
    for (const name of ['link', 'file'])
      expect((await raw('create_study', { name, space: agentSpace })).text).toContain(
        'got a link to another place',
      );
    expect(readdirSync(elsewhere)).toEqual(['secret']);
  });

  test.each([
    ['a range that is none', { x: { kind: 'float', low: 5, high: 1 } }, 'Parameter x'],
    ['a path', '/etc/passwd', 'nvalid'],
    ['no parameter', {}, 'at least one parameter'],
    [
      'too long',
      { x: { kind: 'categorical', choices: ['a', 'b'.repeat(60_000)] } },
      'at most 50000 characters',
    ],
    [
      'too many',
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`p${i}`, { kind: 'int', low: 1, high: 2 }])),
      'at most 200 parameters',
    ],
  ])('a space that is %s is refused, and no study made', async (_, space, message) => {
    const folder = folderFor();
    const { raw } = await connect({ folder });
    expect(await raw('create_study', { name: 'mine', space })).toEqual({
      isError: true,
      text: expect.stringContaining(message),
    });
    expect(existsSync(join(folder, 'mine'))).toBe(false);
  });

  test('another space under the same name is refused with the difference', async () => {
    const { call, raw } = await connect();
    await call('create_study', { name: 'mine', space: agentSpace });
    const other = { ...agentSpace, x: { kind: 'float', low: 0, high: 5 } };
    expect((await raw('create_study', { name: 'mine', space: other })).text).toContain(
      'it searches x in float -5 .. 5',
    );
    expect((await raw('suggest', { study: 'min' })).text).toContain('No study min; did you mean mine?');
  });
});

/** A server over stdio of a task by command, whose loss is lowest at LR = 0.1 and differs by seed. */
async function connectCommand(...more: string[]) {
  const folder = folderFor();
  mkdirSync(dirname(folder), { recursive: true });
  const script = join(dirname(folder), 'train.cjs');
  writeFileSync(
    script,
    'const LR = 0.5;\nconst SEED = 1;\nconsole.log("noise");\nconsole.log("loss: " + ((LR - 0.1) ** 2 + SEED / 1e6));\n',
  );
  const space = join(dirname(folder), 'space.json');
  const LR = { kind: 'float', low: 0.01, high: 1, log: true };
  writeFileSync(space, JSON.stringify({ space: { LR }, defaults: { LR: 0.5 } }));
  const task = ['--command', `${process.execPath} ${script}`, '--patch', script, '--metric', 'loss'];
  const args = [MAIN, 'mcp', '--out', folder, ...task, '--space', space, ...more];
  const transport = new StdioClientTransport({ command: process.execPath, args, stderr: 'pipe' });
  const errors: Error[] = [];
  transport.onerror = (error) => errors.push(error);
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport, { timeout });
  closing.push(() => client.close());
  return { folder, transport, client, errors, ...caller(client) };
}

describe('run_trials confirms its best trials and the defaults on fresh seeds', () => {
  type Confirmed = { confirmation?: { winner: unknown; candidates: { trial: unknown; values: number[] }[] } };
  const bestIn = (folder: string) =>
    JSON.parse(readFileSync(join(folder, 'script', 'best.json'), 'utf8'))._study;

  test('once the study has 20 trials, or when it is asked to', async () => {
    const { folder, call } = await connectCommand('--repeats', '2');
    await call('create_study', { name: 'script', sampler: 'random' });
    const run = (args: object) => call('run_trials', { study: 'script', ...args }) as Promise<Confirmed>;

    expect((await run({ trials: 2 })).confirmation).toBeUndefined();
    expect(bestIn(folder).confirmed).toBeUndefined();
    const asked = await run({ trials: 1, confirm: 1 });
    expect(asked.confirmation!.candidates.map(({ values }) => values.length)).toEqual([2, 2]);
    // The loss of the defaults, 0.16, and the seed's part of it.
    expect(asked.confirmation!.candidates[0]).toMatchObject({ trial: 'defaults' });
    expect(asked.confirmation!.candidates[0]!.values[1]).toBeCloseTo(0.161001, 9);
    expect(bestIn(folder).confirmed.seeds).toEqual([1000, 1001]);

    const messages: string[] = [];
    const onprogress = ({ message }: { message?: string }) => messages.push(message!);
    const usual = (await call(
      'run_trials',
      { study: 'script', trials: 17 },
      { onprogress },
    )) as unknown as Confirmed;
    expect(usual.confirmation!.candidates).toHaveLength(4);
    expect(usual.confirmation!.winner).toBe(bestIn(folder).trial);
    expect(messages.at(-1)).toMatch(/^confirmation run \d+: 0\.\d+$/);
    expect(await call('best', { study: 'script' })).toMatchObject({ confirmation: usual.confirmation });
    expect(await call('status', { study: 'script' })).toMatchObject({ trials: 20, complete: 20 });
  });

  test('not where the operator or the agent says so, nor beyond the minutes', async () => {
    const off = await connectCommand('--confirm', '0');
    await off.call('create_study', { name: 'script', sampler: 'random' });
    expect(await off.call('run_trials', { study: 'script', trials: 20 })).not.toHaveProperty('confirmation');
    const short = await connectCommand('--confirm', '1', '--max-minutes', '1e-9');
    await short.call('create_study', { name: 'script', sampler: 'random' });
    expect(await short.call('run_trials', { study: 'script', trials: 2 })).not.toHaveProperty('confirmation');
  });
});

test('tinygpt mcp over stdio: stdout is the protocol alone, and it ends with the client', async () => {
  const { folder, transport, client, errors, call } = await connectCommand();
  await call('create_study', { name: 'script', sampler: 'random' });
  const { best } = (await call('run_trials', { study: 'script', trials: 3 })) as { best: { value: number } };
  expect(best.value).toBeLessThanOrEqual(0.16);
  expect(existsSync(join(folder, 'script', 'report.html'))).toBe(true);
  // A client that closes would also kill it.
  const server = (transport as unknown as { _process: ChildProcess })._process;
  const ended = once(server, 'exit');
  server.stdin!.end();
  expect(await ended).toEqual([0, null]);
  await client.close();
  expect(errors).toEqual([]);
});

test('tinygpt mcp ends when nobody reads its answers', async () => {
  const server = spawn(process.execPath, [MAIN, 'mcp', '--out', folderFor()], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(server, 'exit');
  const send = (message: object) => server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'test', version: '1' };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo };
  send({ id: 1, method: 'initialize', params });
  await once(server.stdout, 'data');
  server.stdout.destroy();
  send({ id: 2, method: 'tools/list' });
  expect(await ended).toEqual([0, null]);
});

test.each([
  [['--command', 'node train.js'], 'Expected --metric with --command'],
  [['--metric', 'loss'], 'Expected --command with --metric'],
])('tinygpt mcp %j ends at once, before a client asks', (options, message) => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'mcp', ...options], {
    input: '',
    encoding: 'utf8',
  });
  expect(stderr).toContain(message);
  expect(status).toBe(2);
});
