// The types that the tuning layer shares: distributions, parameters, trials, samplers and pruners.
// They mirror Optuna's so that a study opens in both.

/** Values that other parameters must have for a parameter to be part of a configuration, see conditions.ts. */
export type When = Readonly<Record<string, Choice | readonly Choice[]>>;

/**
 * A belief about the best value, used by all samplers and outweighed by trials: `width` is its standard deviation as a
 * share of the range (of its logarithm on a log scale). Choices have a center only.
 */
export type Prior<C extends Choice = Choice> = { readonly center: C; readonly width?: number };

/** A real number in [low, high]; `step` null or > 0; `log` excludes step and needs low > 0. */
export type FloatDistribution = {
  kind: 'float';
  low: number;
  high: number;
  log: boolean;
  step: number | null;
  when?: When;
  prior?: Prior<number>;
};
/** An integer in {low, low + step, ..., high}; `log` needs low >= 1 and step 1. */
export type IntDistribution = {
  kind: 'int';
  low: number;
  high: number;
  log: boolean;
  step: number;
  when?: When;
  prior?: Prior<number>;
};
/** One of the choices, unordered. */
export type CategoricalDistribution<C extends Choice = Choice> = {
  kind: 'categorical';
  choices: readonly C[];
  when?: When;
  prior?: Prior<C>;
};
export type Distribution = FloatDistribution | IntDistribution | CategoricalDistribution;
export type Choice = string | number | boolean | null;

/** Values by parameter name, as the objective sees them. */
export type Params = Record<string, Choice>;

/** Distributions by parameter name, in the order of the user's file. */
export type SearchSpace = Record<string, Distribution>;

/**
 * The values of a space by name: numbers, and for categorical parameters the union of their choices. Conditional parameters
 * are optional.
 */
export type ParamsOf<S extends SearchSpace> = {
  [K in Exclude<keyof S, ConditionalOf<S>>]: ValueOf<S[K]>;
} & { [K in ConditionalOf<S>]?: ValueOf<S[K]> };
type ConditionalOf<S extends SearchSpace> = {
  [K in keyof S]: S[K] extends { when: When } ? K : never;
}[keyof S];
type ValueOf<D extends Distribution> = D extends CategoricalDistribution<infer C> ? C : number;

export type TrialState = 'running' | 'complete' | 'pruned' | 'fail' | 'waiting';
export type Direction = 'minimize' | 'maximize';
export type Attributes = Record<string, unknown>;

/** A trial as the study log holds it. Never mutated by its readers. */
export interface Trial<P extends Params = Params> {
  /** Counts within the study from 0. */
  readonly number: number;
  /** Counts within the log file from 0. */
  readonly id: number;
  state: TrialState;
  /**
   * Objective value of a complete trial, which may be infinite; last intermediate value of a pruned one; else null. Of two
   * objectives it is the first one's.
   */
  value: number | null;
  /** The values of a complete trial of two objectives; absent in other studies. */
  values?: readonly number[];
  params: P;
  distributions: SearchSpace;
  /** Step -> value, as reported while running; may hold NaN and infinities. */
  intermediate: Map<number, number>;
  userAttrs: Attributes;
  systemAttrs: Attributes;
  /** Milliseconds since the epoch. */
  start: number | null;
  end: number | null;
}

/** What a sampler or pruner may look at. */
export interface StudyView {
  /** Absent where a view is made by hand; hyperband assigns trials to brackets by it. */
  readonly name?: string;
  readonly direction: Direction;
  /** Of a study of two objectives; absent in others. `direction` is then the first. */
  readonly directions?: readonly Direction[] | undefined;
  readonly space: SearchSpace;
  /** The default configuration, within the space. */
  readonly defaults: Params;
  /** All trials by number, running ones included. */
  readonly trials: readonly Trial[];
  /** Seeds every stream of the study. */
  readonly seed: number | string;
  /** Whether a configuration can run, where the study checks that before it starts a trial. */
  readonly canRun?: ((params: Params) => boolean) | undefined;
  /** Why a configuration cannot run, or null, where the study checks that. */
  readonly refusal?: ((params: Params) => { reason: string; detail: string } | null) | undefined;
  /** Trials of other studies with the same direction, as prior knowledge; a list for each. */
  readonly warmStart?: readonly (readonly Trial[])[] | undefined;
}

/** A proposal; `systemAttrs` are stored with the trial so that the sampler finds its own later. */
export interface Proposal {
  params: Params;
  systemAttrs?: Attributes;
  /** Stored with the trial for its readers. */
  userAttrs?: Attributes;
  /**
   * Of a proposal that took time: whether it is still wanted when its trial is started, since other processes may have
   * started trials meanwhile; where it is not, `ask` proposes.
   */
  stillFits?(trials: readonly Trial[]): boolean;
  /** Set where every configuration of the space was tried; `params` is then one of them again. */
  exhausted?: boolean;
}

/**
 * Proposes configurations. A sampler keeps no state that cannot be rebuilt from the trials, so that a
 * killed study resumes and several processes share one: `ask` is a function of (seed, trials, number).
 * It may cache derived state.
 */
export interface Sampler {
  readonly name: string;
  /** Whether it can search for the Pareto front of two objectives; absent: one objective only. */
  readonly paretoFronts?: boolean;
  /**
   * @param study the study with all its trials
   * @param number number of the trial to be started
   * @returns a point inside `study.space`
   */
  ask(study: StudyView, number: number): Proposal;
  /**
   * A proposal that takes time, such as a model's answer. `optimize` and `Study.askAsync` wait for it; `Study.ask` cannot
   * and takes that of `ask`.
   * @param signal aborts when the study is stopped or its time is over; the promise may then reject
   * @returns what it leaves out, `ask` decides; null leaves everything to it
   */
  askAsync?(study: StudyView, number: number, signal: AbortSignal): Promise<Partial<Proposal> | null>;
  /**
   * Whether the sampler can learn from a result at this point although it proposed others: within the reach of its
   * distribution. Absent where it learns from any point.
   */
  reaches?(study: StudyView, params: Params): boolean;
}

/** Decides whether a running trial should stop early. */
export interface Pruner {
  readonly name: string;
  /**
   * @param trial running, its latest intermediate value just reported
   * @param setSystemAttr stores what later decisions need with the trial, as Optuna's pruners do
   */
  shouldPrune(study: StudyView, trial: Trial, setSystemAttr: (key: string, value: unknown) => void): boolean;
}
