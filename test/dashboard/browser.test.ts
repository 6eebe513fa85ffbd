// The page in a real browser: Debian's Chromium driven by playwright-core. Skipped by name where there is none.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { type Dashboard, startDashboard } from '../../src/dashboard/server.js';
import { reportHtml } from '../../src/report/index.js';
import { improvements } from '../../src/tune/best.js';
import { formatEntry } from '../../src/tune/journal/lines.js';
import {
  createStudyEntry,
  createTrialEntry,
  finishEntry,
  studyAttrEntry,
} from '../../src/tune/journal/records.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { openStudy, runTrials, SPACE } from './studies.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const inBrowser = existsSync(CHROMIUM) ? test : test.skip;

let browser: Browser;
let context: BrowserContext;
let folder: string;
let journal: string;
const open: Dashboard[] = [];
/** What a page must not do. */
let wrong: string[] = [];

beforeAll(async () => {
  if (existsSync(CHROMIUM))
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-page-'));
  journal = join(folder, 'journal.log');
  wrong = [];
  context = await browser?.newContext({ viewport: { width: 1280, height: 900 }, permissions: [] });
});
afterEach(async () => {
  // No test may cause an error, run a script of a journal or leave this machine.
  expect(wrong).toEqual([]);
  await context?.close();
  for (const dashboard of open.splice(0)) await dashboard.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(port = 0): Promise<Dashboard> {
  const dashboard = await startDashboard({ places: [folder], port, token: 'the-token' });
  open.push(dashboard);
  return dashboard;
}

async function newPage(url: string): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('dialog', (dialog) => {
    wrong.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) wrong.push(message.text());
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (!['data:', 'file:'].includes(protocol) && hostname !== '127.0.0.1')
      wrong.push(`request ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

const trialCount = (page: Page, count: number) =>
  page
    .locator('.figures .figure:nth-child(2) b', { hasText: new RegExp(`^${count.toLocaleString('en-US')}$`) })
    .waitFor();

inBrowser('a study is watched from its first trial to its last, without a reload', async () => {
  const study = openStudy(journal);
  const page = await newPage((await serve()).url);
  await page.getByText('Nothing to show yet').or(page.locator('#history')).first().waitFor();
  runTrials(study, 1);
  await trialCount(page, 1);
  await page.evaluate("document.body.dataset.loaded = 'once'");
  const running = study.ask();
  const steps = [
    { kind: 'run', trials: 8, seconds: null, started: Date.now() },
    ...[0.1, 0.2, 0.3, 0.4].map((progress, step) => ({
      ...{ kind: 'step', trial: running.number, time: Date.now(), step, progress, loss: 3 - progress },
      ...{ tokensPerSecond: 12_345, memoryBytes: 5e8, trainingSeconds: 1 },
    })),
  ];
  appendFileSync(join(folder, 'steps.jsonl'), steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
  const card = page.locator('.run', { hasText: `Trial ${running.number}` });
  await card.getByText('12,345 tok/s').waitFor();
  expect(await card.textContent()).toContain('40%');
  expect(await card.getByRole('img').getAttribute('aria-label')).toContain('Training loss from');
  study.tell(running, 1.5);
  runTrials(study, 6);
  await trialCount(page, 8);
  const best = study.best()!;
  await page
    .getByRole('button', { name: `trial ${best.number}`, exact: true })
    .first()
    .click();
  await page.getByRole('heading', { name: `Trial ${best.number}` }).waitFor();
  expect(await page.locator('dialog .facts').textContent()).toContain(best.value.toFixed(6));
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
  const opener = page.getByRole('button', { name: 'Open trial 3', exact: true });
  await opener.press('Enter');
  await page.getByRole('button', { name: 'Close' }).click();
  await page.locator('dialog').waitFor({ state: 'detached' });
  expect(await opener.evaluate((button) => button.matches(':focus'))).toBe(true);
  expect(await page.locator('#failures').textContent()).toContain('loss is NaN');
  expect(await page.evaluate('document.body.dataset.loaded')).toBe('once');
});

inBrowser(
  'tinygpt tune --dashboard shows each of its 3-second trials, from the first to the last',
  async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
    const words = [
      'tune',
      '--trials',
      '3',
      '--trial-seconds',
      '3',
      '--sampler',
      'random',
      '--dashboard',
      '0',
    ];
    const child = spawn(process.execPath, [main, ...words, '--out', join(folder, 'study')]);
    const ended = once(child, 'exit');
    try {
      let said = '';
      child.stdout.on('data', (chunk) => (said += chunk));
      const url = await new Promise<string>((resolve, reject) => {
        child.stderr.on('data', (chunk) => {
          const [, link] = /Dashboard: (http:\S+)\n/.exec((said += chunk)) ?? [];
          if (link) resolve(link);
        });
        void ended.then(() => reject(new Error(said)));
      });
      const page = await newPage(url);
      // All that the page shows on the way, each once.
      await page.evaluate(`
      window.seen = [];
      const note = (text) => text && !seen.includes(text) && seen.push(text);
      new MutationObserver(() => {
        note(/\\d+ complete/.exec(document.querySelector('.figure:nth-child(2) p')?.textContent)?.[0]);
        for (const card of document.querySelectorAll('.run'))
          if (/loss \\d.* tok\\/s/.test(card.textContent)) note(card.querySelector('button').textContent);
      }).observe(document.body, { childList: true, subtree: true, characterData: true });`);
      expect([await ended, said]).toEqual([[0, null], expect.stringContaining('3 trials: 3 complete')]);
      const seen = ['Trial 0', '1 complete', 'Trial 1', '2 complete', 'Trial 2', '3 complete'];
      await page.getByText('The dashboard does not answer').waitFor();
      expect(await page.evaluate('seen')).toEqual(seen);
      expect(await page.locator('.run').count()).toBe(0); // none that still seems to run
      const [study] = readJournal(join(folder, 'study', 'journal.log'));
      const best = Math.min(...study!.trials.map(({ value }) => value!));
      expect(await page.locator('.figure.best b').textContent()).toBe(best.toFixed(6));
    } finally {
      child.kill('SIGKILL');
    }
  },
);

inBrowser('actions work with the token from the link, and fail without', async () => {
  runTrials(openStudy(journal), 3);
  const { url } = await serve();
  const without = await newPage(url);
  await without.getByText('Actions').click();
  await without.getByRole('button', { name: 'Enqueue…' }).click();
  await without.getByRole('button', { name: 'Enqueue', exact: true }).click();
  await without.getByText('Actions need the token').waitFor();
  await without.getByLabel('Token').first().fill('wrong');
  await without.getByRole('button', { name: 'Enqueue', exact: true }).click();
  await without.getByText('not the token').waitFor();
  expect(readJournal(journal)[0]!.trials).toHaveLength(3);

  const page = await newPage(`${url}#token=the-token`);
  await trialCount(page, 3);
  expect(page.url()).not.toContain('the-token'); // nor is it left in the history
  await page.getByText('Actions').click();
  await page.getByRole('button', { name: 'Enqueue…' }).click();
  await page.getByLabel('lr').fill('0.25');
  await page.getByLabel('kind').selectOption('"b"');
  await page.getByRole('button', { name: 'Enqueue', exact: true }).click();
  await page.getByText('Enqueued as trial 3').waitFor();
  await trialCount(page, 4);
  expect(readJournal(journal)[0]!.trials[3]!.systemAttrs.fixed_params).toEqual({ lr: 0.25, kind: 'b' });
  const running = openStudy(journal).ask();
  await page.getByRole('button', { name: 'Stop after the running trial' }).click();
  await page.getByText('Stopping…').waitFor();
  expect(readJournal(journal)[0]!.systemAttrs['tinygpt:stop']).toMatchObject({ asked: true });
  openStudy(journal).tell(running, 1);
});

inBrowser('nothing moves when a chart comes into view and is drawn', async () => {
  runTrials(openStudy(journal), 12);
  const page = await newPage((await serve()).url);
  await trialCount(page, 12);
  const tops = () =>
    page.evaluate("[...document.querySelectorAll('.panel')].map((panel) => panel.offsetTop)");
  const before = await tops();
  expect(await page.locator('#timeline canvas').count()).toBe(0);
  for (const id of ['slices', 'parallel', 'timeline', 'trials']) {
    await page.locator(`#${id}`).scrollIntoViewIfNeeded();
    if (id !== 'trials') await page.locator(`#${id} canvas`).first().waitFor();
  }
  expect(await tops()).toEqual(before);
});

inBrowser('the token is asked for in one place, which stays while it is typed', async () => {
  const study = openStudy(journal);
  runTrials(study, 3);
  const page = await newPage((await serve()).url);
  await page.getByText('Actions').click();
  await page.getByRole('button', { name: 'Enqueue…' }).click();
  expect(await page.getByLabel('Token').count()).toBe(1);
  await page.getByText('Actions').click();
  await page.getByRole('button', { name: 'Open trial 1', exact: true }).click();
  await page.getByRole('button', { name: 'Enqueue a variant…' }).click();
  const field = page.locator('dialog').getByLabel('Token');
  await field.fill('the-');
  runTrials(study, 1);
  await trialCount(page, 4);
  await field.press('End');
  await field.pressSequentially('token');
  await page.locator('dialog').getByRole('button', { name: 'Enqueue', exact: true }).click();
  await page.getByText('Enqueued as trial 4').waitFor();
});

inBrowser(
  'of several studies the one that is shown is the heading, and stays when its journal is gone',
  async () => {
    const other = join(folder, 'other.log');
    runTrials(openStudy(journal, 'first'), 3);
    runTrials(openStudy(other, 'second'), 4);
    const page = await newPage((await serve()).url);
    await page.getByRole('heading', { level: 1, name: 'second' }).waitFor();
    await page.getByLabel('Study', { exact: true }).selectOption({ index: 1 });
    await page.getByRole('heading', { level: 1, name: 'first' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'first' }).waitFor();
    rmSync(journal);
    await page.getByText('This study cannot be read now').waitFor();
    await page.getByRole('heading', { level: 1, name: 'first' }).waitFor();
    await trialCount(page, 3);
    runTrials(openStudy(journal, 'first'), 2);
    await trialCount(page, 2);
    await page.getByText('This study cannot be read now').waitFor({ state: 'detached' });
  },
);

inBrowser('names, values and messages of a hostile journal are shown as text and run nothing', async () => {
  const attack = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}</script>';
  const distribution = { kind: 'categorical' as const, choices: [attack, 'b'] };
  const params = { [attack]: attack, ['__proto__']: 0.5, constructor: 0.5 };
  const unit = { kind: 'float' as const, low: 0, high: 1, log: false, step: null };
  const space = { [attack]: distribution, ['__proto__']: unit, constructor: unit };
  const entries = [createStudyEntry(attack, 'minimize')];
  for (let i = 0; i < 12; i++) {
    const userAttrs = { fail_reason: attack, fail_message: attack, [attack]: attack };
    const systemAttrs = { 'tinygpt:worker': { pid: attack, host: attack } };
    entries.push(
      createTrialEntry(0, space, { state: 'running', params, start: 1e12, userAttrs, systemAttrs }),
    );
    entries.push(
      finishEntry(i, i % 3 === 2 ? 'fail' : 'complete', i % 3 === 2 ? null : [1 / (i + 1)], {
        start: 1e12,
        end: 1e12 + 1,
      }),
    );
  }
  writeFileSync(journal, entries.map((entry) => `${formatEntry(entry, attack)}\n`).join(''));
  const reportPath = join(folder, 'report.html');
  const [log] = readJournal(journal);
  writeFileSync(reportPath, reportHtml({ ...log!, direction: 'minimize' }));
  for (const url of [(await serve()).url, pathToFileURL(reportPath).href]) {
    const page = await newPage(url);
    await trialCount(page, 12);
    expect(await page.locator('h1').textContent()).toBe(attack);
    for (const id of ['slices', 'parallel', 'timeline', 'failures', 'compare', 'trials'])
      await page.locator(`#${id}`).scrollIntoViewIfNeeded();
    await page.locator('#failures').getByRole('button', { name: '11' }).click();
    expect(await page.locator('dialog .message').textContent()).toBe(attack);
    await page.keyboard.press('Escape');
    await page.getByText('Best configuration').click();
    for (const form of ['JSON', 'TypeScript', 'Command line'])
      await page.locator('.configuration').getByRole('button', { name: form }).click();
    const history = page.locator('#history .drawing');
    await history.scrollIntoViewIfNeeded();
    const box = (await history.boundingBox())!;
    for (let x = 60; x < box.width; x += 20) await page.mouse.move(box.x + x, box.y + box.height / 2);
    expect(await page.locator('img, script:not([src]):not([type])').count()).toBe(
      url.startsWith('file') ? 1 : 0,
    );
  }
});

inBrowser('every GPU of the machine is shown, and their mean use', async () => {
  runTrials(openStudy(journal), 1);
  const script = `#!/bin/sh
echo '0, NVIDIA L4, 30, 2000, 23034, 70.4'
echo '1, NVIDIA H100, 90, 40000, 81559, [N/A]'
while [ -d '${folder}' ]; do sleep 0.1; done
`;
  writeFileSync(join(folder, 'nvidia-smi'), script, { mode: 0o755 });
  const { PATH } = process.env;
  process.env.PATH = [folder, PATH].join(delimiter);
  try {
    const page = await newPage((await serve()).url);
    const figure = page.locator('.figure', { hasText: '2 GPUs, mean' });
    await figure.waitFor();
    expect(await figure.locator('b').textContent()).toBe('60%');
    const lines = await figure.locator('p').allTextContents();
    expect(lines).toEqual([
      '0: 30% · 2.10 GB of 24.2 GB · 70 W',
      '1: 90% · 41.9 GB of 85.5 GB',
      expect.stringMatching(/^CPU \d+%$/),
    ]);
    expect(await figure.locator('p').nth(1).getAttribute('title')).toBe('NVIDIA H100');
  } finally {
    process.env.PATH = PATH;
  }
});

inBrowser('the page connects again after the server restarts, with what happened meanwhile', async () => {
  const study = openStudy(journal);
  runTrials(study, 3);
  const first = await serve();
  const page = await newPage(first.url);
  await trialCount(page, 3);
  await first.close();
  await page.getByText('The dashboard does not answer').waitFor();
  runTrials(study, 2);
  await serve(Number(new URL(first.url).port));
  await trialCount(page, 5);
  await page.getByText('The dashboard does not answer').waitFor({ state: 'detached' });
});

inBrowser(
  'more tabs than a browser has connections work: those that are not seen leave theirs to others',
  async () => {
    const study = openStudy(journal);
    runTrials(study, 3);
    const { url } = await serve();
    const turn = (page: Page, hidden: boolean) =>
      page.evaluate(`
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} });
      document.dispatchEvent(new Event('visibilitychange'));`);
    const pages: Page[] = [];
    for (let i = 0; i < 8; i++) {
      const page = await newPage(url);
      await trialCount(page, 3);
      await turn(page, true);
      pages.push(page);
    }
    runTrials(study, 2);
    await turn(pages[0]!, false);
    await trialCount(pages[0]!, 5);
  },
);

inBrowser('an address names a trial, and opens it', async () => {
  runTrials(openStudy(journal), 12);
  const [log] = readJournal(journal);
  const path = join(folder, 'report.html');
  writeFileSync(path, reportHtml({ ...log!, direction: 'minimize' }));
  const page = await newPage(`${pathToFileURL(path).href}#trial=7`);
  await page.getByRole('heading', { name: 'Trial 7' }).waitFor();
  await page.getByRole('button', { name: 'Next trial' }).click();
  await page.getByRole('heading', { name: 'Trial 8' }).waitFor();
  await page.waitForURL(/#trial=8$/);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('heading', { name: 'Trial 8' }).waitFor({ state: 'detached' });
  await page.waitForURL((url) => url.hash === '');
  await page.evaluate("location.hash = 'trial=3'");
  await page.getByRole('heading', { name: 'Trial 3' }).waitFor();
});

inBrowser(
  'charts are drawn again when as many other trials have taken the place of those before',
  async () => {
    const other = join(folder, 'journal.new');
    for (const [path, best] of [
      [journal, 1],
      [other, 2],
    ] as const) {
      const study = openStudy(path);
      for (let i = 0; i < 6; i++) study.tell(study.ask(), best + (i * best) ** 2);
      study.close();
    }
    const page = await newPage((await serve()).url);
    await trialCount(page, 6);
    const drawn = page.locator('#slices canvas').first();
    await drawn.scrollIntoViewIfNeeded();
    const pixels = () =>
      drawn.evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    const before = await pixels();
    renameSync(other, journal);
    await page.locator('.figure.best b', { hasText: '2.000000' }).waitFor();
    while ((await pixels()) === before) await page.waitForTimeout(50);
  },
);

inBrowser('charts are as sharp as the screen after the page is enlarged', async () => {
  runTrials(openStudy(journal), 6);
  const page = await newPage((await serve()).url);
  const drawn = page.locator('#history canvas').first();
  await drawn.waitFor();
  const zoom = await context.newCDPSession(page);
  const metrics = { width: 640, height: 450, deviceScaleFactor: 2, mobile: false };
  await zoom.send('Emulation.setDeviceMetricsOverride', metrics);
  const pixels = () =>
    page.evaluate(`(() => {
      const { width, clientWidth } = document.querySelector('#history canvas');
      return width / clientWidth;
    })()`);
  while ((await pixels()) !== 2) await page.waitForTimeout(50);
});

inBrowser("an address' trial is not opened in another study than it names", async () => {
  runTrials(openStudy(journal, 'first'), 3);
  runTrials(openStudy(join(folder, 'other.log'), 'second'), 12);
  const { url } = await serve();
  const { studies } = (await (await fetch(new URL('api/studies', url))).json()) as {
    studies: { key: string; name: string }[];
  };
  const first = studies.find(({ name }) => name === 'first')!.key;
  const page = await newPage(`${url}#study=${first}&trial=7`);
  await page.getByRole('heading', { level: 1, name: 'first' }).waitFor();
  await page.getByLabel('Study', { exact: true }).selectOption({ index: 0 });
  await trialCount(page, 12);
  expect(await page.locator('dialog').count()).toBe(0);
  const gone = await newPage(`${url}#study=0123456789abcdef&trial=7`);
  await trialCount(gone, 12);
  expect(await gone.locator('dialog').count()).toBe(0);
  const there = await newPage(`${url}#study=${first}&trial=2`);
  await there.getByRole('heading', { name: 'Trial 2' }).waitFor();
});

inBrowser('a saved report works from disk, with its tables, in both schemes and at 390 pixels', async () => {
  runTrials(openStudy(journal), 30);
  const [log] = readJournal(journal);
  const path = join(folder, 'report.html');
  writeFileSync(path, reportHtml({ ...log!, direction: 'minimize' }));
  await context.setOffline(true);
  const page = await newPage(pathToFileURL(path).href);
  await trialCount(page, 30);
  const surface = () => page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor");
  const light = await surface();
  await page.getByRole('button', { name: 'Switch between light and dark' }).click();
  expect(await surface()).not.toBe(light);
  await page.setViewportSize({ width: 390, height: 800 });
  for (const id of ['history', 'slices', 'parallel', 'curves', 'timeline', 'trials'])
    await page.locator(`#${id}`).scrollIntoViewIfNeeded();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
  const steps = improvements(log!.trials, 'minimize').length;
  for (const [id, rows] of Object.entries({ history: steps, slices: 24, parallel: 24, timeline: 30 })) {
    await page.locator(`#${id}`).getByText('As a table').click();
    await page.locator(`#${id} tbody tr`).first().waitFor();
    expect([id, await page.locator(`#${id} tbody tr`).count()]).toEqual([id, rows]);
  }
  // Every drawing has its table.
  for (const panel of await page.locator('.panel:has(.drawing)').all())
    expect([await panel.getAttribute('id'), await panel.locator('.alternative').count()]).toEqual([
      expect.any(String),
      1,
    ]);
  expect(await page.locator('#history').getByRole('img').first().getAttribute('aria-label')).toContain(
    'complete trials',
  );
  await page.locator('#trials').getByRole('button', { name: 'loss' }).click();
  const values = await page
    .locator('#trials tbody tr.complete td:nth-child(3), #trials tbody tr.best td:nth-child(3)')
    .allTextContents();
  expect(values.length).toBeGreaterThan(5);
  expect(values).toEqual([...values].sort((a, b) => Number(a) - Number(b)));
  await page.emulateMedia({ media: 'print' });
  expect(await page.locator('.menu, .scheme').first().isVisible()).toBe(false);
});

inBrowser("a study of two objectives shows both values; long names do not widen a phone's page", async () => {
  const long = 'validation_bits_per_byte_on_the_held_out_stories_of_the_evening';
  const entries = [
    createStudyEntry('two', 'minimize', 'maximize'),
    studyAttrEntry('system', 0, 'study:metric_names', [long, 'speed']),
    createStudyEntry(`another with a name as long as ${long}`, 'minimize'),
    studyAttrEntry('system', 1, 'study:metric_names', [long]),
  ];
  for (let i = 0; i < 4; i++) {
    const params = { lr: 0.01 * (i + 1), kind: 'a' };
    entries.push(createTrialEntry(0, SPACE, { state: 'running', params, start: 1e12 }));
    entries.push(finishEntry(i, 'complete', [4 - i, 10 + i], { start: 1e12, end: 1e12 + 1 }));
  }
  entries.push(
    createTrialEntry(1, SPACE, { state: 'running', params: { lr: 0.01, kind: 'a' }, start: 1e11 }),
  );
  entries.push(finishEntry(4, 'complete', [7], { start: 1e11, end: 1e11 + 1 }));
  writeFileSync(journal, entries.map((entry) => `${formatEntry(entry, 'w')}\n`).join(''));
  await context.close();
  context = await browser.newContext({ viewport: { width: 390, height: 800 } });
  const page = await newPage((await serve()).url);
  await trialCount(page, 4);
  expect(await page.locator('#trials tbody tr:not(.gap)').first().locator('td').allTextContents()).toEqual(
    expect.arrayContaining(['3', 'complete', '1.000000', '13.000000']),
  );
  expect(await page.locator('#compare .pick').textContent()).toContain('1.000000, 13.000000 in');
  for (const id of ['front', 'slices', 'parallel']) await page.locator(`#${id}`).scrollIntoViewIfNeeded();
  const width = () => page.evaluate('document.documentElement.scrollWidth');
  expect(await width()).toBeLessThanOrEqual(390);
  await page.getByRole('button', { name: 'two studies' }).click();
  await page.locator('#compare select').waitFor();
  expect(await width()).toBeLessThanOrEqual(390);
  await page.getByText('Actions').click();
  const menu = (await page.locator('.menu > div').boundingBox())!;
  expect(menu.x).toBeGreaterThanOrEqual(0);
  expect(menu.x + menu.width).toBeLessThanOrEqual(390);
  await page.getByText('Actions').click();
  await page.getByLabel('Study', { exact: true }).selectOption({ index: 1 });
  await trialCount(page, 1);
  expect((await page.locator('#trials thead').textContent())!).not.toContain('speed');
});

inBrowser('20,000 trials are shown, and change as one ends', async () => {
  const lines = [createStudyEntry('large', 'minimize')];
  for (let i = 0; i < 20_000; i++) {
    const lr = 10 ** (-4 * ((i * 0.618) % 1));
    const times = { start: 1e12 + 1000 * i, end: 1e12 + 1000 * i + 900 };
    lines.push(
      createTrialEntry(0, SPACE, {
        state: 'running',
        params: { lr, kind: i % 2 ? 'a' : 'b' },
        start: times.start,
      }),
    );
    lines.push(
      finishEntry(
        i,
        i % 20 === 19 ? 'fail' : 'complete',
        i % 20 === 19 ? null : [1 + Math.abs(Math.log10(lr) + 2) * ((i * 0.414) % 1)],
        times,
      ),
    );
  }
  writeFileSync(journal, lines.map((entry) => `${formatEntry(entry, 'w')}\n`).join(''));
  const page = await newPage((await serve()).url);
  await trialCount(page, 20_000);
  await page.locator('#history canvas').first().waitFor();
  const paints = await page.evaluate("performance.getEntriesByType('paint').map(({ name }) => name)");
  expect(paints).toContain('first-contentful-paint');
  // What is far below the view is drawn when it comes into it.
  expect(await page.locator('#parallel canvas, #timeline canvas').count()).toBe(0);
  await page.locator('#trials').scrollIntoViewIfNeeded();
  // The table holds what is in view, not 20,000 rows.
  expect(await page.locator('#trials tbody tr').count()).toBeLessThan(100);
  await page.locator('#trials .scroll').evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await page.getByRole('button', { name: 'Open trial 0', exact: true }).waitFor();
  await page.emulateMedia({ media: 'print' });
  expect(await page.evaluate('document.documentElement.scrollHeight')).toBeLessThan(20_000);
  await page.locator('#trials').getByText(' of 20,000 trials').waitFor();
  await page.emulateMedia({ media: 'screen' });
  const [trial, end] = [
    createTrialEntry(0, SPACE, { state: 'running', params: { lr: 0.01, kind: 'a' }, start: 1e12 }),
    finishEntry(20_000, 'complete', [0.5], { start: 1e12, end: 1e12 + 1 }),
  ];
  appendFileSync(journal, `${formatEntry(trial, 'w')}\n${formatEntry(end, 'w')}\n`);
  await trialCount(page, 20_001);
  expect(await page.locator('.figure.best b').textContent()).toBe('0.500000');
});

test('the page asks for nothing outside itself', () => {
  const page = readFileSync(new URL('../../src/report/page.js', import.meta.url), 'utf8');
  const urls = [...page.matchAll(/https?:\/\/[\w.-]+/g)].map(([url]) => url);
  // Names of XML, not addresses.
  expect([...new Set(urls)].filter((url) => url !== 'http://www.w3.org')).toEqual([]);
});
