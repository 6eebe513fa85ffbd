import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type * as echarts from 'echarts';
import { drawnRange, ticksIn } from '../../src/report/axes.js';
import { apart } from '../../src/report/comparison.js';
import { curvesChart, intermediateCurves } from '../../src/report/curves.js';
import { frontOption } from '../../src/report/frontPlot.js';
import {
  progressOption,
  type ReportedStudy,
  reportHtml,
  summaryText,
  writeReport,
} from '../../src/report/index.js';
import {
  changedParams,
  describeChange,
  describeParam,
  escapeHtml,
  improvementLabels,
} from '../../src/report/labels.js';
import { headOf, type PageStudy, rowOf, trialOf } from '../../src/report/pageData.js';
import { parallelChart, sliceChart } from '../../src/report/paramCharts.js';
import { isOfSeveral } from '../../src/report/study.js';
import { renderSvg } from '../../src/report/svg.js';
import { alignColumns } from '../../src/report/table.js';
import { DARK, LIGHT } from '../../src/report/theme.js';
import { isByWorker, timelineChart } from '../../src/report/timeline.js';
import type { CompleteTrial } from '../../src/tune/best.js';
import { float } from '../../src/tune/distributions.js';
import { knownImportances } from '../../src/tune/importance.js';
import { LEARNABLE, makeTrial, SPACE, TRIALS } from './trials.js';

const study = (more: Partial<ReportedStudy> = {}): ReportedStudy => ({
  name: 'tiny <study>',
  direction: 'minimize',
  trials: TRIALS,
  userAttrs: { sampler: 'gp', objective: { eval_tokens: 4, preset: 'cpu' } },
  ...more,
});

/** The study inside a page. */
function studyIn(page: string): PageStudy {
  const [, json] = /<script id="study" type="application\/json">([\s\S]*?)<\/script>/.exec(page)!;
  return JSON.parse(json!);
}
/** The page without its own script and style. */
const around = (page: string) =>
  page.replace(/<script>[\s\S]*?<\/script>/g, '').replace(/<style>[\s\S]*?<\/style>/g, '');
type Series = { name: string; data: { value: number[]; symbolRotate: number }[] & number[][] };
const seriesOf = (option: object, name: string): Series =>
  (option as { series: Series[] }).series.find((series) => series.name === name)!;

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
    expect(plot).toContain('10 trials, 2 improvements, 1 failed, 1 pruned');
    expect(plot).toContain('2 above the axis, of 7 trials');
    expect(plot).toContain('reference 1.15');
    expect(plot).not.toMatch(/font-family="[^"]*"[^ >/]/); // a quote inside an attribute breaks the file
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('tiny &lt;study&gt;');
    expect(around(page)).not.toMatch(/<(script|link|img)[^>]*(src|href)=/);
    expect(text).toContain('best val_bpb: 1.050000 in trial 7 (trial 0: 1.200000, 12.50% better)');
  });

  test('the best trial is not called better than one that violates a constraint', () => {
    const beyond = { systemAttrs: { constraints: [1] } };
    const trials = [makeTrial(0, 'complete', 1, beyond), makeTrial(1, 'complete', 1.2)];
    const text = summaryText({ ...study(), trials });
    expect(text).toContain('best val_bpb: 1.200000 in trial 1 (trial 0: 1.000000, beyond a constraint)');
    expect(text).not.toContain('better');
  });

  test('the script and style of the page are the ones that its content security policy names', () => {
    const page = reportHtml(study());
    const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(page)!;
    const hashOf = (tag: string) => {
      const [, text] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page)!;
      return createHash('sha256').update(text!).digest('base64');
    };
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src 'sha256-${hashOf('script')}';`);
    expect(policy).toContain(`style-src 'sha256-${hashOf('style')}';`);
  });

  test('embeds its trials as JSON that reads back the same', () => {
    const { head, rows } = studyIn(reportHtml(study()));
    expect(rows).toHaveLength(10);
    TRIALS.forEach((trial, number) => {
      const { state, value, params, distributions, intermediate, userAttrs, start, end } = trial;
      expect(trialOf(rows[number]!, number, head.space)).toMatchObject({
        number,
        ...{ state, value, params, distributions, intermediate, userAttrs, start, end },
      });
    });
  });

  test('the plot follows the improvements, and draws values far beyond as triangles at its edge', () => {
    const option = progressOption(study());
    expect(seriesOf(option, 'running best').data).toEqual([
      [0, 1.2],
      [3, 1.1],
      [7, 1.05],
      [9, 1.05],
    ]);
    const { min, max } = (option as { yAxis: { min: number; max: number }[] }).yAxis[0]!;
    expect(min).toBeLessThan(1.05);
    expect(max).toBeGreaterThan(1.2);
    expect(max).toBeLessThan(1.3);
    expect(seriesOf(option, 'above the axis').data).toEqual([
      [1, max, 1],
      [6, max, 6], // 9.9, far worse
    ]);
    expect(seriesOf(option, 'failed').data).toEqual([[2, 0, 2]]);
    expect(seriesOf(option, 'pruned').data).toEqual([[4, 1, 4]]);
  });

  test('trials beyond a constraint are rings, and no improvements', () => {
    const trials = TRIALS.map((trial) =>
      trial.number === 7 ? { ...trial, systemAttrs: { constraints: [-1, 0.5] } } : trial,
    );
    const option = progressOption(study({ trials }));
    expect(seriesOf(option, 'beyond a constraint')).toMatchObject({
      itemStyle: { color: 'transparent', borderColor: LIGHT.fail },
      data: [[7, 1.05, 7]],
    });
    expect((option as { legend: { data: string[] } }).legend.data).toContain('beyond a constraint');
    expect(seriesOf(option, 'running best').data.at(-1)).toEqual([9, 1.07]);
    expect(seriesOf(progressOption(study()), 'beyond a constraint')).toBeUndefined();
  });

  test('labels give way to intervals of confirmed means and to trials beyond a constraint', () => {
    const trials = Array.from({ length: 40 }, (_, i) => makeTrial(i, 'complete', i < 20 ? 1.2 : 1.1));
    const labelOf = (more: object) => {
      const { data } = seriesOf(progressOption(study({ trials, userAttrs: {}, ...more })), 'improvement');
      return (data as unknown as { label: { position?: string } }[])[1]!.label;
    };
    expect(labelOf({})).toMatchObject({ position: 'left', offset: [0, 10] });
    const candidate = { trial: 19, mean: 1.09, interval: [1.05, 1.13], values: [1.09] };
    expect(labelOf({ userAttrs: { confirmation: { candidates: [candidate] } } }).position).toBe('right');
    const within = trials.map((trial) =>
      trial.number === 19 ? { ...trial, value: 1.098, systemAttrs: { constraints: [1] } } : trial,
    );
    expect(labelOf({ trials: within })).not.toMatchObject({ position: 'left', offset: [0, 10] });
  });

  test('of a single trial is drawn, whatever its value: ticks are rounded, and so may lie beside the axis', () => {
    for (const value of [0.9, 5.62, 6.58, 0.25, 1e-300, 1e300, 0]) {
      const option = progressOption(study({ trials: [makeTrial(0, 'complete', value)] }));
      expect(renderSvg(option, 1280, 640)).toMatch(/^<svg/);
    }
  });

  describe('as drawn', () => {
    let chart: echarts.ECharts;
    beforeEach(() => {
      const { init } = createRequire(import.meta.url)('echarts') as typeof echarts;
      chart = init(null, null, { renderer: 'svg', ssr: true, width: 1280, height: 640 });
    });
    afterEach(() => chart.dispose()); // its animation keeps the process alive
    const pixel = (gridIndex: number, point: number[]) =>
      chart.convertToPixel({ gridIndex }, point) as [number, number];

    test('lanes of pruned and failed trials are in line with the plot above', () => {
      chart.setOption(progressOption(study()));
      for (const number of [0, 9]) expect(pixel(1, [number, 0])[0]).toBeCloseTo(pixel(0, [number, 0])[0], 6);
    });

    test('the line of a reference is at its value, not at a rounded one', () => {
      chart.setOption(progressOption(study(), { reference: 1.1249 }));
      const [, y] = /<path d="M[\d.]+ ([\d.]+)L[^>]*stroke-dasharray/.exec(chart.renderToSVGString())!;
      expect(Math.abs(Number(y) - pixel(0, [0, 1.1249])[1])).toBeLessThan(1);
    });
  });

  test('labels do not cross the line of a reference', () => {
    const labelOf = (reference: number) => {
      const { data } = seriesOf(progressOption(study(), { reference }), 'improvement');
      return (data as unknown as { label: { show: boolean; offset: [number, number] } }[])[0]!.label;
    };
    const { show, offset } = labelOf(1.1);
    expect(show).toBe(true);
    expect(offset[1]).toBeLessThan(22);
    expect(labelOf(1.194)).not.toMatchObject({ offset });
  });

  test('names of two lines stand on different sides', () => {
    const candidate = { trial: 'defaults', mean: 1.15, values: [1.14, 1.16] };
    const userAttrs = { confirmation: { candidates: [candidate] } };
    const positions = (reference: number) => {
      const option = progressOption(study({ userAttrs }), { reference });
      const { data } = (seriesOf(option, 'trial') as unknown as { markLine: { data: object[] } }).markLine;
      return (data as { label: { position: string } }[]).map(({ label }) => label.position);
    };
    expect(positions(1.151)).toEqual(['insideEndTop', 'insideEndBottom']);
    expect(positions(1.149)).toEqual(['insideEndBottom', 'insideEndTop']);
  });

  test('says when no trial has finished', async () => {
    for (const trials of [[], [makeTrial(0, 'fail', null)], [makeTrial(0, 'running', null)]]) {
      const { text, html } = await writeReport(folder, study({ trials }));
      expect(text).toContain('0 complete');
      expect(text).not.toContain('best');
      expect(studyIn(readFileSync(html, 'utf8')).rows).toHaveLength(trials.length);
    }
  });

  test('shows importances and labels only for parameters whose influence is known', () => {
    const few = study({ trials: LEARNABLE.slice(0, 10), userAttrs: {} });
    expect(summaryText(few)).not.toMatch(/importance|\d%$/m);
    expect(studyIn(reportHtml(few)).head.weights).toEqual({});
    expect(JSON.stringify(seriesOf(progressOption(few), 'improvement'))).not.toMatch(/batch|window|lr/);

    const many = study({ trials: LEARNABLE, userAttrs: {} });
    expect(Object.keys(knownImportances(LEARNABLE, 'minimize'))).toEqual(['lr']);
    expect(summaryText(many)).toMatch(/^lr +0\.01 +\d+%$/m);
    expect(summaryText(many)).toMatch(/^batch +\d+$/m);
    expect(Object.keys(studyIn(reportHtml(many)).head.weights)).toEqual(['lr']);
    const labels = JSON.stringify(seriesOf(progressOption(many), 'improvement'));
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

  test('labels an improvement with as many changes as fit whole', () => {
    const names = ['short', 'parameterOfALongName', 'parameterOfALongerName'] as const;
    const space = Object.fromEntries(names.map((name) => [name, float(0, 1)]));
    const weights = Object.fromEntries(names.map((name) => [name, 1]));
    const trials = [makeTrial(0, 'complete', 2), makeTrial(1, 'complete', 1)] as CompleteTrial[];
    const labels = (changed: readonly string[], longest: number) => {
      for (const [i, trial] of trials.entries())
        trial.params = Object.fromEntries(names.map((name) => [name, changed.includes(name) ? i / 2 : 0]));
      return improvementLabels(study({ trials, space, userAttrs: {} }), trials, weights, longest)[1];
    };
    expect(labels(names.slice(0, 2), 60)).toBe('short 0→0.5, parameterOfALongName 0→0.5');
    expect(labels(names.slice(0, 2), 20)).toBe('short 0→0.5');
    expect(labels(names.slice(1, 2), 20)).toBe('parameterOfALongNam…');
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
    expect(readFileSync(svg, 'utf8')).toContain('3 above and 1 below the axis, of 9 trials');
    const { head, rows } = studyIn(readFileSync(html, 'utf8'));
    const [lowest, highest] = rows.slice(-2).map((row) => trialOf(row, 0, head.space));
    expect([lowest!.value, highest!.value]).toEqual([-Infinity, Infinity]);
    expect([...lowest!.intermediate.values()]).toEqual([Infinity, -Infinity]);
    const option = progressOption(study({ trials }));
    const { min, max } = (option as { yAxis: { min: number; max: number }[] }).yAxis[0]!;
    expect(seriesOf(option, 'running best').data.at(-1)).toEqual([11, min]);
    expect(seriesOf(option, 'below the axis').data).toEqual([[10, min, 10]]);
    expect(seriesOf(option, 'above the axis').data.at(-1)).toEqual([11, max, 11]);
    const frame = { width: 800, theme: LIGHT };
    const curves = curvesChart(
      intermediateCurves(trials),
      { x: 'step', y: 'value' },
      study({ trials }),
      frame,
    )!;
    for (const chart of [
      sliceChart(study({ trials }), frame)!,
      parallelChart(study({ trials }), frame)!,
      curves,
    ])
      expect(JSON.stringify(chart.option())).not.toContain('null');
  });

  test('the axis shows finite values where the best one is infinite', () => {
    const values = [-Infinity, 1e300, ...Array.from({ length: 30 }, (_, i) => 2 + i / 100)];
    const trials = values.map((value, i) => makeTrial(i, 'complete', value));
    const { min, max } = (progressOption(study({ trials })) as { yAxis: { min: number; max: number }[] })
      .yAxis[0]!;
    expect(min).toBeGreaterThan(1.9);
    expect(max).toBeLessThan(3);
  });

  test('ticks tell apart close values and are short for large and small ones', () => {
    const ticks = (low: number, high: number, ...values: number[]) => values.map(ticksIn([low, high]));
    expect(ticks(1.1e15, 1.6e15, 1.2e15, 1.25e15)).toEqual(['1.2e15', '1.25e15']);
    expect(ticks(1e-12, 1.5e-12, 1.1e-12)).toEqual(['1.1e-12']);
    expect(ticks(1e5, 2e5, 1e5, 1.2e5, 2e5)).toEqual(['1e5', '1.2e5', '2e5']);
    expect(ticks(2.30121, 2.30124, 2.301215, 2.30122)).toEqual(['2.301215', '2.30122']);
    expect(ticks(0, 1, 0.25, 0.30000000000000004)).toEqual(['0.25', '0.3']);
    expect(ticks(0.5, 0.5, 0.5)).toEqual(['0.5']);
  });

  test.each([
    [1e15, (text: string) => /e15$/.test(text)],
    [1e-12, (text: string) => /e-12$/.test(text)],
    [123_456, (text: string) => /^123,456\./.test(text)],
  ])('ticks and the name of the axis are inside the plot for values near %d', (middle, isTick) => {
    const spread = middle === 123_456 ? 1e-5 : 0.2 * middle;
    const trials = Array.from({ length: 20 }, (_, i) =>
      makeTrial(i, 'complete', middle + spread * (1 - i / 20)),
    );
    const svg = renderSvg(progressOption(study({ trials })), 1280, 640);
    const ends = [...svg.matchAll(/text-anchor="end"[^>]*translate\(([\d.]+) [^>]*>([^<]+)/g)].filter(
      ([, , text]) => isTick(text!),
    );
    expect(ends.length).toBeGreaterThan(2);
    for (const [, x, text] of ends) expect(Number(x)).toBeGreaterThan(6.6 * text!.length + 12);
  });

  test('texts have a contrast of 4.5 to what is behind them, in both schemes', () => {
    const linear = (c: number) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const channels = (color: string) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);
    const luminance = (color: readonly number[]) =>
      color.map(linear).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0);
    // Relative luminance and contrast as WCAG 2.2 defines them.
    const contrast = (color: string, behind: string, opacity = 1) => {
      const [top, under] = [channels(color), channels(behind)];
      const both = [top.map((c, i) => opacity * c + (1 - opacity) * under[i]!), under].map(luminance);
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    };
    for (const theme of [LIGHT, DARK]) {
      const svg = renderSvg(progressOption(study(), { theme }), 1280, 640);
      const texts = [
        ...svg.matchAll(/<text [^>]*fill="(#\w{6})"(?: fill-opacity="([\d.]+)")?[^>]*>([^<]*)/g),
      ];
      expect(texts.length).toBeGreaterThan(10);
      for (const [, color, opacity, text] of texts)
        expect([text, contrast(color!, theme.surface, Number(opacity ?? 1)) >= 4.5]).toEqual([text, true]);
    }
    const css = readFileSync(new URL('../../../web/style.css', import.meta.url), 'utf8');
    for (const scheme of [1, 2]) {
      const color = (name: string) => new RegExp(`--${name}: light-dark\\((.*), (.*)\\)`).exec(css)![scheme]!;
      for (const text of ['text', 'muted', 'accent', 'pruned-text', 'fail-text'])
        for (const behind of ['page', 'surface', 'raised', 'best-soft'])
          expect([text, behind, contrast(color(text), color(behind)) >= 4.5]).toEqual([text, behind, true]);
      expect(contrast(color('best'), color('surface'))).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('a long name of the metric is cut, in the plot and above parallel coordinates', () => {
    const long = study({ systemAttrs: { 'study:metric_names': ['bits_per_byte_'.repeat(9)] } });
    const [axis] = (progressOption(long) as { yAxis: { name: string }[] }).yAxis;
    expect(axis!.name).toMatch(/… \(lower is better\)$/);
    expect(axis!.name.length).toBeLessThan(90);
    const option = parallelChart(long, { width: 800, theme: LIGHT })!.option();
    const { parallel, parallelAxis } = option as {
      parallel: { right: number };
      parallelAxis: { name: string }[];
    };
    expect(parallel.right).toBeGreaterThan(5.5 * parallelAxis.at(-1)!.name.length);
  });

  test('parallel coordinates have the parameters that only some trials have, and close values apart', () => {
    const trials = TRIALS.map((trial, i) => {
      const { lr: _, ...params } = trial.params;
      return i % 3 === 0
        ? { ...trial, params, value: trial.value && 2.3 + trial.value * 1e-6 }
        : { ...trial, value: trial.value && 2.3 };
    });
    const option = parallelChart(study({ trials }), { width: 800, theme: LIGHT })!.option();
    const { parallelAxis, series } = option as unknown as {
      parallelAxis: { name: string; min: number; max: number }[];
      series: { data: { trial: number; value: (number | null)[] }[] }[];
    };
    expect(parallelAxis.map(({ name }) => name)).toEqual(['lr', 'log2_batch', 'window', 'val_bpb']);
    const lines = new Map(series[0]!.data.map(({ trial, value }) => [trial, value]));
    expect(lines.get(0)![0]).toBeNull();
    expect(lines.get(1)![0]).toBe(0.02);
    const { min, max } = parallelAxis.at(-1)!;
    expect(max - min).toBeLessThan(1e-5);
  });

  test('choices with long names do not reach into the next slice', () => {
    const window = { kind: 'categorical', choices: ['a'.repeat(80), 'b'.repeat(80)] } as const;
    const trials = TRIALS.map((trial) => ({
      ...trial,
      params: { ...trial.params, window: window.choices[trial.number % 2]! },
      distributions: { ...trial.distributions, window },
    }));
    const option = sliceChart(study({ trials }), { width: 800, theme: LIGHT })!.option();
    const [, , axis] = option.xAxis as unknown as { axisLabel: { formatter: (choice: string) => string } }[];
    expect(axis!.axisLabel.formatter(window.choices[0])).toMatch(/^a{5,20}…$/);
  });

  test('choices that are numbers stand over their own names; of many only some are named', () => {
    const batch = { kind: 'categorical', choices: [64, 1, 0, '1'] } as const;
    const many = { kind: 'categorical', choices: Array.from({ length: 100 }, (_, i) => `c${i}`) } as const;
    const trials = TRIALS.map((trial) => ({
      ...trial,
      params: { batch: batch.choices[trial.number % 4]!, many: 'c7' },
      distributions: { batch, many },
    }));
    const frame = { width: 800, theme: LIGHT };
    const slices = sliceChart(study({ trials }), frame)!.option() as unknown as {
      series: { xAxisIndex: number; data: number[][] }[];
    };
    const { parallelAxis, series } = parallelChart(study({ trials }), frame)!.option() as unknown as {
      parallelAxis: { axisLabel: { interval: number } }[];
      series: { data: { trial: number; value: (number | null)[] }[] }[];
    };
    const points = slices.series.filter(({ xAxisIndex }) => xAxisIndex === 0).flatMap(({ data }) => data);
    expect(points.length).toBeGreaterThan(4);
    for (const [x, , number] of points) expect(x).toBe(number! % 4);
    for (const { trial, value } of series[0]!.data) expect(value.slice(0, 2)).toEqual([trial % 4, 7]);
    expect(parallelAxis.slice(0, 2).map(({ axisLabel }) => axisLabel.interval)).toEqual([0, 5]);
  });

  test('a study whose choices have changed is shown with all of them', () => {
    const [early, late] = [
      ['a', 'b'],
      ['c', 'b'],
    ].map((choices) => ({ kind: 'categorical', choices }) as const);
    const trials = [
      makeTrial(0, 'complete', 1, {
        params: { kind: 'a', other: 'a' },
        distributions: { kind: early!, other: early! },
      }),
      makeTrial(1, 'complete', 2, {
        params: { kind: 'c', other: 0.01 },
        distributions: { kind: late!, other: SPACE.lr! },
      }),
    ];
    const { space } = headOf({ ...study({ trials }), directions: ['minimize'] }, {});
    expect(space.kind).toEqual({ kind: 'categorical', choices: ['a', 'b', 'c'] });
    const shown = trials.map((trial, i) => trialOf(rowOf(trial, space, 0), i, space).params);
    expect(shown).toEqual([{ kind: 'a' }, { kind: 'c', other: 0.01 }]);
  });

  test('the timeline stays short, however many workers there were', () => {
    const height = (workers: number, seconds: number) => {
      const trials = Array.from({ length: 900 }, (_, i) =>
        makeTrial(i, 'complete', 1, {
          end: 1_000_000 + 10_000 * i + 1000 * seconds,
          systemAttrs: { 'tinygpt:worker': { pid: i % workers, host: 'h' } },
        }),
      );
      return timelineChart(study({ trials }), 0, { width: 800, theme: LIGHT })!.height;
    };
    expect(height(3, 10)).toBe(58 + 3 * 20);
    expect(height(900, 10)).toBe(58 + 20); // one after the other
    expect(height(900, 9000)).toBeLessThan(1000); // all at once
  });

  test('the timeline has a row for each worker of the trials that it shows', () => {
    const trials = Array.from({ length: 4100 }, (_, i) =>
      makeTrial(i, 'complete', 1, {
        systemAttrs: { 'tinygpt:worker': { pid: i < 100 ? 9 + i : i % 3, host: 'h' } },
      }),
    );
    expect(isByWorker(trials, 0)).toBe(true);
    expect(isByWorker(trials.slice(0, 100), 0)).toBe(false);
  });

  test('names of two lines that end together do not stand on one another', () => {
    expect(apart([2, 2], [0, 4], 200)).toEqual([-7.5, 7.5]);
    expect(apart([1.9, 2], [0, 4], 200)).toEqual([5, -5]);
    expect(apart([1, 2], [0, 4], 200)).toEqual([0, 0]);
    expect(apart([1, undefined], [0, 4], 200)).toEqual([0, 0]);
  });

  test('a study of three objectives has a front, and no best trial', () => {
    const values = [
      [1, 5, 2],
      [2, 9, 1],
      [3, 4, 9],
    ];
    const trials = values.map((of, i) => makeTrial(i, 'complete', of[0]!, { values: of }));
    const of = study({ trials, directions: ['minimize', 'maximize', 'minimize'] });
    expect(isOfSeveral(of)).toBe(true);
    expect(seriesOf(frontOption(of as never), 'Pareto front').data).toEqual([
      [1, 5, 0],
      [2, 9, 1],
    ]);
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
    const page = reportHtml(study({ name: '</script><script>', trials, userAttrs: hostile }));
    expect(around(page).match(/<script/g)).toHaveLength(1); // the study's data
    const { head, rows } = studyIn(page);
    expect(Object.keys(head.space)).toEqual(expect.arrayContaining(['__proto__', 'constructor']));
    expect(trialOf(rows[0]!, 0, head.space).params).toEqual(trials[0]!.params);
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
