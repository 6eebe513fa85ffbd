// The studies that --warm-start names: folders of ours, or journals of ours or Optuna's.

import { resolve } from 'node:path';
import { expect } from '../base/errors.js';
import type { StudyView } from '../tune/types.js';
import { type KnownStudy, knownStudies } from '../tune/warmStart.js';
import { journalOf } from './reportCommand.js';
import type { TaskOutline } from './task.js';
import { counted } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';

/**
 * Results of other studies for `createStudy`.
 * @param journals of the new studies, which cannot start from themselves
 * @throws UsageError as `knownStudies`
 */
export function warmStartOf(
  args: TuneArguments,
  { setup, direction, configured }: TaskOutline,
  ...journals: string[]
): KnownStudy[] {
  return args.warmStart.flatMap((place) => {
    const from = journalOf(place);
    expect(
      !journals.some((journal) => resolve(journal) === resolve(from)),
      () => `Expected --warm-start to name another study, got ${place}, which continues by itself`,
    );
    const complete = configured && { complete: configured };
    return knownStudies(from, { space: setup.space, direction, ...complete });
  });
}

/** A line for each study that this one started from. */
export const describeWarmStart = ({ warmStart = [] }: Pick<StudyView, 'warmStart'>): string[] =>
  warmStart.map((trials) => `Starting from ${counted(trials.length, 'result')} of another study`);
