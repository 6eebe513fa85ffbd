// The loop around ask and tell: runs an objective in this process until a limit is reached, and records how each
// trial ended, no matter what the objective throws.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import { DeviceLostError, messageOf, UsageError } from '../base/errors.js';
import { countsAsEvaluated } from './starting.js';
import type { Objective, OptimizeOptions, OptimizeResult, Study } from './studyTypes.js';
import { type Ending, type RunningTrial, TrialPruned } from './trial.js';
import type { SearchSpace, Trial } from './types.js';

/** A run that ends waits so long for a lost server; what is still to be recorded is then left on disk. */
const FLUSH_MS = 5000;

/**
 * Starts one trial; a refused one is returned as it was recorded, null means that the limit is reached or nothing is left
 * to try. Rejects where the signal aborts or the seconds pass while the sampler takes its time.
 */
export type StartTrial = (
  limit: number,
  signal?: AbortSignal,
  seconds?: number,
) => Promise<RunningTrial | Trial | null>;

/**
 * Runs trials one after another.
 * @param stopRequest the request to stop that stands; one that stood at the beginning is not for this run
 * @throws UsageError where no limit is given or none is usable, or nothing feasible is found; DeviceLostError of the objective,
 * whose trial has failed with it: only a new process can resume the study
 */
export async function optimize<S extends SearchSpace>(
  study: Study<S>,
  next: StartTrial,
  objective: Parameters<Study<S>['optimize']>[0],
  options: OptimizeOptions<S>,
  stopRequest: () => string | null,
): Promise<OptimizeResult> {
  const { trials = Infinity, seconds = Infinity, signal, onTrial } = options;
  if (options.trials === undefined && options.seconds === undefined && !signal)
    throw new UsageError('Expected trials, seconds or a signal to end the study, got none');
  if (!(trials >= 1)) throw new UsageError(`Expected trials >= 1, got ${trials}`);
  if (!(seconds > 0)) throw new UsageError(`Expected seconds > 0, got ${seconds}`);

  const begun = performance.now();
  const elapsed = () => (performance.now() - begun) / 1000;
  const result = { trials: 0, infeasible: 0 };
  const end = (stopped: OptimizeResult['stopped']) => ({ ...result, seconds: elapsed(), stopped });
  let warned = false;
  const earlier = stopRequest();

  while (true) {
    await letEventsIn();
    if (!signal?.aborted && elapsed() < seconds) await study.ready(signal); // a server that is lost may come back
    if (signal?.aborted || elapsed() >= seconds) {
      await study.ready(AbortSignal.timeout(FLUSH_MS));
      return end(signal?.aborted ? 'signal' : 'seconds');
    }
    if (options.until?.()) return end('until');
    const request = stopRequest();
    if (request !== null && request !== earlier) return end('asked');
    let trial: RunningTrial | Trial | null;
    try {
      trial = await next(trials, signal, seconds - elapsed());
    } catch (error) {
      if (!isStop(error, signal)) throw error;
      continue;
    }
    if (trial === null)
      return end(study.trials.filter(countsAsEvaluated).length < trials ? 'exhausted' : 'trials');
    if ('state' in trial) {
      result.infeasible++;
      onTrial?.(trial as Study<S>['trials'][number], study);
      continue;
    }
    const { outcome, error } = await evaluate(objective as Objective, trial as RunningTrial);
    const finished = study.tell(trial.number, outcome);
    result.trials++;
    // The objective's own failures say so themselves.
    if (outcome.state === 'complete' && finished.state === 'fail' && !warned) {
      warned = true;
      process.emitWarning(
        `Trial ${finished.number} failed: ${finished.userAttrs.fail_message}`,
        'TinygptWarning',
      );
    }
    onTrial?.(finished, study);
    // Every later trial would fail at once: the study is left for a new process.
    if (error instanceof DeviceLostError) throw error;
    if (error !== undefined && !isCaught(error, options.catch) && !signal?.aborted) throw error;
  }
}

/** What a wait rejects with that was ended by a signal or by time. */
const isStop = (error: unknown, signal: AbortSignal | undefined): boolean =>
  (signal?.aborted && error === signal.reason) ||
  ['AbortError', 'TimeoutError'].includes((error as Error | null | undefined)?.name ?? '');

/** The `reason` of an error, where it has one that says something. */
function reasonOf(error: unknown): string | undefined {
  try {
    const { reason } = Object(error) as { reason?: unknown };
    return typeof reason === 'string' && reason !== '' ? reason : undefined;
  } catch {
    return undefined; // an object whose properties cannot be read
  }
}

const isCaught = (error: unknown, caught: OptimizeOptions['catch'] = false): boolean =>
  typeof caught === 'boolean' ? caught : caught.some((errorClass) => error instanceof errorClass);

/** How a trial ended, and the error that was none of its own outcomes. */
async function evaluate(
  objective: Objective,
  trial: RunningTrial,
): Promise<{ outcome: Ending; error?: unknown }> {
  try {
    return { outcome: { state: 'complete', value: await objective(trial) } };
  } catch (error) {
    if (error instanceof TrialPruned) return { outcome: { state: 'pruned' } };
    const message = messageOf(error);
    if (trial.signal.aborted) return { outcome: { state: 'fail', reason: 'interrupted', message } };
    const reason = reasonOf(error);
    const lost = error instanceof DeviceLostError && { error };
    if (reason !== undefined) return { outcome: { state: 'fail', reason, message }, ...lost };
    return { outcome: { state: 'fail', reason: 'exception', message }, error: error ?? new Error(message) };
  }
}
