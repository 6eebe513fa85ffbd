// --tensorboard: event files for TensorBoard, in the study's or the run's folder unless another is named.

import { join } from 'node:path';
import { optional } from './options.js';

export const TENSORBOARD_OPTION = {
  tensorboard: optional(
    'write event files for TensorBoard (default: tensorboard in the folder), or --tensorboard FOLDER',
    {
      usual: '',
      expected: 'a folder',
      read: (given) => given || undefined,
    },
  ),
};

/** The folder of the event files; null where none are asked for. */
export const tensorboardFolder = (given: string | null | undefined, folder: string): string | null =>
  given === undefined || given === null ? null : given || join(folder, 'tensorboard');
