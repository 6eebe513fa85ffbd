// Proposes a search space for the constants of a script, as a start to edit: by name where the name says what a constant
// is (learning rates, ratios, sizes), the reference's own constants in the ranges of the published study
// (arXiv 2603.24647). What is left out is listed with the reason.

import { categorical, float, int } from '../distributions.js';
import type { Choice, Distribution, Params, SearchSpace } from '../types.js';
import { type Constant, constantsIn, repeatedIn } from './constants.js';
import type { Language } from './lexer.js';

/** A space for a script. */
export type Proposed = {
  space: SearchSpace;
  /** The script's own values. */
  defaults: Params;
  /** Parameter -> the comment beside the constant; empty where there is none. */
  comments: Record<string, string>;
  leftOut: { name: string; reason: string }[];
};

const WINDOWS = ['SSSL', 'SSLL', 'SLSL', 'LLLL', 'SSSS', 'LSSL'];

/** The published ranges, used where the script's value lies within. */
const PUBLISHED: Readonly<Record<string, Distribution>> = {
  DEPTH: int(4, 24),
  ASPECT_RATIO: int(32, 128),
  log2_HEAD_DIM: int(6, 8),
  log2_DEVICE_BATCH_SIZE: int(5, 8),
  log2_TOTAL_BATCH_SIZE: int(16, 21),
  EMBEDDING_LR: float(0.01, 2, { log: true }),
  UNEMBEDDING_LR: float(0.0005, 0.05, { log: true }),
  MATRIX_LR: float(0.005, 0.2, { log: true }),
  SCALAR_LR: float(0.05, 2, { log: true }),
  WEIGHT_DECAY: float(0, 0.5),
  WARMUP_RATIO: float(0, 0.3),
  WARMDOWN_RATIO: float(0.1, 0.8),
  FINAL_LR_FRAC: float(0, 0.2),
  WINDOW_PATTERN: categorical(WINDOWS),
};

/** Words of a name (`HEAD_DIM`, `headDim`, `optim.lr`) that say it should not be searched, and why. */
const EXCLUDED: readonly (readonly [RegExp, string])[] = [
  [/^(?:seed|rng|random)$/, 'a seed is no hyperparameter'],
  [
    /^(?:eval|val|test|validation|log|logging|print|save|checkpoint|ckpt|report)$/,
    'evaluation and logging stay fixed',
  ],
  [
    /^(?:time|budget|seconds|minutes|hours|timeout|epochs|iters|iterations|steps|max)$/,
    'limits and budgets stay fixed',
  ],
  [
    /^(?:path|dir|file|filename|url|name|project|dtype|backend|host|port|user|id|version|token|bos|eos)$/,
    'no hyperparameter by its name',
  ],
  [
    /^(?:flops|peak|workers|threads|gpus|gpu|world|rank|shard|shards|vocab|classes|in|out)$/,
    'given by the machine or the data',
  ],
];

/** `torch_seed`, `randomSeed`, `config.seed`, `SEEDS[0]`: no hyperparameter, whatever sets it. */
export const isSeed = (name: string): boolean =>
  /(?:(?:^|[^A-Za-z])(?:[Ss]eed|SEED)|[a-z]Seed)[sS]?(?:\[\d+\])*$/.test(name);

const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter(Boolean);

/** Proposes a space for a script. Empty where nothing in it looks like a hyperparameter. */
export function proposeSpace(text: string, language: Language): Proposed {
  const found: Proposed = { space: {}, defaults: {}, comments: {}, leftOut: [] };
  for (const constant of constantsIn(text, language)) {
    const { name, comment } = constant;
    const proposal = propose(constant);
    if ('reason' in proposal) {
      const { reason } = proposal;
      const table = reason === TABLE ? name.replace(/\[.*/, '') : name;
      if (found.leftOut.at(-1)?.name !== table) found.leftOut.push({ name: table, reason });
      continue;
    }
    const parameter = proposal.log2 ? `log2_${name}` : name;
    const published = PUBLISHED[parameter];
    const { value } = proposal;
    found.space[parameter] = published && fits(published, value) ? published : proposal.distribution;
    found.defaults[parameter] = value;
    found.comments[parameter] = comment;
  }
  const repeated = repeatedIn(text, language).map((name) => ({ name, reason: 'assigned more than once' }));
  found.leftOut.push(...repeated);
  return found;
}

/** The values of a script's constants by name, powers of two also as `log2_NAME`. */
export function scriptValues(text: string, language: Language): Params {
  return Object.fromEntries(
    constantsIn(text, language).flatMap(({ name, literal }): [string, Choice][] => {
      if (literal.kind === 'other' || literal.kind === 'list' || literal.kind === 'dict') return [];
      const { value } = literal;
      const exponent = typeof value === 'number' ? Math.log2(value) : Number.NaN;
      return [
        [name, value],
        ...(Number.isInteger(exponent) ? [[`log2_${name}`, exponent] as [string, Choice]] : []),
      ];
    }),
  );
}

/** What a script says beside its constants, by name; those without a comment are left out. */
export function scriptComments(text: string, language: Language): Record<string, string> {
  const constants = constantsIn(text, language).filter(({ comment }) => comment !== '');
  return Object.fromEntries(constants.map(({ name, comment }) => [name, comment]));
}

const TABLE = 'a table of numbers';

const fits = (distribution: Distribution, value: Choice): boolean =>
  distribution.kind === 'categorical'
    ? distribution.choices.includes(value)
    : typeof value === 'number' && value >= distribution.low && value <= distribution.high;

type Proposal = { distribution: Distribution; value: Choice; log2?: boolean } | { reason: string };

function propose({ name, literal, nested }: Constant): Proposal {
  const words = wordsOf(name);
  const excluded = EXCLUDED.find(([pattern]) => words.some((word) => pattern.test(word)));
  // WARMUP_STEPS and MAX_LR are settings of the schedule.
  const isRate = words.includes('lr') || (words.includes('learning') && words.includes('rate'));
  const isSchedule =
    isRate || words.some((word) => /^(?:warmup|warmdown|cooldown|decay|momentum)$/.test(word));
  const isKnown = Object.hasOwn(PUBLISHED, name) || Object.hasOwn(PUBLISHED, `log2_${name}`);
  if (excluded && !isKnown && !(isSchedule && excluded[1].startsWith('limits')))
    return { reason: excluded[1] };
  if (nested) return { reason: 'inside a block, not at the top of the module' };
  if (/\]\[|\[\d\d|\[[4-9]/.test(name)) return { reason: TABLE };
  if (literal.kind === 'constant')
    return typeof literal.value === 'boolean'
      ? { distribution: categorical([true, false]), value: literal.value }
      : { reason: 'null; give a range by hand' };
  if (literal.kind === 'string')
    return words.includes('window') && WINDOWS.includes(literal.value)
      ? { distribution: categorical(WINDOWS), value: literal.value }
      : { reason: 'a text; give its choices by hand' };
  if (literal.kind !== 'number') return { reason: 'no single value' };
  return proposeNumber(words, literal.value, literal.integer, isRate);
}

function proposeNumber(words: readonly string[], value: number, integer: boolean, isRate: boolean): Proposal {
  const is = (pattern: RegExp) => words.some((word) => pattern.test(word));
  const around = (factor: number) => float(rounded(value / factor), rounded(value * factor), { log: true });
  if (value < 0) return { reason: 'negative; give a range by hand' };
  if ((is(/^(?:ratio|frac|fraction|dropout|prob|p)$/) || (is(/^rate$/) && !isRate)) && value <= 1)
    return { distribution: float(0, value <= 0.25 ? 0.5 : 1), value };
  if (is(/^(?:decay|wd)$/) && !isRate && !integer && value <= 1)
    return { distribution: float(0, Math.max(0.5, rounded(2 * value))), value };
  if (is(/^(?:betas?|momentum|ema)\d*$/) && value >= 0.5 && value < 1)
    return {
      distribution: float(rounded(Math.max(0.5, 1 - 4 * (1 - value)), 4), rounded(1 - (1 - value) / 4, 4)),
      value,
    };
  if (value === 0) return { reason: '0; give a range by hand' };
  const extreme = { reason: 'of an extreme size; give a range by hand' };
  if (!integer) {
    if (!(value >= 1e-300 && value <= 1e300)) return extreme;
    if (is(/^(?:eps|epsilon)$/)) return { distribution: around(100), value };
    return { distribution: around(isRate ? 10 : 4), value };
  }
  const exponent = Math.log2(value);
  if (value >= 8 && Number.isInteger(exponent) && is(/^(?:batch|size|dim|width|hidden|seq|len|heads?)$/))
    return { distribution: int(Math.max(0, exponent - 2), exponent + 2), value: exponent, log2: true };
  if (value > Number.MAX_SAFE_INTEGER / 4) return extreme;
  if (value > 1000) return { distribution: int(Math.round(value / 4), value * 4, { log: true }), value };
  return { distribution: int(Math.max(1, Math.floor(value / 2)), value * 2), value };
}

/** To so many significant digits. */
const rounded = (value: number, digits = 2): number => Number(value.toPrecision(digits));
