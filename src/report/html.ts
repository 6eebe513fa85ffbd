// report.html: the page with a study inside. One file that opens from disk without a network; nothing in it runs but the
// page's own script, whose hash its content security policy names.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../base/errors.js';
import { knownImportances } from '../tune/importance.js';
import type { Direction } from '../tune/types.js';
import { escapeHtml } from './labels.js';
import { headOf, pageJson, pointsPerCurve, rowOf } from './pageData.js';
import type { ProgressOptions } from './progressPlot.js';
import type { ReportedStudy } from './study.js';

/** A file of the page, as `npm run build` made it. @throws EnvironmentError where that has not run */
export function pageFile(name: 'page.js' | 'page.css'): string {
  const path = fileURLToPath(new URL(`./${name}`, import.meta.url));
  if (!existsSync(path))
    throw new EnvironmentError(`Expected the page at ${path}, found none; run npm run build`);
  return readFileSync(path, 'utf8');
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Training loss of each trial: (share of the budget, loss). */
export type Losses = ReadonlyMap<number, readonly (readonly [number, number])[]>;

export type ReportOptions = Pick<ProgressOptions, 'reference' | 'weights'> & { losses?: Losses };

/** The whole page. @throws EnvironmentError where the page has not been built */
export function reportHtml(
  study: ReportedStudy & { directions?: readonly Direction[] },
  options: ReportOptions = {},
): string {
  const { directions = [study.direction], trials } = study;
  const { weights = knownImportances(trials, study.direction), reference = null, losses } = options;
  const head = headOf({ ...study, directions }, weights, reference);
  const points = pointsPerCurve(trials.length);
  const rows = trials.map((trial) => rowOf(trial, head.space, points, losses?.get(trial.number)));
  const [script, style] = [pageFile('page.js'), pageFile('page.css')];
  const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(study.name)}: tinygpt study</title>
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<noscript>This report needs JavaScript; it runs only the script inside this file.</noscript>
<script id="study" type="application/json">${pageJson({ head, rows })}</script>
<script>${script}</script>
</body>
</html>
`;
}
