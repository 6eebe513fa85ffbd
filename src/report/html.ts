// report.html: one file with its charts, its charting library and its trial table; it opens without a network.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { EChartsOption } from 'echarts';
import { show } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { bestTrial } from '../tune/best.js';
import { knownImportances } from '../tune/importance.js';
import type { Attributes } from '../tune/types.js';
import { BEYOND_NOTE } from './axes.js';
import {
  curvesPanel,
  importancePanel,
  type Panel,
  parallelPanel,
  slicePanel,
  tableRows,
  timelinePanel,
} from './charts.js';
import { escapeHtml } from './labels.js';
import { type ProgressOptions, progressOption } from './progressPlot.js';
import type { ReportedStudy } from './study.js';
import { FONT } from './svg.js';
import { summaryText } from './table.js';

const STYLE = `
:root { color-scheme: light; }
body { margin: 0; font: 15px/1.5 ${FONT}; color: #222831; background: #f6f7f9; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 0 0 2px; }
section { background: #fff; border: 1px solid #e3e6eb; border-radius: 8px; padding: 16px 18px; margin: 16px 0; }
.note { color: #667; font-size: 13px; margin: 0 0 8px; }
pre { margin: 8px 0 0; font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; }
.scroll { overflow: auto; max-height: 560px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid #eef0f3; }
th { position: sticky; top: 0; background: #fff; cursor: pointer; user-select: none; }
td:nth-child(2), th:nth-child(2) { text-align: left; }
tr.fail td { color: #b03a2e; } tr.pruned td { color: #a97812; } tr.best td { background: #e9f6ee; font-weight: 600; }
`;

/** Draws the charts, keeps them as wide as the page, and sorts the table by a clicked column. */
const SCRIPT = `
const charts = JSON.parse(document.getElementById('charts').textContent);
for (const [id, option] of Object.entries(charts)) {
  const chart = echarts.init(document.getElementById(id), null, { renderer: 'canvas' });
  chart.setOption({ textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...option });
  addEventListener('resize', () => chart.resize());
}
document.querySelectorAll('th').forEach((th, column) => th.addEventListener('click', () => {
  const body = th.closest('table').tBodies[0];
  const sign = th.dataset.sorted === 'up' ? -1 : 1;
  document.querySelectorAll('th').forEach((other) => delete other.dataset.sorted);
  th.dataset.sorted = sign === 1 ? 'up' : 'down';
  const key = (row) => row.cells[column].textContent;
  const compare = (a, b) => a === '' ? 1 : b === '' ? -1 : sign * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
  body.append(...[...body.rows].sort((r, s) => compare(key(r), key(s))));
}));
`;

/** The whole page. */
export function reportHtml(study: ReportedStudy, options: Omit<ProgressOptions, 'title'> = {}): string {
  const { weights = knownImportances(study.trials, study.direction) } = options;
  const progress: Panel = {
    id: 'history',
    title: 'History',
    note: `Dots are trials, the line is the running best. Labels of improvements name the largest changes of parameters whose influence is known. ${BEYOND_NOTE}`,
    height: 460,
    option: progressOption(study, { ...options, weights, title: false }),
  };
  const found = [
    progress,
    importancePanel(weights),
    slicePanel(study),
    parallelPanel(study),
    curvesPanel(study),
    timelinePanel(study),
  ];
  const panels = found.filter((panel) => panel !== null);
  const charts: Record<string, EChartsOption> = {};
  for (const { id, option } of panels) charts[id] = option;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(study.name)}: tinygpt study</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(study.name)}</h1>
<p class="note">${escapeHtml(describeObjective(study))}</p>
<section><h2>Summary</h2><pre>${escapeHtml(summaryText(study, weights).replace(/^---\n/, ''))}</pre></section>
${panels.map(panelHtml).join('\n')}
${tableHtml(study)}
</main>
<script>${library()}</script>
<script id="charts" type="application/json">${JSON.stringify(charts).replace(/</g, '\\u003c')}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function describeObjective({ userAttrs, trials, direction }: ReportedStudy): string {
  const { sampler, seed } = userAttrs;
  const objective: Attributes = isObject(userAttrs.objective) ? userAttrs.objective : {};
  const word = (value: unknown) => (typeof value === 'string' ? value : show(value));
  const times = trials.flatMap((trial) => trial.start ?? []);
  const part = (name: string, value: unknown) => (value === undefined ? '' : `${name} ${word(value)}`);
  const begun = times.length > 0 ? new Date(times.reduce((a, b) => Math.min(a, b))).toISOString() : '';
  const parts = [
    part('sampler', sampler),
    part('seed', seed),
    part('preset', objective.preset),
    part('data', objective.data),
    part('budget per trial', objective.budget),
    part('backend', objective.backend),
    part('', objective.precision),
    `${direction}d`,
    begun && `started ${begun.slice(0, 16).replace('T', ' ')} UTC`,
  ];
  return parts.filter(Boolean).join(' · ');
}

const panelHtml = ({ id, title, note, height }: Panel): string =>
  `<section><h2>${title}</h2><p class="note">${escapeHtml(note)}</p><div id="${id}" style="height:${height}px"></div></section>`;

function tableHtml(study: ReportedStudy): string {
  const { head, rows } = tableRows(study);
  const best = bestTrial(study.trials, study.direction);
  const body = rows.map((row, i) => {
    const trial = study.trials[i]!;
    const kind = trial === best ? 'best' : trial.state;
    return `<tr class="${kind}">${row.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>`;
  });
  const cells = head.map((name) => `<th>${escapeHtml(name)}</th>`).join('');
  return `<section><h2>Trials</h2><p class="note">Click a heading to sort.</p><div class="scroll"><table>
<thead><tr>${cells}</tr></thead>
<tbody>${body.join('\n')}</tbody>
</table></div></section>`;
}

function library(): string {
  const path = createRequire(import.meta.url).resolve('echarts/dist/echarts.min.js');
  return readFileSync(path, 'utf8').replace(/<\/script/g, '<\\/script');
}
