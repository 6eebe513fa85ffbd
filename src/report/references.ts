// Published results to stand beside a study or a contest, as lines in its plot and rows below its table. Other data,
// hardware and budgets than the reader's own: they show what was claimed where, not what to expect here.

import { expect } from '../base/errors.js';

export type References = {
  name: string;
  /** What was measured, and how. */
  title: string;
  source: string;
  /** In order, best first. */
  lines: readonly { label: string; value: number; note?: string }[];
};

export const REFERENCES: readonly References[] = [
  {
    name: 'tinystories',
    title: 'val_bpb on TinyStories, eight hours for each on one consumer GPU',
    source: 'reported for an RTX 3060; presumably krokotsch.eu/posts/autoresearch-hyperopt, not checked',
    lines: [
      { label: 'CMA-ES', value: 0.4586 },
      { label: 'Gaussian process', value: 0.4587 },
      { label: 'random search', value: 0.4631 },
      { label: 'coding agent', value: 0.4667, note: '$27' },
    ],
  },
  {
    name: 'autoresearch-study',
    title: 'val_bpb of karpathy/autoresearch, 24 hours on one H200, means of three seeds',
    source: 'arXiv 2603.24647',
    lines: [
      { label: 'Centaur (CMA-ES and LLM)', value: 0.9739 },
      { label: 'TPE', value: 0.9768 },
      { label: 'coding agent', value: 0.977 },
      { label: 'SMAC', value: 0.9778 },
      { label: 'CMA-ES', value: 0.9785 },
      { label: 'random search', value: 0.9873 },
    ],
  },
  {
    name: 'autoresearch',
    title: "val_bpb of karpathy/autoresearch's own agent on one H100, 125 experiments of five minutes",
    source: 'github.com/karpathy/autoresearch, branch exp/H100/mar8, results.tsv',
    lines: [
      { label: 'after 125 experiments', value: 0.969686 },
      { label: 'after 50 experiments', value: 0.972694 },
      { label: 'after 25 experiments', value: 0.972849 },
      { label: 'after 10 experiments', value: 0.974729 },
      { label: 'baseline', value: 0.9979 },
    ],
  },
];

/** The set of a name. @throws UsageError listing the names */
export function referencesNamed(name: string): References {
  const found = REFERENCES.find((one) => one.name === name);
  expect(
    found !== undefined,
    () => `Expected a set of references among ${REFERENCES.map((one) => one.name).join(', ')}, got ${name}`,
  );
  return found;
}

/** The best value of a set, for plots with one line; `given` where that is set. @throws UsageError for an unknown name */
export const referenceValue = (given: number | undefined, name: string | undefined): number | undefined =>
  given ?? (name === undefined ? undefined : referencesNamed(name).lines[0]!.value);
