// --stop-when-converged: the end of a search that expects no improvement beyond the noise.

import type { Logger } from 'pino';
import { convergedText } from '../report/study.js';
import { convergenceJudge } from '../tune/convergence.js';
import type { Study } from '../tune/studyTypes.js';
import type { TuneArguments } from './tuneOptions.js';

/**
 * Whether the search has converged, asked before each trial; null where it is not to end by that.
 */
export function convergenceOf(args: TuneArguments, study: Study): (() => boolean) | null {
  if (!args.stopWhenConverged) return null;
  const judge = convergenceJudge();
  return () => judge(study)?.converged ?? false;
}

/** Records and says that the search has converged, for the report and whoever resumes. */
export function recordConvergence(study: Study, log: Logger, say: (line: string) => void): void {
  const last = convergenceJudge()(study);
  if (!last?.converged) return;
  const { improvement, noise } = last;
  const converged = { trials: study.trials.length, improvement, noise };
  study.setUserAttr('converged', converged);
  log.info({ converged }, 'converged');
  say(convergedText({ converged })!);
}
