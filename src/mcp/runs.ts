// What run_trials runs: one run at a time, within the minutes of the server, with news for the client and a confirmation at
// the end.

import type { ServerContext } from '@modelcontextprotocol/server';
import { UsageError } from '../base/errors.js';
import { countsAsEvaluated } from '../tune/starting.js';
import type { Study } from '../tune/studyTypes.js';
import type { Trial } from '../tune/types.js';
import { bestOf, confirmationOf, notify, progressOf, stateOf } from './answers.js';
import type { ServerTask, Studies } from './studies.js';

export type RunOptions = {
  /** Evaluated trials that a study may have. */
  maxTrials: number;
  /** Minutes that all run_trials of this server may take. */
  maxMinutes: number;
  /** Opens what run_trials evaluates with. */
  task: () => Promise<ServerTask>;
  /** Runs the best trials of a study again on fresh seeds. */
  confirmation?: Confirming;
  /** Called when run_trials has ended, for reports in the study's folder. */
  onRun?: (study: Study, folder: string) => Promise<void>;
  /** Ends what runs when the server stops. */
  signal: AbortSignal;
};

/** How studies are confirmed. `top`: how many of the best trials, as the agent asked; undefined for the usual. */
export type Confirming = {
  /** Whether the search must end for its confirmation to fit into the time. @param seconds of both */
  isDue(study: Study, top: number | undefined, seconds: number, elapsed: number): boolean;
  run(study: Study, top: number | undefined, run: ConfirmationRun): Promise<unknown>;
};

export type ConfirmationRun = {
  folder: string;
  /** That are left. */
  seconds: number;
  signal: AbortSignal;
  onTrial: (trial: Trial) => void;
};

/** What an agent asks for. */
export type RunRequest = {
  study: string;
  trials: number;
  minutes?: number | undefined;
  confirm?: number | undefined;
};

export interface Runs {
  /** @throws UsageError while another run goes on, and when the minutes or the study's trials are used up */
  start(request: RunRequest, ctx: ServerContext): Promise<object>;
  /** The study whose trials are running. */
  running(): string | null;
  /** Seconds that runs may still take. */
  left(): number;
  /** Resolves once no trial is running. */
  settled(): Promise<void>;
}

/** Between news of a running trial. */
const NEWS_MS = 5000;

/** The runs of a server, all of whose connections share them. */
export function openRuns(studies: Studies, options: RunOptions): Runs {
  const { maxTrials, maxMinutes, confirmation, onRun, signal } = options;
  let running: string | null = null;
  let used = 0; // seconds
  let run: Promise<unknown> = Promise.resolve();
  let begun = 0;
  const underWay = () => (running === null ? 0 : (performance.now() - begun) / 1000);
  const left = () => Math.max(0, 60 * maxMinutes - used - underWay());

  return {
    async start(request, ctx) {
      if (running !== null)
        throw new UsageError(`Trials of ${running} are running; wait for them or cancel them`);
      const rest = left();
      if (rest <= 0)
        throw new UsageError(
          `The server's ${maxMinutes} minutes of trials are used up; restart it with a larger --max-minutes`,
        );
      running = request.study;
      begun = performance.now();
      const trials = runTrials(request, rest, ctx).finally(() => {
        used += underWay();
        running = null;
      });
      run = trials.catch(() => undefined);
      return trials;
    },
    running: () => running,
    left,
    settled: async () => void (await run),
  };

  async function runTrials(
    { study: name, trials, minutes = Infinity, confirm: top }: RunRequest,
    rest: number,
    ctx: ServerContext,
  ): Promise<object> {
    const study = await studies.get(name);
    if (studies.isReported(study))
      throw new UsageError(`The agent evaluates ${name}; use suggest and report_result`);
    const done = study.trials.filter(countsAsEvaluated).length;
    const total = Math.min(done + trials, maxTrials);
    if (total <= done)
      throw new UsageError(
        `Study ${name} has its ${maxTrials} trials; restart the server with a larger --max-trials`,
      );
    const folder = studies.folderOf(name);
    const task = await options.task();
    const seconds = Math.min(rest, 60 * minutes);
    const begun = performance.now();
    const elapsed = () => (performance.now() - begun) / 1000;
    const cancelled = AbortSignal.any([signal, ctx.mcpReq.signal]);
    let finished = 0;
    let began = begun;
    let phase = 'trial';
    const news = (progress: number, message: string) =>
      notify(ctx, progress, Math.max(Math.ceil(progress), total - done), message);
    const onTrial = (trial: Trial) => {
      began = performance.now();
      if (trial.userAttrs.fail_reason !== 'infeasible')
        news(++finished, `${phase} ${trial.number}: ${stateOf(trial)}`);
    };
    // Clients give up on a call that they hear nothing of, and a trial may take longer than they wait.
    const alive = setInterval(() => {
      const part = 1 - Math.exp((began - performance.now()) / 60_000); // always more, never a whole trial
      news(finished + part, `a ${phase} is running`);
    }, NEWS_MS);
    try {
      const result = await study.optimize(task.objective(Number(study.seed), folder), {
        trials: total,
        seconds,
        signal: cancelled,
        until: () => confirmation?.isDue(study, top, seconds, elapsed()) ?? false,
        catch: true,
        onTrial,
      });
      phase = 'confirmation run';
      const remaining = { seconds: seconds - elapsed(), signal: cancelled };
      await confirmation?.run(study, top, { folder, onTrial, ...remaining });
      await onRun?.(study, folder);
      return {
        ran: result.trials,
        infeasible: result.infeasible,
        seconds: Math.round(result.seconds),
        stopped: result.stopped === 'until' ? 'seconds' : result.stopped,
        ...bestOf(study),
        ...confirmationOf(study.userAttrs),
        ...progressOf(study.trials),
      };
    } finally {
      clearInterval(alive);
    }
  }
}
