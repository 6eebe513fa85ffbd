// Studies as their users see them: options, the study itself, objectives and the limits of a run.

import type { Ending, ObjectiveValue, Outcome, RunningTrial } from './trial.js';
import type {
  Attributes,
  Direction,
  Params,
  ParamsOf,
  Pruner,
  Sampler,
  SearchSpace,
  StudyView,
  Trial,
} from './types.js';
import type { KnownStudy } from './warmStart.js';

/** Why a configuration cannot run, or null where it can. */
export type Check<P extends Params = Params> = (params: P) => { reason: string; detail: string } | null;

export type StudyOptions<S extends SearchSpace = SearchSpace> = {
  space: S;
  /** Trial 0, and where samplers start; the middle of the range for parameters left out. */
  defaults?: Partial<ParamsOf<NoInfer<S>>>;
  sampler: Sampler;
  pruner?: Pruner;
  /** Distinguishes studies in one journal. */
  name?: string;
  /**
   * Path of the journal, created or continued; in memory when left out. Or a server: `redis://` (Optuna's
   * JournalRedisBackend) or `grpc://` (Optuna's gRPC storage proxy).
   */
  storage?: string;
  /** Called when the connection to a server is lost, and when it is back; a warning of the process unless set. */
  onNote?: (line: string) => void;
  direction?: Direction;
  /**
   * Limits on what trials measure, such as `num_params<30e6`: on user attributes that are numbers, and on the objective
   * by its name. What violates one is complete, but never the best. A metric that a trial did not record violates its
   * constraint.
   */
  constraints?: readonly string[];
  /** Fixes every proposal. A continued study keeps its own unless one is given. */
  seed?: number | string;
  /** What else decides the meaning of a value; a study with another objective is not continued. */
  objective?: Attributes;
  /** More to store with a new study. */
  userAttrs?: Attributes;
  /** Name of the value, for Optuna's dashboard. */
  metricName?: string;
  /** Asked before a trial runs; what it refuses is recorded as failed (`infeasible`) and never run. */
  check?: Check<ParamsOf<NoInfer<S>>>;
  /**
   * A running trial of another machine without a sign of life for so long has lost its worker. Default 120. Infinity where
   * trials do not end with the process that asks for them: somebody else evaluates them.
   */
  graceSeconds?: number;
  /** How often a trial that lost its worker is enqueued again. Default 1. */
  retries?: number;
  /** Proposals in a row that `check` may refuse before `ask` gives up. */
  maxInfeasible?: number;
  /**
   * Results of other studies that samplers start from, see `knownStudies`. Recorded with the study when first given, and
   * kept when it is continued.
   */
  warmStart?: readonly KnownStudy[];
  /** Whether a new study begins with the defaults; true unless set. */
  runDefaults?: boolean;
};

/** One direction an objective. */
export type TwoDirections = readonly [Direction, Direction];

/** Options of a study of two objectives: its objective returns both values, and a front of trials takes the place of the best. */
export type ParetoOptions<S extends SearchSpace = SearchSpace> = Omit<
  StudyOptions<S>,
  'direction' | 'metricName' | 'pruner' | 'warmStart'
> & {
  directions: TwoDirections;
  /** Names of the values, for Optuna's dashboard, reports and constraints. */
  metricNames?: readonly [string, string];
};

export type AskOptions<S extends SearchSpace = SearchSpace> = {
  /** Passed to the trial. */
  signal?: AbortSignal | undefined;
  /** Called with trials that `check` refused on the way. */
  onInfeasible?: (trial: Trial<ParamsOf<S>>) => void;
};

/** Typed by its space: `params.lr` is a number, a categorical parameter the union of its choices. */
export type Study<S extends SearchSpace = SearchSpace> = Omit<StudyView, 'space' | 'defaults' | 'trials'> & {
  readonly name: string;
  readonly space: S;
  readonly defaults: ParamsOf<S>;
  /** All trials by number, running ones included. */
  readonly trials: readonly Trial<ParamsOf<S>>[];
  /** Absolute path of the journal; null in memory. */
  readonly path: string | null;
  readonly userAttrs: Attributes;
  /**
   * Starts the next trial: an enqueued one, else the sampler's proposal, which repeats an earlier one only where every
   * configuration was tried.
   * @throws UsageError when `maxInfeasible` proposals in a row cannot run, or at the first where none can
   */
  ask(options?: AskOptions<S>): RunningTrial<ParamsOf<S>>;
  /** `ask`, or null once the study has this many evaluated trials, running ones included, or tried every configuration. */
  askWithin(trials: number, options?: AskOptions<S>): RunningTrial<ParamsOf<S>> | null;
  /** `askWithin` for samplers that take time, such as a model's: waits for their proposal. Unlimited unless set. */
  askAsync(trials?: number, options?: AskOptions<S>): Promise<RunningTrial<ParamsOf<S>> | null>;
  /**
   * Ends a trial; NaN and what is no number count as failed. Does nothing where another process has ended it.
   * @returns the trial as recorded
   * @throws UsageError for a trial that was not asked for, or an object that is no outcome
   */
  tell(trial: { number: number } | number, outcome: Outcome): Trial<ParamsOf<S>>;
  /**
   * Adds configurations to run before the sampler's, all or none; parameters left out take their defaults.
   * @param options.skipIfExists leaves out those that the study has already, as often as it has them
   * @throws UsageError for an unknown parameter or a value outside its range, naming the entry of a list
   */
  enqueue(
    params: Partial<ParamsOf<S>> | readonly Partial<ParamsOf<S>>[],
    options?: { skipIfExists?: boolean },
  ): void;
  /**
   * Runs trials until a limit is reached, or every configuration of a finite space was tried.
   * @throws errors of the objective that are not a trial's own outcomes, unless `catch` is set
   */
  optimize(objective: Objective<ParamsOf<S>>, options: OptimizeOptions<S>): Promise<OptimizeResult>;
  /**
   * Asks every process that works on the study to stop after its running trial; runs that begin later are not concerned.
   * @param asked false withdraws the request, for runs that have not seen it yet
   */
  stop(asked?: boolean): void;
  /**
   * The best complete trial that satisfies the constraints, or null. Infinite values are values.
   * @throws UsageError in a study of two objectives
   */
  best(): (Trial<ParamsOf<S>> & { value: number }) | null;
  /** The Pareto front: complete trials that satisfy the constraints and that no other dominates, by number. */
  front(): Trial<ParamsOf<S>>[];
  /** Reads what other processes have written. */
  refresh(): void;
  /** Resolves once the storage can be reached and has everything that was told; at once for a file. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends the connection to a server, once the study is no longer used. */
  close(): void;
  /**
   * Fails running trials whose process is gone, and enqueues them again. Happens by itself before each trial for those
   * known to be dead or without a sign of life for the grace period.
   * @param options.unknown also those of other machines, containers and Python, which cannot be seen from here
   * @returns the numbers of those trials
   */
  reclaim(options?: { unknown?: boolean }): number[];
  /**
   * Stores something with the study.
   * @throws UsageError for null, what JSON cannot hold, or a name that the study itself uses (space, seed, ...)
   */
  setUserAttr(key: string, value: unknown): void;
};

/** The values of two objectives, in the order of the study's directions. */
export type TwoValues = readonly [number, number];

/** A study of two objectives. */
export type ParetoStudy<S extends SearchSpace = SearchSpace> = Omit<
  Study<S>,
  'best' | 'tell' | 'optimize'
> & {
  readonly directions: TwoDirections;
  /** As `Study.tell`; a trial without two numbers fails. */
  tell(trial: { number: number } | number, outcome: TwoValues | Ending<TwoValues>): Trial<ParamsOf<S>>;
  /** As `Study.optimize`. */
  optimize(
    objective: (trial: RunningTrial<ParamsOf<S>>) => TwoValues | Promise<TwoValues>,
    options: OptimizeOptions<S>,
  ): Promise<OptimizeResult>;
};

/**
 * Evaluates a configuration. Throwing `TrialPruned` ends the trial as pruned; an error with a `reason` (TrainingError, or
 * one of your own) and a value that is no number fail it; any other error fails it and ends `optimize`, see `catch`.
 */
export type Objective<P extends Params = Params> = (
  trial: RunningTrial<P>,
) => ObjectiveValue | Promise<ObjectiveValue>;

export type OptimizeOptions<S extends SearchSpace = SearchSpace> = {
  /**
   * Evaluated trials the study shall have in all, those of earlier runs and other workers included, so that the
   * same call resumes. Complete, pruned, failed and running trials count; infeasible, killed and interrupted ones
   * do not.
   */
  trials?: number;
  /** No trial is started after this many seconds of this call; the last one may run longer. */
  seconds?: number;
  /** Stops: the running trial sees it on its own `signal`. */
  signal?: AbortSignal;
  /** Asked before each trial; true ends the call. */
  until?: () => boolean;
  /** Called after each trial that ended here, those refused by the study's check included. */
  onTrial?: (trial: Study<S>['trials'][number], study: Study<S>) => void;
  /**
   * Errors that only fail their trial, as Optuna's `catch`: all (true), or those of these classes. Others are recorded
   * and thrown on. None unless set.
   */
  // biome-ignore lint/suspicious/noExplicitAny: constructors of any signature
  catch?: boolean | readonly (new (...args: any[]) => unknown)[];
};

export type OptimizeResult = {
  /** Trials that ended in this call, without the infeasible. */
  trials: number;
  /** Proposals that the check refused in this call. */
  infeasible: number;
  seconds: number;
  /** `exhausted`: every configuration of a finite space was tried; `asked`: by `Study.stop`. */
  stopped: 'trials' | 'seconds' | 'signal' | 'until' | 'exhausted' | 'asked';
};
