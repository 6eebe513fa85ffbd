// Reports of studies and contests: files in a folder, and text for the terminal.

import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import type { ContestTable, Race } from '../tune/contest.js';
import { knownImportances } from '../tune/importance.js';
import { contestOption, contestText } from './contest.js';
import { frontOption } from './frontPlot.js';
import { type ReportOptions, reportHtml } from './html.js';
import { progressOption } from './progressPlot.js';
import type { References } from './references.js';
import { isOfSeveral, type ReportedStudy } from './study.js';
import { renderSvg } from './svg.js';
import { summaryText } from './table.js';

export { contestOption } from './contest.js';
export { frontOption } from './frontPlot.js';
export { reportHtml } from './html.js';
export { progressOption } from './progressPlot.js';
export type { ReportedStudy } from './study.js';
export { renderSvg } from './svg.js';
export { summaryText } from './table.js';

const WIDTH = 1280;
const HEIGHT = 640;

/**
 * Writes progress.svg (of several objectives front.svg) and report.html of a study.
 * @param options.reference a value to draw as a line
 * @param options.losses training loss of trials, for their learning curves
 * @throws EnvironmentError when the folder cannot be written
 */
export async function writeReport(
  folder: string,
  study: ReportedStudy,
  options: ReportOptions = {},
): Promise<{ text: string; svg: string; html: string }> {
  const svg = join(folder, isOfSeveral(study) ? 'front.svg' : 'progress.svg');
  const html = join(folder, 'report.html');
  const weights = isOfSeveral(study) ? {} : knownImportances(study.trials, study.direction);
  const chart = isOfSeveral(study) ? frontOption(study) : progressOption(study, { ...options, weights });
  writeFileAtomic(svg, renderSvg(chart, WIDTH, HEIGHT));
  writeFileAtomic(html, reportHtml(study, { ...options, weights }));
  return { text: summaryText(study, weights), svg, html };
}

/** Writes contest.txt, contest.svg and contest-hours.svg. @throws EnvironmentError when the folder cannot be written */
export function writeContest(
  folder: string,
  races: readonly Race[],
  table: ContestTable,
  references: References | null = null,
): { text: string; svg: string; hours: string } {
  const svg = join(folder, 'contest.svg');
  const hours = join(folder, 'contest-hours.svg');
  const text = contestText(table, references);
  writeFileAtomic(svg, renderSvg(contestOption(races, table, { references }), WIDTH, HEIGHT));
  writeFileAtomic(
    hours,
    renderSvg(contestOption(races, table, { references, axis: 'hours' }), WIDTH, HEIGHT),
  );
  writeFileAtomic(join(folder, 'contest.txt'), `${text}\n`);
  return { text, svg, hours };
}
