import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ReportedStudy, reportHtml, summaryText, writeReport } from '../../src/report/index.js';
import { describeParam, escapeHtml, largestChanges } from '../../src/report/labels.js';
import { drawnRange } from '../../src/report/study.js';
import { alignColumns } from '../../src/report/table.js';
import { makeTrial, SPACE, TRIALS } from './trials.js';

const study = (more: Partial<ReportedStudy> = {}): ReportedStudy => ({
  name: 'tiny <study>',
  direction: 'minimize',
  trials: TRIALS,
  userAttrs: { sampler: 'gp', objective: { eval_tokens: 4, preset: 'cpu' } },
  ...more,
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-report-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the report', () => {
  test('is an SVG plot and one self-contained page', async () => {
    const { svg, html, text } = await writeReport(folder, study(), { reference: 1.15 });
    const plot = readFileSync(svg, 'utf8');
    expect(plot).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    expect(plot).toContain('10 trials, 2 improvements, 1 failed, 1 pruned, 1 beyond the axis');
    expect(plot).toContain('reference 1.15');
    expect(plot).not.toMatch(/font-family="[^"]*"[^ >/]/); // a quote inside an attribute breaks the file
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('tiny &lt;study&gt;');
    const own = page.replace(/<script>[\s\S]*?<\/script>/g, ''); // without the charting library
    expect(own).not.toMatch(/<(script|link|img)[^>]*(src|href)=/);
    for (const id of ['history', 'importances', 'slices', 'parallel', 'curves', 'timeline'])
      expect(page).toContain(`id="${id}"`);
    expect(text).toContain('best val_bpb: 1.050000 in trial 7 (trial 0: 1.200000, 12.50% better)');
  });

  test('embeds its charts as JSON that a browser can parse', () => {
    const json = /<script id="charts" type="application\/json">([\s\S]*?)<\/script>/.exec(
      reportHtml(study()),
    );
    const charts = JSON.parse(json![1]!);
    const best = charts.history.series[1].data;
    expect(best).toEqual([
      [0, 1.2],
      [3, 1.1],
      [7, 1.05],
      [9, 1.05],
    ]);
    expect(charts.history.series[3].data.map(([number]: [number]) => number)).toEqual([2]);
  });

  test('says honestly that nothing has finished', async () => {
    for (const trials of [[], [makeTrial(0, 'fail', null)], [makeTrial(0, 'running', null)]]) {
      const { text, html } = await writeReport(folder, study({ trials }));
      expect(text).toContain('0 complete');
      expect(text).not.toContain('best');
      expect(readFileSync(html, 'utf8')).toContain('id="history"');
    }
  });

  test('of a study to maximise takes the largest value', () => {
    const text = summaryText(study({ direction: 'maximize', userAttrs: {} }));
    expect(text).toContain('best value: 9.900000 in trial 6');
  });

  test('counts failures by reason', () => {
    const trials = [...TRIALS, makeTrial(10, 'fail', null, { userAttrs: { fail_reason: 'out_of_memory' } })];
    expect(summaryText(study({ trials }))).toContain('2 failed (1 diverged, 1 out_of_memory)');
  });
});

describe('words and ranges', () => {
  test('exponents read as the sizes they stand for', () => {
    expect(describeParam('log2_batch', 5)).toEqual(['batch', '32']);
    expect(describeParam('log2_fraction', -3)).toEqual(['fraction', '0.125']);
    expect(describeParam('lr', 0.0123456)).toEqual(['lr', '0.0123']);
  });

  test('the largest changes are measured in the space', () => {
    const from = { lr: 0.01, log2_batch: 3, window: 'L' };
    const to = { lr: 0.011, log2_batch: 8, window: 'SSSL' };
    expect(largestChanges(from, to, SPACE, 2)).toEqual(['window L→SSSL', 'batch 8→256']);
    expect(largestChanges(from, from, SPACE, 2)).toEqual([]);
  });

  test('the drawn range leaves far worse values out and the best in', () => {
    const values = [1, 1.01, 1.02, 1.03, 1.04, 50];
    const [low, high] = drawnRange(values, [], true);
    expect(low).toBeLessThan(1);
    expect(high).toBeLessThan(2);
    const [, top] = drawnRange(values, [], false);
    expect(top).toBeGreaterThan(50);
  });

  test('columns align, numbers to the right', () => {
    expect(
      alignColumns([
        ['name', 'n'],
        ['a', '10'],
        ['long', '5'],
      ]),
    ).toBe('name   n\na     10\nlong   5');
    expect(escapeHtml(`<a href="x">'&'</a>`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;');
  });
});
