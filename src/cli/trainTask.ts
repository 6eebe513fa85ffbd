// The trainer as what a study searches.

import { isObject } from '../base/valid.js';
import { TRAIN_DEFAULTS, type TrainConfig } from '../train/config.js';
import { own } from '../tune/objects.js';
import { finalValuesPruner } from '../tune/pruners/index.js';
import type { TunableSpace } from '../tune/space.js';
import { TRAIN_METRICS, trainCheck } from '../tune/trainObjective.js';
import { configValues, settingOf } from '../tune/trainSpaces.js';
import type { Attributes, Params } from '../tune/types.js';
import { describeData } from './dataOptions.js';
import { DESCRIPTIONS } from './settings.js';
import type { Task, TaskOutline } from './task.js';
import type { ProgressLine } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';
import { shownObjective } from './tuneRun.js';
import { fixEvalTokens, objectiveIdentity, prepareTuning } from './tuneSetup.js';

/**
 * Opens backend and data.
 * @param place journal and name of the study, which may have recorded the evaluation's size
 * @param check of options, before the speed is measured for that size
 */
export async function trainTask(
  args: TuneArguments,
  place: { journal: string; name: string },
  progress: ProgressLine,
  signal: AbortSignal,
  check: (outline: TaskOutline) => void,
): Promise<Task> {
  const tuning = await prepareTuning(args, progress, signal);
  const { backend, data, preset, setup, limits } = tuning;
  const outline: TaskOutline = {
    setup,
    direction: 'minimize',
    metricName: 'val_bpb',
    metrics: TRAIN_METRICS,
    configured: ({ userAttrs: { config } }) =>
      isObject(config)
        ? (configValues(Object.keys(setup.space), config as unknown as TrainConfig) as Params)
        : {},
  };
  check(outline);
  const evalTokens = await fixEvalTokens(args, tuning, place.journal, place.name, progress);
  const objective = { ...tuning.objective, base: { ...tuning.objective.base, evalTokens } };
  const [unit, amount] = Object.entries(limits.trial)[0]!;
  return {
    ...outline,
    limits,
    identity: (seed) => objectiveIdentity({ ...tuning, objective: { ...objective, seed } }, evalTokens),
    hashes: {
      data_hash: { hash: data.hash, what: 'dataset' },
      tokenizer_hash: { hash: data.tokenizer.hash, what: 'tokenizer' },
    },
    check: trainCheck(objective),
    reports: true,
    pruner: finalValuesPruner,
    objective: ({ seed, label, pruning, fixed = {}, folder, events = null, test = false }, screen) => {
      const all = { ...setup.fixed, ...fixed };
      const options = { ...objective, seed, fixed: all, ...(test && { testTokens: evalTokens }) };
      return shownObjective(options, label, pruning, screen, { folder, events });
    },
    about: [
      `Backend ${backend.name} ${backend.precision} on ${backend.device} (${backend.version})`,
      describeData(data),
      `Trials start from preset ${preset}`,
    ],
    perTrial: `${amount} ${unit} per trial`,
    meanings: DESCRIPTIONS,
    addable: addable(setup),
  };
}

/** Settings that decide what a value means, or how it is measured. */
const UNSEARCHABLE = new Set(['vocabSize', 'evalTokens', 'untimedSteps']);

/** Numeric settings that the space neither searches nor fixes. */
function addable({ space, fixed }: TunableSpace): Record<string, string> {
  const known = new Set([...Object.keys(space), ...Object.keys(fixed)].map(settingOf));
  const isFree = ([name]: [string, string]) =>
    !known.has(name) &&
    !UNSEARCHABLE.has(name) &&
    typeof own(TRAIN_DEFAULTS as object as Attributes, name) === 'number';
  return Object.fromEntries(Object.entries(DESCRIPTIONS).filter(isFree));
}
