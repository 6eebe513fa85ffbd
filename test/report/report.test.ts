import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { drawnRange } from '../../src/report/axes.js';
import { tableRows } from '../../src/report/charts.js';
import {
  progressOption,
  type ReportedStudy,
  reportHtml,
  summaryText,
  writeReport,
} from '../../src/report/index.js';
import { changedParams, describeChange, describeParam, escapeHtml } from '../../src/report/labels.js';
import { alignColumns } from '../../src/report/table.js';
import { knownImportances } from '../../src/tune/importance.js';
import { LEARNABLE, makeTrial, SPACE, TRIALS } from './trials.js';

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
  test('is an SVG plot and one self-contained HTML page', async () => {
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
    for (const id of ['history', 'slices', 'parallel', 'curves', 'timeline'])
      expect(page).toContain(`id="${id}"`);
    expect(text).toContain('best val_bpb: 1.050000 in trial 7 (trial 0: 1.200000, 12.50% better)');
  });

  test('embeds its charts as JSON', () => {
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
    const [low, high] = [charts.history.yAxis.min, charts.history.yAxis.max];
    const outlier = charts.history.series[0].data.find(
      ({ value: [number] }: { value: number[] }) => number === 6,
    );
    expect(outlier).toMatchObject({ value: [6, high], symbol: 'triangle', symbolRotate: 0 }); // 9.9, far worse
    expect(low).toBeLessThan(1.05);
    expect(charts.history.series[3].data.map(([number]: [number]) => number)).toEqual([2]);
  });

  test('says when no trial has finished', async () => {
    for (const trials of [[], [makeTrial(0, 'fail', null)], [makeTrial(0, 'running', null)]]) {
      const { text, html } = await writeReport(folder, study({ trials }));
      expect(text).toContain('0 complete');
      expect(text).not.toContain('best');
      expect(readFileSync(html, 'utf8')).toContain('id="history"');
    }
  });

  test('shows importances and labels only for parameters whose influence is known', () => {
    const few = study({ trials: LEARNABLE.slice(0, 10), userAttrs: {} });
    expect(summaryText(few)).not.toMatch(/importance|\d%$/m);
    expect(reportHtml(few)).not.toContain('id="importances"');
    expect(JSON.stringify(progressOption(few))).not.toMatch(/batch|window|lr/);

    const many = study({ trials: LEARNABLE, userAttrs: {} });
    expect(Object.keys(knownImportances(LEARNABLE, 'minimize'))).toEqual(['lr']);
    expect(summaryText(many)).toMatch(/^lr +0\.01 +\d+%$/m);
    expect(summaryText(many)).toMatch(/^batch +\d+$/m);
    expect(reportHtml(many)).toContain('id="importances"');
    const labels = JSON.stringify(progressOption(many));
    expect(labels).toMatch(/lr [\d.e-]+→/);
    expect(labels).not.toMatch(/batch|window/);
  });

  test('labels the only parameter that changed, and trial 0 as defaults only where it is', () => {
    const trials = [makeTrial(0, 'complete', 2), makeTrial(1, 'complete', 1)];
    trials[1]!.params = { ...trials[0]!.params, window: 'L' };
    const labels = (userAttrs: object) =>
      JSON.stringify(progressOption(study({ trials, userAttrs: { ...userAttrs } })));
    expect(labels({})).toContain('"window SSSL→L"');
    expect(labels({})).not.toContain('defaults');
    expect(labels({ defaults: trials[0]!.params })).toContain('"defaults"');
  });

  test('shows infinite values in every table, and as triangles at the edge of plots', async () => {
    const trials = [...TRIALS, makeTrial(10, 'complete', -Infinity), makeTrial(11, 'complete', Infinity)];
    trials[10]!.intermediate = new Map([
      [1, Infinity],
      [2, -Infinity],
    ]);
    const { svg, html, text } = await writeReport(folder, study({ trials }));
    expect(text).toContain('12 trials: 9 complete');
    expect(text).toContain('best val_bpb: -Infinity in trial 10\n');
    expect(text).toMatch(/^trial +val_bpb\n +10 +-Infinity\n +7 +1\.05/m);
    expect(readFileSync(svg, 'utf8')).toContain('3 improvements, 1 failed, 1 pruned, 3 beyond the axis');
    const page = readFileSync(html, 'utf8');
    expect(page).toMatch(/<tr class="best"><td>10<\/td><td>complete<\/td><td>-Infinity<\/td>/);
    expect(page).toContain(
      'Values beyond the axis, infinite ones included, are drawn as triangles at its edge.',
    );
    const charts = JSON.parse(
      /<script id="charts" type="application\/json">([\s\S]*?)<\/script>/.exec(page)![1]!,
    );
    const [low, high] = [charts.history.yAxis.min, charts.history.yAxis.max];
    expect(charts.history.series[1].data.at(-1)).toEqual([11, low]);
    expect(charts.history.series[0].data.slice(-2)).toMatchObject([
      { value: [10, low], symbol: 'triangle', symbolRotate: 180 },
      { value: [11, high], symbol: 'triangle', symbolRotate: 0 },
    ]);
    const drawn = { ...charts, timeline: null }; // whose gaps are null
    expect(JSON.stringify({ ...drawn, timeline: undefined })).not.toContain('null');
    expect(charts.parallel.series[0].data).toHaveLength(9);
    expect(charts.curves.series[1].data).toHaveLength(2);
  });

  test('handles a study whose values are all infinite', async () => {
    const trials = [0, 1, 2].map((i) => makeTrial(i, 'complete', Infinity));
    const { text } = await writeReport(folder, study({ trials }));
    expect(text).toContain('best val_bpb: Infinity in trial 0\n');
    expect(text).not.toContain('NaN');
  });

  test.each([1e-25, 1e-300, 5e-324])('draws values and parameters as small as %d', async (unit) => {
    const distributions = { x: { kind: 'float', low: 0, high: 9 * unit, log: false, step: null } } as const;
    const trials = [1, 2, 3, 4].map((i) =>
      makeTrial(i - 1, 'complete', i * unit, { params: { x: i * unit }, distributions }),
    );
    const { text } = await writeReport(folder, study({ trials }));
    expect(text).toContain(`in trial 0`);
  });

  test('shows the step of pruned trials instead of a value', () => {
    const { head, rows } = tableRows(study());
    expect(head.slice(0, 3)).toEqual(['trial', 'state', 'val_bpb']);
    expect(rows[4]!.slice(0, 3)).toEqual([4, 'pruned at 10', '']);
  });

  test('escapes hostile names and attributes', async () => {
    const hostile = JSON.parse(
      '{"sampler": {"toString": 1}, "seed": {}, "objective": {"preset": {"toString": 1}}}',
    );
    const trials = [
      makeTrial(0, 'complete', 1, {
        params: JSON.parse('{"__proto__": 1, "constructor": "<script>"}'),
        distributions: JSON.parse(
          '{"__proto__": {"kind": "int", "low": 1, "high": 3, "log": false, "step": 1}, "constructor": {"kind": "categorical", "choices": ["<script>"]}}',
        ),
      }),
      makeTrial(1, 'complete', 2, { params: {} }),
      makeTrial(2, 'fail', null, { userAttrs: { fail_reason: { toString: 1 } } }),
    ];
    const page = reportHtml(study({ trials, userAttrs: hostile }));
    const own = page.replace(/<script>[\s\S]*?<\/script>/g, '');
    expect(own).toContain('<th>constructor</th>');
    expect(own).toContain('<th>__proto__</th>');
    expect(own).not.toContain('<script>');
    expect(summaryText(study({ trials }))).toContain('1 failed (1 failed)');
  });

  test('takes the largest value of a study that maximizes', () => {
    const text = summaryText(study({ direction: 'maximize', userAttrs: {} }));
    expect(text).toContain('best value: 9.900000 in trial 6');
  });

  test('counts failures by reason', () => {
    const trials = [...TRIALS, makeTrial(10, 'fail', null, { userAttrs: { fail_reason: 'out_of_memory' } })];
    expect(summaryText(study({ trials }))).toContain('2 failed (1 diverged, 1 out_of_memory)');
  });
});

describe('labels and ranges', () => {
  test('exponents are shown as sizes', () => {
    expect(describeParam('log2_batch', 5)).toEqual(['batch', '32']);
    expect(describeParam('log2_fraction', -3)).toEqual(['fraction', '0.125']);
    expect(describeParam('lr', 0.0123456)).toEqual(['lr', '0.0123']);
  });

  test('the size of a change is measured in the unit space', () => {
    const from = { lr: 0.01, log2_batch: 3, window: 'L' };
    const to = { lr: 0.011, log2_batch: 8, window: 'SSSL' };
    expect(changedParams(from, to, SPACE)).toEqual(['window', 'log2_batch', 'lr']);
    expect(changedParams(from, from, SPACE)).toEqual([]);
    expect(describeChange('log2_batch', from, to)).toBe('batch 8→256');
  });

  test('the drawn range includes the best value and excludes far worse ones', () => {
    const values = [1, 1.01, 1.02, 1.03, 1.04, 50];
    const [low, high] = drawnRange(values, [], 'minimize');
    expect(low).toBeLessThan(1);
    expect(high).toBeLessThan(2);
    const [, top] = drawnRange(values, [], 'maximize');
    expect(top).toBeGreaterThan(50);
  });

  test('columns are aligned, numbers to the right', () => {
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
