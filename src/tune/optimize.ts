// The loop around ask and tell: runs an objective in this process until a limit is reached, and records how each
// trial ended, whatever the objective throws.

import { messageOf, UsageError } from '../base/errors.js';
import type { Study } from './study.js';
import { type Outcome, type RunningTrial, TrialPruned } from './trial.js';
import type { Trial } from './types.js';

/**
 * Evaluates a configuration. Throwing `TrialPruned` ends the trial as pruned; any other error fails it, with the
 * error's `reason` where it has one (as TrainingError), else `exception`.
 */
export type Objective = (trial: RunningTrial) => number | Promise<number>;

export type OptimizeOptions = {
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
  /** Called after each trial that ended here, those refused by the study's check included. */
  onTrial?: (trial: Trial, study: Study) => void;
  /** Whether an error of the objective only fails its trial (true unless set), or is thrown on. */
  catchErrors?: boolean;
};

export type OptimizeResult = {
  /** Trials that ended in this call, without the infeasible. */
  trials: number;
  /** Proposals that the check refused in this call. */
  infeasible: number;
  seconds: number;
  stopped: 'trials' | 'seconds' | 'signal';
};

/**
 * Runs trials one after another.
 * @throws UsageError where no limit is given or none is usable, or nothing feasible is found
 */
export async function optimize(
  study: Study,
  objective: Objective,
  options: OptimizeOptions,
): Promise<OptimizeResult> {
  const { trials = Infinity, seconds = Infinity, signal, onTrial, catchErrors = true } = options;
  if (options.trials === undefined && options.seconds === undefined && !signal)
    throw new UsageError('Expected trials, seconds or a signal to end the study, got none');
  if (!(trials >= 1)) throw new UsageError(`Expected trials >= 1, got ${trials}`);
  if (!(seconds > 0)) throw new UsageError(`Expected seconds > 0, got ${seconds}`);

  const begun = performance.now();
  const elapsed = () => (performance.now() - begun) / 1000;
  const result = { trials: 0, infeasible: 0 };
  const end = (stopped: OptimizeResult['stopped']) => ({ ...result, seconds: elapsed(), stopped });
  const onInfeasible = (trial: Trial) => {
    result.infeasible++;
    onTrial?.(trial, study);
  };

  while (true) {
    if (signal?.aborted) return end('signal');
    if (elapsed() >= seconds) return end('seconds');
    const trial = study.askWithin(trials, { signal, onInfeasible });
    if (trial === null) return end('trials');
    const { outcome, error } = await evaluate(objective, trial);
    const told = study.tell(trial, outcome);
    result.trials++;
    onTrial?.(told, study);
    if (error !== undefined && !catchErrors && !signal?.aborted) throw error;
  }
}

async function evaluate(
  objective: Objective,
  trial: RunningTrial,
): Promise<{ outcome: Outcome; error?: unknown }> {
  try {
    return { outcome: await objective(trial) };
  } catch (error) {
    if (error instanceof TrialPruned) return { outcome: { state: 'pruned' } };
    const message = messageOf(error);
    if (trial.signal.aborted) return { outcome: { state: 'fail', reason: 'interrupted', message } };
    const own = (error as { reason?: unknown } | null)?.reason;
    const reason = typeof own === 'string' ? own : 'exception';
    return { outcome: { state: 'fail', reason, message }, error };
  }
}
