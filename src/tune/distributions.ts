// The three kinds of parameters: construction and validation, membership, the map to the unit interval that
// samplers work in, and the internal representation of the study log (a categorical value is its index).
// The rules are Optuna's, so that a study means the same in both; sampling strategies are in samplers/.
//
// Unit interval (Optuna's transform): u = (g(x) - g(lo - s/2)) / (g(hi + s/2) - g(lo - s/2)), g = ln for a log
// scale, else the identity; s is the step (1 for plain integers, 0 for continuous floats), so that every value
// of a grid owns an equally wide (in g) cell. A categorical value owns the cell of its index: u = (i + 1/2) / n.

import { UsageError } from '../base/errors.js';
import { formatJson, show } from '../base/json.js';
import type { Random } from '../base/random.js';
import type {
  CategoricalDistribution,
  Choice,
  Distribution,
  FloatDistribution,
  IntDistribution,
  Params,
  Prior,
  SearchSpace,
  When,
} from './types.js';

export type NumericDistribution = FloatDistribution | IntDistribution;

type CommonOptions<C extends Choice = Choice> = {
  /** Used in messages only. */
  name?: string;
  /** Values of other parameters with which this one exists; always where left out. */
  when?: When | undefined;
  /** A belief about the best value, see `Prior`. */
  prior?: Prior<C> | undefined;
};
/** What a distribution keeps of its options' types: whether it is conditional. */
type WhenOf<O> = O extends { when: infer W extends When } ? { when: W } : unknown;
export type NumericOptions = CommonOptions<number> & { log?: boolean; step?: number | null };

function fail(name: string | undefined, message: string): never {
  throw new UsageError(name === undefined ? `Expected ${message}` : `Parameter ${name}: expected ${message}`);
}

function checkRange(low: unknown, high: unknown, log: unknown, name: string | undefined): void {
  if (typeof low !== 'number' || !Number.isFinite(low)) fail(name, `low to be a number, got ${show(low)}`);
  if (typeof high !== 'number' || !Number.isFinite(high))
    fail(name, `high to be a number, got ${show(high)}`);
  if (low > high) fail(name, `low <= high, got the empty range [${low}, ${high}]`);
  if (typeof log !== 'boolean') fail(name, `log to be true or false, got ${show(log)}`);
}

/**
 * A real parameter in [low, high]. Where `step` does not divide the range, high is lowered to the last value
 * on the grid, as Optuna does.
 * @example float(1e-4, 1e-1, { log: true })
 * @throws UsageError for an empty range, NaN, a log scale from zero, log together with a step
 */
export function float<const O extends NumericOptions>(
  low: number,
  high: number,
  options?: O,
): FloatDistribution & WhenOf<O>;
export function float(low: number, high: number, options: NumericOptions = {}): FloatDistribution {
  const { log = false, step = null, name } = options;
  checkRange(low, high, log, name);
  if (log && low <= 0) fail(name, `low > 0 on a log scale, got ${low}; raise low or drop log`);
  if (step === null) return withExtras({ kind: 'float', low, high, log, step: null }, options);
  if (typeof step !== 'number' || !(step > 0 && step < Infinity)) fail(name, `step > 0, got ${show(step)}`);
  if (log) fail(name, `either log or step, got both; drop one`);
  if ((high - low) / step > Number.MAX_SAFE_INTEGER)
    fail(name, `at most 2^53 steps, got step ${step} in [${low}, ${high}]; drop step`);
  return withExtras({ kind: 'float', low, high: lastOnGrid(low, high, step), log, step }, options);
}

/**
 * An integer parameter in {low, low + step, ..., high}; high is lowered to the grid where step does not divide.
 * @example int(4, 24)
 * @throws UsageError as `float`, and where low, high or step is not an integer
 */
export function int<const O extends NumericOptions>(
  low: number,
  high: number,
  options?: O,
): IntDistribution & WhenOf<O>;
export function int(low: number, high: number, options: NumericOptions = {}): IntDistribution {
  const { log = false, name } = options;
  const step = options.step ?? 1;
  checkRange(low, high, log, name);
  for (const [key, value] of Object.entries({ low, high, step }))
    if (!Number.isSafeInteger(value))
      fail(
        name,
        `${key} to be an integer${Number.isInteger(value) ? ' below 2^53' : ''}, got ${show(value)}`,
      );
  if (step <= 0) fail(name, `step > 0, got ${step}`);
  if (!Number.isSafeInteger(high - low))
    fail(name, `high - low < 2^53, got the range [${low}, ${high}]; narrow it`);
  if (log && low < 1) fail(name, `low >= 1 on a log scale, got ${low}; raise low or drop log`);
  if (log && step !== 1) fail(name, `step 1 on a log scale, got ${step}; drop one`);
  const last = low + Math.floor((high - low) / step) * step;
  return withExtras({ kind: 'int', low, high: last, log, step }, options);
}

/**
 * An unordered choice among at least one of strings, finite numbers, booleans and null.
 * @example categorical(['SSSL', 'SSLL', 'LLLL'])
 * @throws UsageError for no choices, duplicates (true equals 1 and false equals 0, as in Python), other types
 */
export function categorical<const C extends Choice, const O extends CommonOptions<NoInfer<C>>>(
  choices: readonly C[],
  options?: O,
): CategoricalDistribution<C> & WhenOf<O>;
export function categorical<const C extends Choice>(
  choices: readonly C[],
  options: CommonOptions<NoInfer<C>> = {},
): CategoricalDistribution<C> {
  const { name } = options;
  if (!Array.isArray(choices) || choices.length === 0)
    fail(name, `at least one choice, got ${show(choices)}`);
  const seen = new Map<Choice, Choice>();
  for (const choice of choices as readonly unknown[]) {
    if (!isChoice(choice))
      fail(name, `choices to be strings, finite numbers, booleans or null, got ${show(choice)}`);
    const key = typeof choice === 'boolean' ? Number(choice) : choice;
    if (seen.has(key)) fail(name, `distinct choices, got ${show(seen.get(key))} and ${show(choice)}`);
    seen.set(key, choice);
  }
  return withExtras({ kind: 'categorical', choices: [...choices] }, options);
}

/** Adds `when` and `prior`, checked, where they are given. */
function withExtras<D extends Distribution>(
  distribution: D,
  options: CommonOptions<never> | CommonOptions,
): D {
  const { name, when, prior } = options as CommonOptions;
  if (when !== undefined) checkWhen(name, when);
  if (prior !== undefined) checkPrior(name, prior, distribution);
  return { ...distribution, ...(when !== undefined && { when }), ...(prior !== undefined && { prior }) };
}

function checkWhen(name: string | undefined, when: unknown): void {
  const isList = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isChoice);
  const values = typeof when === 'object' && when !== null && !Array.isArray(when) ? Object.values(when) : [];
  if (values.length === 0 || !values.every((value) => isChoice(value) || isList(value)))
    fail(
      name,
      `when to give values of other parameters, such as {"optimizer": "adamw"} or {"depth": [4, 6]}, got ${JSON.stringify(when)}`,
    );
}

function checkPrior(name: string | undefined, prior: unknown, distribution: Distribution): void {
  const { center, width, ...rest } = Object(prior) as Record<string, unknown>;
  const isKnown = distribution.kind === 'categorical' ? width === undefined : (width as number) > 0;
  if (!contains(distribution, center) || !isKnown || Object.keys(rest).length > 0)
    fail(
      name,
      distribution.kind === 'categorical'
        ? `prior to be {"center": one of the choices}, got ${JSON.stringify(prior)}`
        : `prior to be {"center": a value in the range, "width": a share of the range > 0}, got ${JSON.stringify(prior)}`,
    );
}

function isChoice(value: unknown): value is Choice {
  return value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value);
}

/**
 * The distribution validated and with its defaults filled in, from plain data such as a JSON file's.
 * @param name of the parameter, for messages
 * @throws UsageError naming the parameter
 */
export function checkDistribution(name: string, value: unknown): Distribution {
  if (typeof value !== 'object' || value === null)
    fail(name, `a distribution such as {"kind": "float", "low": 0, "high": 1}, got ${show(value)}`);
  const { kind, low, high, log, step, choices, when, prior, ...rest } = value as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined)
    fail(name, `the keys kind, low, high, log, step, choices, when or prior, got ${show(unknown)}`);
  const common = { name, when: when as When | undefined, prior: prior as never };
  const options = { ...common, log: (log ?? false) as boolean, step: step as number | null };
  if (kind === 'float') return float(low as number, high as number, options);
  if (kind === 'int') return int(low as number, high as number, options);
  if (kind === 'categorical') return categorical(choices as Choice[], common);
  return fail(name, `kind to be "float", "int" or "categorical", got ${show(kind)}`);
}

/** True for floats and integers. */
export function isNumeric(distribution: Distribution): distribution is NumericDistribution {
  return distribution.kind !== 'categorical';
}

/** How many values there are; Infinity for a continuous range of more than one point. */
export function cardinality(distribution: Distribution): number {
  if (distribution.kind === 'categorical') return distribution.choices.length;
  const { low, high } = distribution;
  if (low === high) return 1;
  return distribution.step ? Math.round((high - low) / distribution.step) + 1 : Infinity;
}

/** Index of a choice, or -1. */
export function choiceIndex(distribution: CategoricalDistribution, value: unknown): number {
  return distribution.choices.indexOf(value as Choice);
}

/** Whether the value lies in the distribution; a float on a grid may be off by 1e-8 steps, and by its own rounding. */
export function contains(distribution: Distribution, value: unknown): boolean {
  if (distribution.kind === 'categorical') return choiceIndex(distribution, value) >= 0;
  if (typeof value !== 'number' || !(value >= distribution.low && value <= distribution.high)) return false;
  if (distribution.kind === 'int')
    return Number.isInteger(value) && (value - distribution.low) % distribution.step === 0;
  if (distribution.step === null) return true;
  const { low, high, step } = distribution;
  const k = (value - low) / step;
  const rounding = 5e-15 * Math.max(Math.abs(low), Math.abs(high)); // of 15 digits, see `nearest`
  return Math.abs(k - Math.round(k)) < 1e-8 + rounding / step;
}

/** The value of the distribution nearest to x. */
export function nearest(distribution: NumericDistribution, x: number): number {
  const { low, high, step } = distribution;
  if (!step) return Math.min(high, Math.max(low, x));
  const onGrid = low + Math.round((x - low) / step) * step;
  // 15 digits drop the dust of the product: 0.3, not 0.30000000000000004.
  const clean = distribution.kind === 'int' ? onGrid : Number(onGrid.toPrecision(15));
  return Math.min(high, Math.max(low, clean));
}

/** g(lo - s/2) and g(hi + s/2): the ends of the widened range on its own scale. */
function widenedRange(distribution: NumericDistribution): [number, number] {
  const half = (distribution.step ?? 0) / 2;
  const finite = (x: number) => Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, x));
  const ends: [number, number] = [finite(distribution.low - half), finite(distribution.high + half)];
  return distribution.log ? [Math.log(ends[0]), Math.log(ends[1])] : ends;
}

/**
 * Position of a value in the unit interval; 1/2 where there is only one value.
 * @throws UsageError for a categorical value that is not among the choices
 */
export function toUnit(distribution: Distribution, value: Choice): number {
  if (distribution.kind === 'categorical')
    return (toInternal(distribution, value) + 0.5) / distribution.choices.length;
  const [from, to] = widenedRange(distribution);
  if (from === to) return 0.5;
  const x = distribution.log ? Math.log(value as number) : (value as number);
  // A range as wide as all floats has no finite length; its halves do.
  return to - from < Infinity ? (x - from) / (to - from) : (x / 2 - from / 2) / (to / 2 - from / 2);
}

/** The value whose cell holds u; u is clipped to [0, 1] first. Always a member of the distribution. */
export function fromUnit(distribution: Distribution, u: number): Choice {
  const clipped = Math.min(1, Math.max(0, u));
  if (distribution.kind === 'categorical') {
    const n = distribution.choices.length;
    return distribution.choices[Math.min(n - 1, Math.floor(clipped * n))]!;
  }
  const [from, to] = widenedRange(distribution);
  const x = to - from < Infinity ? from + clipped * (to - from) : from * (1 - clipped) + to * clipped;
  return nearest(distribution, distribution.log ? Math.exp(x) : x);
}

/** One uniform draw on the widened range (in its log where the scale is), then rounding. */
export function sampleUniform(distribution: Distribution, random: Random): Choice {
  return fromUnit(distribution, random.uniform());
}

/** A uniform draw of every parameter, conditional ones included. */
export function sampleSpace(space: SearchSpace, random: Random): Params {
  return Object.fromEntries(
    Object.entries(space).map(([name, distribution]) => [name, sampleUniform(distribution, random)]),
  );
}

/**
 * The number that the study log stores.
 * @throws UsageError for a categorical value that is not among the choices
 */
export function toInternal(distribution: Distribution, value: Choice): number {
  if (distribution.kind !== 'categorical') return value as number;
  const index = choiceIndex(distribution, value);
  if (index < 0)
    throw new UsageError(`Expected one of ${distribution.choices.map(show).join(', ')}, got ${show(value)}`);
  return index;
}

/** The value that the study log's number stands for. */
export function fromInternal(distribution: Distribution, internal: number): Choice {
  if (distribution.kind === 'float') return internal;
  if (distribution.kind === 'int') return Math.trunc(internal);
  return distribution.choices[Math.trunc(internal)] ?? null;
}

/** One line for people: `float 0.001 .. 0.2 log`, `int 4 .. 24`, `one of "SSSL", "LLLL" when depth = 8`. */
export function describeDistribution(distribution: Distribution): string {
  const { when = {} } = distribution;
  const conditions = Object.entries(when).map(
    ([name, value]) => `${name} = ${(Array.isArray(value) ? value : [value]).map(show).join(' or ')}`,
  );
  const suffix = conditions.length > 0 ? ` when ${conditions.join(', ')}` : '';
  if (distribution.kind === 'categorical')
    return `one of ${distribution.choices.map(show).join(', ')}${suffix}`;
  const { kind, low, high, log, step } = distribution;
  const grid = step !== null && !(kind === 'int' && step === 1) ? ` step ${step}` : '';
  return `${kind} ${low} .. ${high}${log ? ' log' : ''}${grid}${suffix}`;
}

/** Whether two distributions are the same, bounds included. */
export function sameDistribution(a: Distribution, b: Distribution): boolean {
  return formatJson(a) === formatJson(b);
}

/** Largest low + k step <= high, in decimal arithmetic: 1 is on the grid of 0 with step 0.1. */
function lastOnGrid(low: number, high: number, step: number): number {
  const parts = [low, high, step].map(decimal);
  const exponent = Math.min(...parts.map((part) => part.exponent));
  const [lo, hi, st] = parts.map((part) => part.digits * 10n ** BigInt(part.exponent - exponent));
  const rest = (hi! - lo!) % st!;
  // A high that was itself rounded to a double counts as on the grid, so that lowering twice is lowering once.
  if (rest * 10n ** 10n < st! || (st! - rest) * 10n ** 10n < st!) return high;
  return Number(`${lo! + ((hi! - lo!) / st!) * st!}e${exponent}`);
}

/** The shortest decimal that reads back as x, as digits * 10^exponent. */
function decimal(x: number): { digits: bigint; exponent: number } {
  const [mantissa, power] = x.toExponential().split('e');
  const [whole, fraction = ''] = mantissa!.split('.');
  return { digits: BigInt(whole! + fraction), exponent: Number(power) - fraction.length };
}
