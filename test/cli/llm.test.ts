// tinygpt tune with a model: a scripted command, a scripted endpoint, the stand-in; advice.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { MAIN } from '../../src/cli/commandLine.js';
import { openLlm } from '../../src/cli/llmOptions.js';
import { readOptions } from '../../src/cli/options.js';
import { TUNE_OPTIONS } from '../../src/cli/tuneOptions.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { says, scriptedServer } from '../tune/llm/scripted.js';
import { err, out, run } from './capture.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const folder = tinyStudyFolder({ depth: { kind: 'int', low: 1, high: 2 } });
const at = (...names: string[]) => join(folder, ...names);
const KEY = 'sk-live-0123456789abcdef';

/** A study of a tiny model on a tiny text: two steps a trial. */
const tune = (name: string, ...more: string[]) => tinyTune(folder, 'wasm', 2, name, ...more);
const studyIn = (name: string) => readJournal(at(name, 'journal.log'))[0]!;

const variables = [
  'TEST_LLM_KEY',
  'OPENAI_API_KEY',
  'OPENAI_BASE_URL',
  'OPENAI_MODEL',
  'TINYGPT_PRICE_IN',
  'TINYGPT_PRICE_OUT',
];
const forget = () => {
  for (const name of variables) delete process.env[name];
};
beforeAll(forget);
afterEach(forget);

describe('tune with a model', () => {
  test('a command as sampler: its answers run, its calls are in the study, the log and the report', async () => {
    const answer = 'echo \'{"params": {"matrixLr": 0.0123, "depth": 2}}\'';
    expect(await run(...tune('command', '--trials', '3', '--sampler', 'llm', '--llm-command', answer))).toBe(
      0,
    );
    const study = studyIn('command');
    expect(study.trials[1]!.params).toEqual({ matrixLr: 0.0123, depth: 2 });
    // The second time it repeats itself, and the classic sampler's proposal runs.
    expect(study.trials[2]!.userAttrs.llm_outcome).toMatch(/^fallback: Trial 1 has this configuration/);
    expect(study.userAttrs.llm_usage).toMatchObject({ calls: 3, answered: 3, unknown_cost: 3 });
    expect(out).toContain('Model: command echo');
    expect(out).toMatch(
      /3 calls, tokens unknown for 3 answers, cost unknown for 3 calls, .*; 1 proposal run, 1 fallback/,
    );
    expect(readFileSync(at('command', 'report.html'), 'utf8')).toContain('"unknown_cost":3');
    expect(readFileSync(at('command', 'llm-calls.jsonl'), 'utf8').split('\n')).toHaveLength(7);
  });

  test('an endpoint in a hybrid: costs by the given prices, and the key is written nowhere', async () => {
    process.env.TEST_LLM_KEY = KEY;
    const server = await scriptedServer(
      says(`{"params": {"matrixLr": 0.02, "depth": 2}, "reason": "key ${KEY}"}`),
    );
    const endpoint = [
      '--llm-url',
      `${server.url}/v1`,
      '--llm-model',
      'tiny',
      '--llm-key-env',
      'TEST_LLM_KEY',
    ];
    const prices = ['--price-in', '1', '--price-out', '10', '--max-cost', '1'];
    const code = await run(
      ...tune('hybrid', '--trials', '4', '--sampler', 'hybrid', ...endpoint, ...prices, '--json'),
    );
    await server.close();
    expect(code).toBe(0);
    expect(server.requests[0]!.headers.authorization).toBe(`Bearer ${KEY}`);
    const study = studyIn('hybrid');
    expect(study.trials.filter(({ userAttrs }) => 'llm_calls' in userAttrs)).toHaveLength(1);
    expect(study.userAttrs.llm).toMatchObject({
      provider: 'openai',
      model: 'tiny',
      price_in: 1,
      max_cost: 1,
    });
    expect(JSON.parse(out).llm).toMatchObject({ calls: 1, input_tokens: 1000, cost_usd: 0.002 });
    for (const name of readdirSync(at('hybrid')).filter((file) => statSync(at('hybrid', file)).isFile()))
      expect(readFileSync(at('hybrid', name), 'utf8')).not.toContain(KEY);
    expect(out + err).not.toContain(KEY);

    // Offline, from the log of its calls.
    const again = tune(
      'replayed',
      '--trials',
      '4',
      '--sampler',
      'hybrid',
      '--llm-replay',
      at('hybrid', 'llm-calls.jsonl'),
    );
    expect(await run(...again)).toBe(0);
    expect(studyIn('replayed').trials.map(({ params }) => params)).toEqual(
      study.trials.map(({ params }) => params),
    );
    expect(studyIn('replayed').userAttrs.llm_usage).toMatchObject({ calls: 0, replayed: 1, cost_usd: 0 });
  });

  test('the stand-in is labelled wherever its study is shown', async () => {
    expect(await run(...tune('standin', '--trials', '3', '--sampler', 'llm', '--llm', 'stand-in'))).toBe(0);
    expect(out.match(/Caution: answers come from a scripted stand-in, not from a model/g)).toHaveLength(2);
    expect(readFileSync(at('standin', 'report.html'), 'utf8')).toContain('not from a model');
    expect(studyIn('standin').userAttrs.llm).toMatchObject({ provider: 'stand-in' });
  });

  test('a contest takes llm and hybrid, and names those on the stand-in so', async () => {
    const contest = [
      '--contest',
      'random,hybrid',
      '--llm',
      'stand-in',
      '--seeds',
      '1',
      '--repeats',
      '1',
      '--trials',
      '4',
    ];
    expect(await run(...tune('contest', ...contest))).toBe(0);
    expect(out).toMatch(/^hybrid-stand-in +/m);
    expect(out).not.toMatch(/^hybrid /m);
    const { standings } = JSON.parse(readFileSync(at('contest', 'contest.json'), 'utf8'));
    expect(standings.map(({ sampler }: { sampler: string }) => sampler).sort()).toEqual([
      'hybrid-stand-in',
      'random',
    ]);
    expect(studyIn(join('contest', 'hybrid-stand-in-1')).userAttrs.llm_usage).toMatchObject({ calls: 1 });
    expect(await run(...tune('contest', '--contest', 'random,llm', '--trials', '2'))).toBe(2);
    expect(err).toContain('Expected a model');
    const late = [...['--contest', 'random,hybrid', '--llm', 'stand-in'], ...['--llm-share', '1']];
    expect(await run(...tune('late', ...late, '--trials', '2'))).toBe(2);
    expect(err).toContain('Expected --llm-share below 1');
    expect(existsSync(at('late'))).toBe(false);
  });

  test.each([
    ['no model', [], 'Expected a model: --llm-command'],
    ['a model without a name', ['--llm-url', 'http://localhost:1'], 'Expected --llm-model with --llm openai'],
    [
      'a hosted model without a key',
      ['--llm', 'openai', '--llm-model', 'm'],
      'variable OPENAI_API_KEY, which is not set',
    ],
    [
      'a cap without prices',
      ['--llm-url', 'http://localhost:1', '--llm-model', 'm', '--max-cost', '1'],
      '--price-in and --price-out with --max-cost',
    ],
    [
      'a cap on a command of unknown cost',
      ['--llm-command', 'cat', '--max-cost', '1'],
      'Expected --call-cost with --max-cost',
    ],
    ['one price', ['--llm-command', 'cat', '--price-in', '1'], '--price-in and --price-out together'],
    ['a replay of nothing', ['--llm-replay', at('absent.jsonl')], 'Cannot read --llm-replay'],
    [
      'a key for a name',
      ['--llm', 'openai', '--llm-model', 'm', '--llm-key-env', KEY],
      'to be the name of an environment variable',
    ],
    [
      'two providers',
      ['--llm', 'openai', '--llm-model', 'm', '--llm-command', 'cat'],
      'Expected no --llm-command with --llm openai',
    ],
    [
      'a command and an endpoint',
      ['--llm-command', 'cat', '--llm-url', 'http://localhost:1'],
      'Expected no --llm-url with --llm command',
    ],
    ['a stand-in and a model', ['--llm', 'stand-in', '--llm-model', 'm'], 'Expected no --llm-model with'],
  ])('is refused before anything runs: %s', async (_, more, message) => {
    const before = tune('refused', '--trials', '2', '--sampler', 'llm', ...more);
    before[before.indexOf(at('stories.txt'))] = at('no-such-text');
    expect(await run(...before)).toBe(2);
    expect(err).toContain(message);
    expect(err).not.toContain(KEY);
  });

  test('Ctrl-C ends a call, and the study with what it has', async () => {
    // The command interrupts the process that asks it, and would never answer.
    const never = 'kill -INT $PPID; sleep 3600';
    const argv = tune('interrupted', '--trials', '3', '--sampler', 'llm', '--llm-command', never);
    const child = spawn(process.execPath, [MAIN, ...argv], { stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    const study = studyIn('interrupted');
    expect(study.trials.map(({ state }) => state)).toEqual(['complete']);
    expect(study.userAttrs.llm_usage).toMatchObject({ calls: 1, answered: 0, unknown_cost: 1 });
    expect(readFileSync(at('interrupted', 'llm-calls.jsonl'), 'utf8')).toContain('"status":"aborted"');
  });

  test('URL, model, key and prices may come from the environment', async () => {
    const server = await scriptedServer(says('hi'));
    const values = [`${server.url}/v1`, 'from-env', KEY, '2', '10'];
    const names = [
      'OPENAI_BASE_URL',
      'OPENAI_MODEL',
      'OPENAI_API_KEY',
      'TINYGPT_PRICE_IN',
      'TINYGPT_PRICE_OUT',
    ];
    for (const [i, name] of names.entries()) process.env[name] = values[i];
    const caller = openLlm(readOptions(['--llm', 'openai'], TUNE_OPTIONS)!, at('env'), () => undefined);
    const signal = new AbortController().signal;
    const key = { purpose: 'propose', trial: 0, about: '' } as const;
    const { ends } = await caller.ask(key, [{ role: 'user', content: 'x' }], signal);
    await server.close();
    expect(server.requests[0]).toMatchObject({ path: '/v1/chat/completions', body: { model: 'from-env' } });
    expect(server.requests[0]!.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(ends[0]!.cost_usd).toBeCloseTo(0.003, 12);
    process.env.TINYGPT_PRICE_IN = 'cheap';
    expect(() =>
      openLlm(readOptions(['--llm', 'openai'], TUNE_OPTIONS)!, at('env'), () => undefined),
    ).toThrow('Expected TINYGPT_PRICE_IN');
  });

  test("OpenAI's own key is not sent to another endpoint", async () => {
    process.env.OPENAI_API_KEY = KEY;
    const server = await scriptedServer(says('hi'));
    const argv = ['--llm-url', server.url, '--llm-model', 'm'];
    const caller = openLlm(readOptions(argv, TUNE_OPTIONS)!, at('keys'), () => undefined);
    const signal = new AbortController().signal;
    await caller.ask({ purpose: 'propose', trial: 0, about: '' }, [{ role: 'user', content: 'x' }], signal);
    await server.close();
    expect(server.requests[0]!.headers.authorization).toBeUndefined();
  });
});

describe('--advise', () => {
  const script = (name: string, ...answers: object[]) => {
    const path = at(`${name}.cjs`);
    const text = `const fs = require('fs'); const n = ${JSON.stringify(at(`${name}.count`))};
const i = fs.existsSync(n) ? +fs.readFileSync(n, 'utf8') : 0; fs.writeFileSync(n, String(i + 1));
console.log(${JSON.stringify(answers.map((answer) => JSON.stringify(answer)))}[i]);`;
    writeFileSync(path, text);
    return ['--advise', '--llm-command', `node ${path}`];
  };
  const space = {
    matrixLr: { kind: 'float', low: 0.005, high: 0.1, log: true, prior: { center: 0.02, width: 0.2 } },
    warmdownRatio: { kind: 'float', low: 0.1, high: 0.9 },
  };
  const reasons = { matrixLr: 'narrow\u2028}, "space": {' };
  const good = {
    space,
    defaults: { matrixLr: 0.03 },
    first: [{ matrixLr: 0.05, warmdownRatio: 0.7 }],
    reasons,
  };

  test('writes what it would change as a file that the same command accepts', async () => {
    const bad = { ...good, space: { ...space, vocabSize: { kind: 'int', low: 1, high: 9 } } };
    const words = ['--trials', '3', '--fix', 'depth=2', '--json', ...script('advised', bad, good)];
    expect(await run(...tune('advised', ...words))).toBe(0);
    expect(JSON.parse(out)).toEqual({
      folder: at('advised'),
      space: at('advised', 'advice.json'),
      enqueue: at('advised', 'first.json'),
    });
    expect(err).toContain('~ matrixLr: float 0.001 .. 0.2 log, default 0.04');
    expect(err).toContain(
      '-> float 0.005 .. 0.1 log, default 0.03, prior 0.02 +- 0.2 (narrow }, "space": {)',
    );
    expect(err).toContain('+ warmdownRatio: float 0.1 .. 0.9, default');
    expect(err).toContain('+ first: {"matrixLr":0.05,"warmdownRatio":0.7}');
    expect(existsSync(at('advised', 'journal.log'))).toBe(false);

    // Asking again would overwrite what a person may have edited.
    writeFileSync(
      at('advised', 'advice.json'),
      `// mine\n${readFileSync(at('advised', 'advice.json'), 'utf8')}`,
    );
    expect(await run(...tune('advised', ...script('again', good)))).toBe(2);
    expect(err).toContain('Expected no earlier advice, found');
    expect(readFileSync(at('advised', 'advice.json'), 'utf8')).toContain('// mine');

    const accepted = tune(
      'advised',
      '--trials',
      '3',
      '--enqueue',
      at('advised', 'first.json'),
      '--sampler',
      'random',
    );
    accepted[accepted.indexOf(at('space.json'))] = at('advised', 'advice.json');
    expect(await run(...accepted)).toBe(0);
    const study = studyIn('advised');
    expect(study.trials[0]!.params).toMatchObject({ matrixLr: 0.03, depth: 2 });
    expect(study.trials[1]!.params).toMatchObject({ matrixLr: 0.05, warmdownRatio: 0.7, depth: 2 });
    expect(study.userAttrs.llm_usage).toMatchObject({ calls: 2 });
  });

  test('a search of a space that the stand-in has advised is labelled so', async () => {
    const words = ['--fix', 'depth=2', '--trials', '1', '--sampler', 'random'];
    expect(await run(...tune('scripted', ...words.slice(0, 2), '--advise', '--llm', 'stand-in'))).toBe(0);
    const accepted = tune('scripted', ...words.slice(2));
    accepted[accepted.indexOf(at('space.json'))] = at('scripted', 'advice.json');
    expect(await run(...accepted)).toBe(0);
    expect(out).toContain('stand-in: 1 call');
    expect(out).toContain('Caution: answers come from a scripted stand-in, not from a model');
  });

  test.each([
    ['a range that is none', { ...good, space: { matrixLr: { kind: 'float', low: 1, high: 0 } } }],
    ['an unknown parameter', { ...good, space: { ...space, nonsense: { kind: 'int', low: 1, high: 9 } } }],
    ['a first configuration outside', { ...good, first: [{ matrixLr: 5 }] }],
    ['defaults outside', { ...good, defaults: { matrixLr: 5 } }],
    ['no space', { params: {} }],
  ])('gives up after one correction of %s, and writes nothing', async (name, answer) => {
    const id = `bad-${name.replaceAll(' ', '-')}`;
    expect(await run(...tune(id, '--trials', '3', ...script(id, answer, answer)))).toBe(1);
    expect(err).toContain('No usable advice');
    expect(readdirSync(at(id)).filter((file) => file.endsWith('.json'))).toEqual([]);
  });
});
