// Studies as tools of the Model Context Protocol: a coding agent hands a search to the samplers instead of guessing one change
// at a time. What the agent sends is checked like any input from outside: names, spaces, numbers; it reaches the folder of
// studies, the limits below hold whatever it asks for, and it can start nothing but the server's own task.

import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { UsageError } from '../base/errors.js';
import { completeTrials, rankedTrials } from '../tune/best.js';
import { importances, knownImportances } from '../tune/importance.js';
import { samplerNames } from '../tune/samplers/index.js';
import { countsAsEvaluated } from '../tune/starting.js';
import type { Study } from '../tune/studyTypes.js';
import { answer, bestOf, bounded, confirmationOf, describeSpace, progressOf, stateOf } from './answers.js';
import { openRuns, type RunOptions } from './runs.js';
import { openStudies } from './studies.js';

export type ServerOptions = RunOptions & {
  /** Folder of the studies. */
  folder: string;
  version: string;
};

/** Suggestions that may be open at once in a study. */
const MOST_OPEN = 32;
const MOST_LISTED = 20;
const MOST_CONFIRMED = 10;

const studyName = z.string().min(1).max(64).describe('name of the study');
const params = z.record(z.string(), z.unknown());

export interface StudyServer {
  /** A server to connect to a transport; all that are made share studies and limits. */
  create(): McpServer;
  /** Resolves once no trial is running. */
  settled(): Promise<void>;
}

/** Opens the server of a folder of studies. */
export function openServer(options: ServerOptions): StudyServer {
  const { folder, version, maxTrials } = options;
  const studies = openStudies(folder, options.task);
  const runs = openRuns(studies, options);

  const create = () => {
    const server = new McpServer(
      { name: 'tinygpt', version },
      {
        instructions:
          'Hyperparameter search. create_study once; then either run_trials (the server trains and scores), or a loop of suggest, your own measurement, and report_result. best, importance and status read a study. Report failures as such instead of a bad value.',
      },
    );

    server.registerTool(
      'create_study',
      {
        description:
          'Creates a study, or continues the one of this name. Without a space the server searches that of its own task and evaluates trials itself (run_trials). With a space the agent evaluates (suggest, report_result), unless evaluated_by says server: then the space selects parameters of the task. The first trial is the defaults.',
        inputSchema: z.object({
          name: studyName,
          space: params
            .optional()
            .describe(
              'parameters by name: {"kind":"float","low":1e-4,"high":1,"log":true}, {"kind":"int","low":2,"high":8}, {"kind":"categorical","choices":["a","b"]}; optional "prior": {"center","width"} and "when": {"other": value}',
            ),
          defaults: params.optional().describe('where the search starts, within the ranges'),
          evaluated_by: z.enum(['server', 'agent']).optional(),
          direction: z.enum(['minimize', 'maximize']).optional().describe('default minimize'),
          metric: z.string().min(1).max(64).optional().describe('name of the value'),
          sampler: z.enum(samplerNames as [string, ...string[]]).default(samplerNames[0]!),
          seed: z.int().min(0).default(1),
        }),
      },
      async ({ evaluated_by, ...given }) => {
        const evaluatedBy = evaluated_by ?? (given.space === undefined ? 'server' : 'agent');
        if (evaluatedBy === 'agent' && given.space === undefined)
          throw new UsageError('Expected a space for a study that the agent evaluates, got none');
        const study = await studies.create({ ...given, evaluatedBy });
        const about = evaluatedBy === 'server' ? { task: (await options.task()).about } : {};
        return answer({
          study: study.name,
          evaluated_by: evaluatedBy,
          ...about,
          direction: study.direction,
          space: describeSpace(study.space),
          defaults: study.defaults,
          ...progressOf(study.trials),
          next: evaluatedBy === 'server' ? 'run_trials' : 'suggest, measure, report_result',
        });
      },
    );

    server.registerTool(
      'suggest',
      {
        description:
          'The next configurations to measure in a study that the agent evaluates. Give each result to report_result; the next suggestion is better for it.',
        inputSchema: z.object({ study: studyName, count: z.int().min(1).max(16).default(1) }),
      },
      async ({ study: name, count }) => {
        const study = await reported(name);
        const open = study.trials.filter(({ state }) => state === 'running').length;
        if (open + count > MOST_OPEN)
          throw new UsageError(
            `Expected at most ${MOST_OPEN} open suggestions, there are ${open}; report their results first`,
          );
        const suggestions: object[] = [];
        while (suggestions.length < count) {
          const trial = study.askWithin(maxTrials); // at once, so that calls at the same time cannot exceed a limit together
          if (!trial) break;
          suggestions.push({ trial: trial.number, params: trial.params });
        }
        const reason =
          study.trials.filter(countsAsEvaluated).length >= maxTrials
            ? `the limit of ${maxTrials} trials is reached`
            : 'every configuration was tried';
        return answer({ suggestions, ...(suggestions.length < count && { ended: reason }) });
      },
    );

    server.registerTool(
      'report_result',
      {
        description:
          'Ends a suggested trial: with its value, or as failed with the reason (diverged, out_of_memory, crashed, ...). Failures teach the sampler where not to go; never report a made-up value for them.',
        inputSchema: z.object({
          study: studyName,
          trial: z.int().min(0),
          value: z.number().optional(),
          failed: z.string().min(1).max(64).optional().describe('reason of a failure'),
          message: z.string().max(2000).optional(),
        }),
      },
      async ({ study: name, trial: number, value, failed, message }) => {
        const study = await reported(name);
        if ((value === undefined) === (failed === undefined))
          throw new UsageError('Expected a value, or failed with a reason; got both or none');
        const before = study.trials[number];
        if (before && before.state !== 'running' && before.state !== 'waiting')
          throw new UsageError(`Trial ${number} has ended already (${stateOf(before)})`);
        const outcome =
          value === undefined
            ? { state: 'fail' as const, reason: failed!, ...(message !== undefined && { message }) }
            : value;
        study.tell(number, outcome);
        return answer({ trial: number, ...bestOf(study), ...progressOf(study.trials) });
      },
    );

    server.registerTool(
      'run_trials',
      {
        description:
          'Runs trials of a study that the server evaluates, and answers when they are done; progress is notified after each. Ends at the number of trials, at the minutes, or when cancelled; finished trials are kept, and the next call continues. At its end the best trials and the defaults run again on fresh seeds within the minutes, which tells an improvement from luck: the answer has them as "confirmation".',
        inputSchema: z.object({
          study: studyName,
          trials: z.int().min(1).max(10_000).default(10).describe('more trials to run'),
          minutes: z.number().positive().max(10_000).optional().describe('no trial starts after these'),
          confirm: z
            .int()
            .min(0)
            .max(MOST_CONFIRMED)
            .optional()
            .describe(
              'how many of the best trials to confirm, by default 3 once the study has 20 trials; 0 while the search goes on',
            ),
        }),
      },
      async (request, ctx) => answer(await runs.start(request, ctx)),
    );

    server.registerTool(
      'best',
      {
        description: 'The best trials of a study, with their configurations.',
        inputSchema: z.object({ study: studyName, count: z.int().min(1).max(MOST_LISTED).default(1) }),
        annotations: { readOnlyHint: true },
      },
      ({ study: name, count }) => {
        const { trials, directions, userAttrs } = studies.read(name);
        const list = rankedTrials(trials, directions[0]!)
          .slice(0, count)
          .map(({ number, value, params }) => ({ trial: number, value, params }));
        return answer({
          best: list,
          defaults: trials[0]?.state === 'complete' ? trials[0].value : null,
          ...confirmationOf(userAttrs),
          ...progressOf(trials),
        });
      },
    );

    server.registerTool(
      'importance',
      {
        description:
          'Which parameters matter (PED-ANOVA; they sum to 1). Those listed as known stand out from chance, which takes about 20 complete trials; act on no others.',
        inputSchema: z.object({ study: studyName }),
        annotations: { readOnlyHint: true },
      },
      ({ study: name }) => {
        const { trials, directions } = studies.read(name);
        const known = knownImportances(trials, directions[0]!);
        return answer({
          known,
          all: importances(trials, directions[0]!),
          complete: completeTrials(trials).length,
        });
      },
    );

    server.registerTool(
      'status',
      {
        description: 'Trials, failures and limits of a study; all studies without a name.',
        inputSchema: z.object({ study: studyName.optional() }),
        annotations: { readOnlyHint: true },
      },
      ({ study: name }) => {
        const limits = {
          max_trials_per_study: maxTrials,
          minutes_of_trials_left: Math.round(runs.left() / 6) / 10,
          running: runs.running(),
        };
        if (name === undefined) return answer({ studies: studies.names(), ...limits });
        const log = studies.read(name);
        const open = log.trials
          .filter(({ state }) => state === 'running')
          .map(({ number, params }) => ({ trial: number, params }));
        const failures = log.trials
          .filter(({ state }) => state === 'fail')
          .slice(-5)
          .map(({ number, userAttrs }) => ({
            trial: number,
            reason: bounded(userAttrs.fail_reason),
            message: bounded(userAttrs.fail_message),
          }));
        return answer({
          study: name,
          evaluated_by: studies.isReported(log) ? 'agent' : 'server',
          sampler: log.userAttrs.sampler,
          ...progressOf(log.trials),
          open: open.slice(0, MOST_OPEN),
          last_failures: failures,
          ...limits,
        });
      },
    );

    return server;
  };

  return { create, settled: runs.settled };

  async function reported(name: string): Promise<Study> {
    const study = await studies.get(name);
    if (!studies.isReported(study)) throw new UsageError(`The server evaluates ${name}; use run_trials`);
    return study;
  }
}
