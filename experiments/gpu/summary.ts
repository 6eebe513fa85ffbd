// The findings of the proof as a page: failures first, then the numbers compared with PyTorch's.

import { type Finding, findingsIn } from './record.js';

/** Markdown of what OUT/proof.jsonl holds. */
export function summarize(out: string): string {
  const findings = findingsIn(out);
  const of = (part: string) => findings.filter((finding) => finding.part === part);
  const sections = [
    machine(of('checks')),
    list('What failed', findings.flatMap(failuresOf)),
    speedTable(of('speed'), of('peer')),
    attentionTable(of('attention'), of('cudnn')),
    lossLines(of('losses')),
    list(
      'Trials',
      of('trials')
        .filter(({ trials }) => trials !== undefined)
        .map(withoutLists),
    ),
    list(
      'Steps as CUDA graphs',
      of('graph')
        .filter(({ steps }) => steps !== undefined)
        .map(withoutLists),
    ),
    list('Parts', findings.filter(({ ended, skipped }) => ended ?? skipped).map(partLine)),
  ];
  return `# Proof on a GPU\n\n${sections.filter(Boolean).join('\n\n')}\n`;
}

const list = (title: string, lines: string[]): string =>
  lines.length > 0 ? `## ${title}\n\n${lines.map((line) => `- ${line}`).join('\n')}` : '';

function machine(checks: Finding[]): string {
  const info = checks.find(({ what }) => what === 'machine')?.info as
    | { device: string; version: string }
    | undefined;
  return info ? `${info.device}; ${info.version}` : '';
}

function failuresOf({ part, what, ...finding }: Finding): string[] {
  const title = `${part}${what ? `, ${what}` : ''}`;
  const lines: string[] = [];
  if (finding.failed) lines.push(`${title}: ${finding.failed}`);
  if (finding.passed === false)
    lines.push(`${title}: beyond its tolerance, worst ${JSON.stringify(finding.worst)}`);
  if (Array.isArray(finding.failures) && finding.passed === undefined)
    lines.push(...finding.failures.map((failure) => `${title}: ${failure}`));
  if (finding.clean === false) lines.push(`${title}: compute-sanitizer ${finding.status}`);
  if (Array.isArray(finding.errors)) lines.push(...finding.errors.map((error) => `${title}: ${error}`));
  if (finding.flat === false)
    lines.push(`${title}: trials left different memory behind: ${JSON.stringify(finding.seen)}`);
  for (const report of reportsOf(finding))
    if (report.failed ?? report.ended)
      lines.push(`${title}, PyTorch: ${report.failed ?? `ended ${report.ended}`}`);
    else if (report.compile_failed)
      lines.push(`${title}, PyTorch without torch.compile, which failed: ${report.compile_failed}`);
  return lines;
}

const reportsOf = ({ reports }: Record<string, unknown>): Record<string, unknown>[] =>
  Array.isArray(reports) ? (reports as Record<string, unknown>[]) : [];

const round = (value: unknown, digits = 1): string =>
  typeof value === 'number' ? value.toFixed(digits) : '-';
const thousands = (value: unknown): string =>
  typeof value === 'number' ? Math.round(value).toLocaleString('en') : '-';

function table(title: string, head: string[], rows: string[][]): string {
  if (rows.length === 0) return '';
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [`## ${title}`, '', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function speedTable(speed: Finding[], peer: Finding[]): string {
  const rows = speed
    .filter(({ tokens_per_second }) => tokens_per_second !== undefined)
    .map((ours) => {
      const title = `${ours.what}`;
      const reports = reportsOf(peer.find(({ what }) => title.startsWith(`${what} `)) ?? {});
      const theirs = reports.find((report) => report.tokens_per_second !== undefined) ?? {};
      const chosen = reports.find((report) => report.attention)?.attention as
        | Record<string, { kind: string }>
        | undefined;
      const kinds = chosen && [...new Set(Object.values(chosen).map(({ kind }) => kind))].join(', ');
      const ratio = Number(ours.tokens_per_second) / Number(theirs.tokens_per_second);
      return [
        title,
        thousands(ours.tokens_per_second),
        round(ours.mfu_percent),
        round(ours.step_ms, 2),
        thousands(ours.peak_memory_mb),
        thousands(theirs.tokens_per_second),
        thousands(theirs.peak_memory_mb),
        Number.isFinite(ratio) ? round(ratio, 2) : '-',
        kinds ?? '-',
      ];
    });
  const head = [
    'run',
    'tokens/s',
    'MFU %',
    'ms a step',
    'peak MB',
    'PyTorch tokens/s',
    'its peak MB',
    'ratio',
    'its attention',
  ];
  return table('Training', head, rows);
}

function attentionTable(attention: Finding[], cudnn: Finding[]): string {
  const reports = attention.flatMap(reportsOf);
  const rows = attention
    .filter(({ shape }) => shape !== undefined)
    .map((ours) => {
      const same = reports.filter(
        (report) => report.kind && JSON.stringify(report.case) === JSON.stringify(ours.shape),
      );
      const best = same.sort((a, b) => Number(b.both_tflops) - Number(a.both_tflops))[0] ?? {};
      const fused: Partial<Finding> = cudnn.find(({ what }) => what === ours.what) ?? {};
      return [
        `${ours.what}`,
        ...[ours, fused, best].flatMap((each) => [round(each.forward_tflops), round(each.both_tflops)]),
        `${best.kind ?? '-'}`,
      ];
    });
  const both = 'and backward';
  const head = ['attention', 'forward TFLOP/s', both, 'by cuDNN', both, "PyTorch's forward", both, 'by'];
  return table('Attention alone', head, rows);
}

function lossLines(losses: Finding[]): string {
  const compared = losses.find(({ steps }) => steps !== undefined);
  if (!compared) return '';
  const means = compared.mean_of_last as { ours: number; theirs: number } | null;
  return list('Loss beside PyTorch on the same batches', [
    `${compared.steps} steps, largest difference ${round(compared.largest_difference, 4)}, at the first step ${round(compared.first_difference, 5)}`,
    ...(means
      ? [`mean of the last steps: ours ${round(means.ours, 4)}, PyTorch ${round(means.theirs, 4)}`]
      : []),
  ]);
}

const withoutLists = ({ part: _, time: __, what, seen: ___, ...finding }: Finding): string =>
  `${what}: ${JSON.stringify(finding)}`;

const partLine = ({ part, ended, skipped, seconds }: Finding): string =>
  skipped ? `${part}: skipped, ${skipped}` : `${part}: ${ended}, ${seconds} s`;
