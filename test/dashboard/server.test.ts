// The dashboard's server without a browser: what it answers to whom, what it sends, what its actions do.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { refusalOf } from '../../src/dashboard/guard.js';
import { openLibrary } from '../../src/dashboard/library.js';
import { openRuns } from '../../src/dashboard/runs.js';
import { type Dashboard, startDashboard } from '../../src/dashboard/server.js';
import type { Message, StudyEntry } from '../../src/report/messages.js';
import { type PageStudy, trialOf } from '../../src/report/pageData.js';
import { int } from '../../src/tune/distributions.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import { openStudy, runTrials } from './studies.js';

let folder: string;
let journal: string;
let dashboard: Dashboard;
const resumed: string[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-dashboard-'));
  journal = join(folder, 'studies', 'first', 'journal.log');
  runTrials(openStudy(journal), 6);
  resumed.length = 0;
  const resumption = {
    isKnown: () => true,
    resume: (place: string) => {
      resumed.push(place);
      return 'Resumed';
    },
  };
  dashboard = await startDashboard({ places: [folder], port: 0, token: 'the-token', resumption });
});
afterEach(async () => {
  await dashboard.close();
  rmSync(folder, { recursive: true, force: true });
});

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string };
/** A request with any headers, Host included, which `fetch` does not allow. */
function ask(
  path: string,
  options: { method?: string; headers?: object; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, dashboard.url), { method, headers: { ...headers } }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const origin = () => dashboard.url.slice(0, -1);
/** An action as the page asks for it. */
const act = (action: string, body: unknown = {}, headers: object = {}) =>
  entries().then(([{ key }]) =>
    ask(`api/studies/${key}/${action}`, {
      method: 'POST',
      headers: {
        origin: origin(),
        authorization: 'Bearer the-token',
        'content-type': 'application/json',
        ...headers,
      },
      body: JSON.stringify(body),
    }),
  );
const entries = async (): Promise<[StudyEntry, ...StudyEntry[]]> =>
  JSON.parse((await ask('api/studies')).text).studies;
const whole = async (key: string): Promise<PageStudy> => JSON.parse((await ask(`api/studies/${key}`)).text);

/** Messages of the event stream until `enough` says so. */
function events(query: string, enough: (messages: Message[]) => boolean): Promise<Message[]> {
  return new Promise((resolve, reject) => {
    const messages: Message[] = [];
    let rest = '';
    const sent = request(new URL(`api/events${query}`, dashboard.url), (response) => {
      response.on('data', (chunk) => {
        const parts = (rest + chunk).split('\n\n');
        rest = parts.pop()!;
        for (const part of parts) messages.push(JSON.parse(part.replace(/^data: /, '')));
        if (!enough(messages)) return;
        sent.destroy();
        resolve(messages);
      });
      response.on('close', () => reject(new Error('The stream ended before that')));
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('who is answered', () => {
  test('requests to a local name or address, and to no other name', async () => {
    const { port } = new URL(dashboard.url);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`])
      expect((await ask('', { headers: { host } })).status).toBe(200);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      '192.168.0.1',
      'a b',
    ])
      for (const path of ['', 'api/studies', 'api/events', 'page.js'])
        expect([400, 403]).toContain((await ask(path, { headers: { host } })).status);
  });

  test('no request that a browser marks as another site or origin', async () => {
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:1' },
    ])
      expect((await ask('api/studies', { headers })).status).toBe(403);
    expect((await ask('', { headers: { 'sec-fetch-site': 'none' } })).status).toBe(200); // typed into the address bar
    expect((await ask('api/studies', { headers: { 'sec-fetch-site': 'same-origin' } })).status).toBe(200);
  });

  test('with a policy under which only its own files run, and no permission for other sites', async () => {
    const { headers } = await ask('');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  test("with another address to listen on, requests to this machine's name, in any case of letters", () => {
    const refusal = (host: string) => {
      const c = { req: { method: 'GET', header: (name: string) => (name === 'host' ? host : undefined) } };
      return refusalOf(c as never, '0.0.0.0', 'WorkStation.local');
    };
    for (const host of ['workstation.local:6006', 'WorkStation.local:6006', '192.168.0.1'])
      expect(refusal(host)).toBeNull();
    expect(refusal('workstation.local.evil.example')).toContain('evil.example');
  });

  test('many readers at once, without a warning of a leak', async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
    const child = spawn(process.execPath, [main, 'dashboard', '--port', '0', folder], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const closed = once(child, 'close');
    let said = '';
    const url = await new Promise<string>((resolve) =>
      child.stderr.on('data', (chunk) => {
        const [, found] = /Dashboard: (http:\S+?)#/.exec((said += chunk)) ?? [];
        if (found) resolve(found);
      }),
    );
    for (let i = 0; i < 12; i++) {
      const { body } = await fetch(new URL('api/events', url));
      await body!.getReader().read(); // and stays
    }
    child.kill('SIGINT');
    await closed;
    expect(said).not.toContain('Warning');
  });

  test('on loopback only, unless told otherwise', () => {
    expect(dashboard.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  });
});

describe('actions', () => {
  test('need the token and this page as their origin', async () => {
    for (const headers of [
      { authorization: undefined },
      { authorization: 'Bearer another' },
      { authorization: 'Basic dGhlLXRva2Vu' },
      { authorization: 'the-token' },
      { origin: undefined },
      { origin: 'http://evil.example' },
    ])
      for (const action of ['enqueue', 'stop', 'resume']) {
        const given = Object.fromEntries(
          Object.entries({ origin: origin(), authorization: 'Bearer the-token', ...headers }).filter(
            ([, value]) => value !== undefined,
          ),
        );
        const [{ key }] = await entries();
        const path = `api/studies/${key}/${action}`;
        const { status } = await ask(path, { method: 'POST', headers: given, body: '{"params":{}}' });
        expect([400, 401, 403]).toContain(status);
      }
    const [study] = readJournal(journal);
    expect(study!.trials).toHaveLength(6);
    expect(study!.systemAttrs['tinygpt:stop']).toBeUndefined();
    expect(resumed).toEqual([]);
  });

  test('enqueue a configuration within the space, defaults where it is silent', async () => {
    expect(await act('enqueue', { params: { lr: 0.5 } })).toMatchObject({ status: 200 });
    expect(readJournal(journal)[0]!.trials[6]).toMatchObject({
      state: 'waiting',
      systemAttrs: { fixed_params: { lr: 0.5, kind: 'a' } },
    });
    for (const params of [
      { lr: 5 },
      { lr: '0.5' },
      { other: 1 },
      { kind: 'c' },
      null,
      [1],
      JSON.parse('{"__proto__": 1}'),
    ]) {
      const { status, text } = await act('enqueue', { params });
      expect([JSON.stringify(params), status]).toEqual([JSON.stringify(params), 400]);
      expect(JSON.parse(text).message).toMatch(/xpected|arameter/);
    }
    expect(readJournal(journal)[0]!.trials).toHaveLength(7);
  });

  test('stop after the running trial, and withdraw that while it runs', async () => {
    const study = openStudy(journal);
    const seen: number[] = [];
    const outcome = await study.optimize(
      async ({ number, params }) => {
        seen.push(number);
        if (seen.length === 2) await act('stop');
        if (seen.length === 2) await act('resume');
        if (seen.length === 4) await act('stop');
        return params.lr;
      },
      { trials: 60 },
    );
    expect(outcome).toMatchObject({ stopped: 'asked', trials: 4 });
    expect(resumed).toEqual([]);
    // A request that came before a run is not for it.
    expect(await study.optimize(({ params }) => params.lr, { trials: 12 })).toMatchObject({
      stopped: 'trials',
    });
  });

  test('resume runs the command again where nothing runs', async () => {
    expect(JSON.parse((await act('resume')).text)).toEqual({ message: 'Resumed' });
    expect(resumed).toEqual([journal]);
  });

  test('are refused where they are unknown, too long or not JSON', async () => {
    expect((await act('delete')).status).toBe(404);
    expect((await act('enqueue', { params: { kind: 'x'.repeat(100_000) } })).status).toBe(413);
    const [{ key }] = await entries();
    const headers = { origin: origin(), authorization: 'Bearer the-token' };
    expect((await ask(`api/studies/${key}/stop`, { method: 'POST', headers, body: 'no' })).status).toBe(400);
    expect((await ask('api/studies/none/stop', { method: 'POST', headers, body: '{}' })).status).toBe(404);
  });
});

describe('what it shows', () => {
  test('how a study ended, though the server closes right after', async () => {
    const study = openStudy(journal);
    const trial = study.ask();
    const last = (all: Message[]) => all.findLast((message) => message.kind === 'live')?.live;
    let ended = false;
    const messages = await events('', (all) => {
      if (!ended && last(all)?.running.length === 1) {
        ended = true;
        study.tell(trial, 0.25);
        void dashboard.close();
      }
      return ended && last(all)?.running.length === 0;
    });
    const update = messages.find((message) => message.kind === 'update')!;
    expect(update.rows.map(([number, [, value]]) => [number, value])).toEqual([[trial.number, 0.25]]);
  });

  test('every journal and folder of runs, and why one cannot be read', async () => {
    runTrials(openStudy(join(folder, 'elsewhere', 'optuna.log'), 'second'), 2);
    writeFileSync(join(folder, 'elsewhere', 'broken.log'), '{"op_code":99}\n');
    writeFileSync(join(folder, 'elsewhere', 'other.log'), 'not a journal\n');
    const run = join(folder, 'runs', '20261123-152101');
    mkdirSync(run, { recursive: true });
    writeFileSync(join(run, 'run.json'), JSON.stringify({ version: 1, preset: 'cpu', config: { depth: 4 } }));
    writeFileSync(join(run, 'metrics.jsonl'), '{"kind":"step","step":0,"progress":0.5,"smoothLoss":3}\n');
    writeFileSync(join(run, 'summary.json'), JSON.stringify({ val_bpb: 1.5 }));
    const again = await startDashboard({ places: [folder], port: 0 });
    const found: StudyEntry[] = JSON.parse(
      await (await fetch(new URL('api/studies', again.url))).text(),
    ).studies;
    await again.close();
    expect(
      found
        .map(({ name, trials }) => [name, trials])
        .slice(0, 3)
        .sort(),
    ).toEqual([
      ['first', 6],
      ['runs', 1],
      ['second', 2],
    ]);
    expect(found.find(({ name }) => name === 'runs')).toMatchObject({ best: 1.5, actions: false });
    expect(found.find(({ name }) => name === 'first')).toMatchObject({ actions: true });
    const broken = found.filter(({ error }) => error);
    expect(broken).toHaveLength(1);
    expect(broken[0]!.error).toContain('broken.log:1');
  });

  test('the other studies of a folder where one cannot be looked into', async () => {
    // Permission is denied to nobody who runs tests as root; a link to itself fails in the same place.
    mkdirSync(join(folder, 'lost+found'));
    symlinkSync('run.json', join(folder, 'lost+found', 'run.json'));
    const again = await startDashboard({ places: [folder], port: 0 });
    const { studies } = (await (await fetch(new URL('api/studies', again.url))).json()) as {
      studies: StudyEntry[];
    };
    await again.close();
    expect(studies.map(({ name }) => name)).toEqual(['first']);
  });

  test('the study that was asked for, whole at first, then only what changes', async () => {
    const [{ key }] = await entries();
    let ran = false;
    const messages = await events(`?study=${key}`, (all) => {
      if (!ran) runTrials(openStudy(journal), 1);
      ran = true;
      return all.some(({ kind }) => kind === 'update');
    });
    const first = messages[0]!;
    if (first.kind !== 'study') throw new Error(`Expected the study first, got ${first.kind}`);
    const update = messages.find((message) => message.kind === 'update')!;
    const rows = [...first.rows];
    for (const [number, row] of update.rows) rows[number] = row;
    expect(update.rows.length).toBeLessThanOrEqual(2);
    const shown = rows.map((row, i) => trialOf(row, i, first.head.space));
    const expected = readJournal(journal)[0]!.trials;
    expect(shown.map(({ state, value, params }) => ({ state, value, params }))).toEqual(
      expected.slice(0, shown.length).map(({ state, value, params }) => ({ state, value, params })),
    );
    expect(messages.some(({ kind }) => kind === 'list')).toBe(true);
    expect(messages.some(({ kind }) => kind === 'live')).toBe(true);
  });

  test('steps of running trials, and the limits of the run', async () => {
    const study = openStudy(journal);
    const trial = study.ask();
    const steps = [
      { kind: 'run', trials: 20, seconds: null, started: 1000 },
      { kind: 'step', trial: trial.number, progress: 0.1, step: 1, loss: 3, tokensPerSecond: 500 },
      { kind: 'step', trial: trial.number, progress: 0.2, step: 2, loss: 2.5, trainingSeconds: 3 },
    ].map((line) => JSON.stringify(line));
    appendFileSync(join(journal, '..', 'steps.jsonl'), `${steps.join('\n')}\nnull\n{"kind":"step"}\n{"kind`);
    const messages = await events('', (all) => all.some(({ kind }) => kind === 'live'));
    const live = messages.find((message) => message.kind === 'live')!.live;
    expect(live.limits).toEqual({ trials: 20, seconds: null, started: 1000 });
    expect(live.running).toMatchObject([
      {
        trial: trial.number,
        progress: 0.2,
        loss: 2.5,
        curve: [
          [0.1, 3],
          [0.2, 2.5],
        ],
        secondsLeft: expect.closeTo(12),
        lost: false,
      },
    ]);
    study.tell(trial, 1);
    const [{ key }] = await entries();
    const { head, rows } = await whole(key);
    expect(trialOf(rows[trial.number]!, trial.number, head.space).loss).toHaveLength(2);
  });

  test('steps that are recorded elsewhere, for the study that they are of', async () => {
    const shared = join(folder, 'shared.log');
    const trials = ['day', 'night'].map((name) => openStudy(shared, name).ask().number);
    expect(trials).toEqual([0, 0]);
    const steps = join(folder, 'machine');
    const apart = await startDashboard({
      places: [shared],
      port: 0,
      steps: { study: 'night', folder: steps },
    });
    try {
      mkdirSync(steps); // begun after the dashboard
      const step = { kind: 'step', trial: 0, progress: 0.5, step: 1, loss: 3, trainingSeconds: 4 };
      writeFileSync(join(steps, 'steps.jsonl'), `${JSON.stringify(step)}\n`);
      const get = async (path: string) => JSON.parse(await (await fetch(new URL(path, apart.url))).text());
      const { studies }: { studies: StudyEntry[] } = await get('api/studies');
      const losses: unknown[] = [];
      for (const name of ['day', 'night']) {
        const { key } = studies.find((entry) => entry.name === name)!;
        const { head, rows }: PageStudy = await get(`api/studies/${key}`);
        losses.push(trialOf(rows[0]!, 0, head.space).loss);
      }
      expect(losses).toEqual([[], [[0.5, 3]]]);
    } finally {
      await apart.close();
    }
  });

  test('searches before confirmation runs, though these changed last', async () => {
    const userAttrs = { confirms: 'first' };
    const again = createStudy({
      ...{ name: 'again', space: { seed: int(0, 9) }, sampler: randomSampler() },
      ...{ storage: journal, userAttrs },
    });
    again.tell(again.ask(), 1);
    const other = await startDashboard({ places: [journal], port: 0 });
    const answer = await fetch(new URL('api/studies', other.url));
    const list = (await answer.json()) as { studies: StudyEntry[] };
    await other.close();
    expect(list.studies.map(({ name }) => name)).toEqual(['first', 'again']);
  });

  test('the steps of confirmation runs, not those of the search whose journal they share', () => {
    const space = { trial: int(-1, 9), seed: int(0, 9) };
    const userAttrs = { confirms: 'first' };
    createStudy({ name: 'again', space, sampler: randomSampler(), storage: journal, userAttrs }).ask();
    const step = (loss: number) => JSON.stringify({ kind: 'step', trial: 0, progress: 0.5, step: 1, loss });
    const beside = join(journal, '..');
    mkdirSync(join(beside, 'confirmation'));
    writeFileSync(join(beside, 'steps.jsonl'), `${step(3)}\n`);
    writeFileSync(join(beside, 'confirmation', 'steps.jsonl'), `${step(2)}\n`);
    const library = openLibrary([journal]);
    const losses = library.studies.map(({ log, steps }) => [log.name, steps.losses.get(0)]);
    library.close();
    expect(losses).toEqual([
      ['first', [[0.5, 3]]],
      ['again', [[0.5, 2]]],
    ]);
  });

  test('a journal that is removed or replaced is listed so, and read again when it is back', async () => {
    const [{ key }] = await entries();
    rmSync(journal);
    expect((await ask(`api/studies/${key}`)).status).toBe(404);
    runTrials(openStudy(journal), 2);
    const messages = await events('', (all) => all.some((m) => m.kind === 'study' && m.rows.length === 2));
    expect(messages.at(-1)).toMatchObject({ kind: 'study', key });
  });

  test('a study that cannot be read is named with its reason, no other shown in its place, and sent whole when it is back', async () => {
    runTrials(openStudy(join(folder, 'other.log'), 'second'), 1);
    const [{ key }] = (await entries()).filter(({ name }) => name === 'first') as [StudyEntry];
    const before = readFileSync(journal, 'utf8');
    const steps = [
      () => appendFileSync(journal, '{"op_code":99}\n'),
      () => {
        writeFileSync(journal, before);
        runTrials(openStudy(journal), 2);
      },
    ];
    const errorOf = (message: Message) =>
      message.kind === 'list' ? message.studies.find((entry) => entry.key === key)?.error : undefined;
    const messages = await events(`?study=${key}`, (all) => {
      if (steps.length === 2 || (steps.length === 1 && all.some(errorOf))) steps.shift()!();
      return all.filter(({ kind }) => kind === 'study').length === 2;
    });
    expect(messages.map(errorOf).find(Boolean)).toContain('journal.log:');
    expect(messages.filter(({ kind }) => kind === 'study')).toMatchObject([
      { key, rows: { length: 6 } },
      { key, rows: { length: 8 } },
    ]);
  });

  test('what is new, though the clock was put back', async () => {
    let clock: { mockRestore(): void } | null = null;
    try {
      const messages = await events('', (all) => {
        if (!clock) {
          clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 3_600_000);
          runTrials(openStudy(journal), 1);
        }
        return all.some(({ kind }) => kind === 'update');
      });
      expect(messages.some(({ kind }) => kind === 'update')).toBe(true);
    } finally {
      (clock as { mockRestore(): void } | null)?.mockRestore();
    }
  });

  test('runs with the curve of each, though a new one comes first, and one that was resumed as running', () => {
    const runs = join(folder, 'runs');
    const step = (number: number, loss: number) =>
      `${JSON.stringify({ kind: 'step', step: number, progress: number / 10, smoothLoss: loss })}\n`;
    const begin = (name: string, loss: number) => {
      mkdirSync(join(runs, name), { recursive: true });
      writeFileSync(join(runs, name, 'run.json'), JSON.stringify({ version: 1, config: { depth: loss } }));
      writeFileSync(join(runs, name, 'metrics.jsonl'), step(1, loss));
    };
    begin('b', 2);
    const study = openRuns(runs);
    expect(study.steps.losses.get(0)).toEqual([[0.1, 2]]);
    begin('a', 1);
    study.refresh();
    expect([0, 1].map((number) => study.steps.losses.get(number))).toEqual([[[0.1, 1]], [[0.1, 2]]]);
    const stateOf = (number: number) => study.log.trials[number]!.state;
    writeFileSync(join(runs, 'b', 'summary.json'), JSON.stringify({ val_bpb: null, num_steps: 2 }));
    study.refresh();
    expect([stateOf(0), stateOf(1)]).toEqual(['running', 'fail']);
    expect(study.log.trials[1]!.userAttrs.fail_message).toBe(
      `resume with: npx tinygpt train --resume ${join(runs, 'b')}`,
    );
    appendFileSync(join(runs, 'b', 'metrics.jsonl'), step(2, 1.5));
    study.refresh();
    expect(stateOf(1)).toBe('running');
    expect(study.steps.last.get(1)).toMatchObject({ trial: 1, step: 2 });
  });
});
