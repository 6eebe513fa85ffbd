// Medians, paired wins and trials-to-reach from the runs of the sampler benchmark, as data and as Markdown.

import { signedRankP } from '../../src/tune/pruners/wilcoxon.js';
import type { Run } from './race.js';
import type { Problem, TrainingProblem } from './types.js';

/** One sampler on one problem. */
export interface Row {
  problem: string;
  heldOut: boolean;
  sampler: string;
  seeds: number;
  /** Median noise-free value of the incumbent after half of the trials and after all. */
  half: number;
  final: number;
  /** Seeds that the reference sampler ran as well, and the medians of both over them. */
  pairs: number;
  pairedFinal: number;
  pairedReference: number;
  /** Of these, seeds where it ended lower / higher than the reference. */
  wins: number;
  losses: number;
  /** Of these, by the values of the incumbents on fresh seeds of real training, after half of the trials and after all. */
  fresh: readonly Fresh[];
  /** First trial count at which the median curve reaches the reference's final median, over its trials. */
  reach: number | null;
  fails: number;
  /** Mean seconds of an ask, median over seeds. */
  ask: number;
}

/** Medians over pairs, wins and losses, Wilcoxon's two-sided p. */
export interface Fresh {
  median: number;
  reference: number;
  wins: number;
  losses: number;
  p: number;
}

export interface Summary {
  trials: number;
  against: string;
  rows: Row[];
}

/** Median; an even count averages the middle two. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** @param against the sampler that wins and `reach` refer to */
export function summarize(
  runs: readonly Run[],
  problems: readonly (Problem | TrainingProblem)[],
  samplers: readonly string[],
  trials: number,
  against: string,
): Summary {
  const rows: Row[] = [];
  const at = (run: Run, trial: number) => run.curve[trial - 1] ?? Infinity;
  for (const problem of problems) {
    const reference = runs.filter((run) => run.problem === problem.name && run.sampler === against);
    for (const sampler of samplers) {
      const all = runs.filter((run) => run.problem === problem.name && run.sampler === sampler);
      if (all.length === 0) continue;
      const pairs = all.flatMap((run) => {
        const other = reference.find((r) => r.seed === run.seed);
        return other ? [[run, other] as const] : [];
      });
      const goal = median(pairs.map(([, other]) => at(other, trials)));
      let reach: number | null = null;
      for (let t = trials; t >= 1 && pairs.length; t--)
        if (median(pairs.map(([run]) => at(run, t))) <= goal) reach = t / trials;
      rows.push({
        problem: problem.name,
        heldOut: 'heldOut' in problem && problem.heldOut,
        sampler,
        seeds: all.length,
        half: median(all.map((run) => at(run, Math.ceil(trials / 2)))),
        final: median(all.map((run) => at(run, trials))),
        pairs: pairs.length,
        pairedFinal: median(pairs.map(([run]) => at(run, trials))),
        pairedReference: goal,
        wins: pairs.filter(([run, other]) => at(run, trials) < at(other, trials)).length,
        losses: pairs.filter(([run, other]) => at(run, trials) > at(other, trials)).length,
        fresh: [0, 1].flatMap((at) => freshOf(pairs, at) ?? []),
        reach,
        fails: median(all.map((run) => run.fails)),
        ask: median(all.map((run) => run.ask)),
      });
    }
  }
  return { trials, against, rows };
}

/** The comparison by fresh values, after half of the trials or after all; null where there are none. */
function freshOf(pairs: readonly (readonly [Run, Run])[], at: number): Fresh | null {
  const both = pairs.flatMap(([run, other]) =>
    run.fresh && other.fresh ? [[run.fresh[at] ?? Infinity, other.fresh[at] ?? Infinity] as const] : [],
  );
  if (both.length === 0) return null;
  const differences = both.map(([a, b]) => (a === b ? 0 : a - b));
  const tails = [differences, differences.map((x) => -x)].map(signedRankP);
  return {
    median: median(both.map(([a]) => a)),
    reference: median(both.map(([, b]) => b)),
    wins: differences.filter((x) => x < 0).length,
    losses: differences.filter((x) => x > 0).length,
    p: Math.min(1, 2 * Math.min(...tails)),
  };
}

/** The summary as a Markdown table. */
export function describeRuns({ trials, against, rows }: Summary): string {
  const number = (x: number) => (Number.isFinite(x) ? x.toPrecision(4) : '-');
  const lines = [
    `| problem | sampler | seeds | ${Math.ceil(trials / 2)} trials | ${trials} trials | pairs with ${against} | wins-losses | their medians | trials to reach its | failed trials | ask, ms |`,
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) =>
      [
        '',
        row.problem + (row.heldOut ? ' (held out)' : ''),
        row.sampler,
        row.seeds,
        number(row.half),
        number(row.final),
        ...(row.sampler === against || row.pairs === 0
          ? ['-', '-', '-']
          : [
              row.pairs,
              `${row.wins}-${row.losses}`,
              `${number(row.pairedFinal)} : ${number(row.pairedReference)}`,
            ]),
        row.reach === null ? '-' : `${row.reach.toFixed(2)}x`,
        row.fails,
        (row.ask * 1000).toPrecision(3),
        '',
      ]
        .join(' | ')
        .trim(),
    ),
  ];
  const fresh = rows.filter((row) => row.fresh.length > 0 && row.sampler !== against);
  if (fresh.length > 0)
    lines.push(
      '',
      `| on fresh seeds | pairs with ${against} | after ${Math.ceil(trials / 2)} trials | wins-losses, p | after ${trials} trials | wins-losses, p |`,
      '|---|---|---|---|---|---|',
      ...fresh.map((row) => {
        const parts = row.fresh.flatMap(({ median, reference, wins, losses, p }) => [
          `${number(median)} : ${number(reference)}`,
          `${wins}-${losses}, ${p.toFixed(3)}`,
        ]);
        return `| ${[row.sampler, row.pairs, ...parts].join(' | ')} |`;
      }),
    );
  return lines.join('\n') + '\n';
}
