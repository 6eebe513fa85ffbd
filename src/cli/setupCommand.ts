// tinygpt setup tensorflow: builds tfjs-node's addon against a current TensorFlow, or removes it again.

import { VARIANTS, type Variant } from '../backend/tensorflow/prepared.js';
import { UsageError } from '../base/errors.js';
import {
  carryOut,
  existingSetup,
  planSetup,
  type SetupOptions,
  type SetupPlan,
  undoSetup,
} from '../setup/tensorflow/setup.js';
import { command, flag, required, text, type ValuesOf } from './options.js';
import { abortOnInterrupt, bar, byteSize, openProgress, type ProgressLine } from './terminal.js';

const WHAT = { what: required('what to set up', ['tensorflow']) };
const OPTIONS = {
  gpu: flag('TensorFlow with CUDA (tensorflow[and-cuda])', { default: false }),
  from: text("TensorFlow's wheel, a folder of wheels, or a Python environment; default: the package index", {
    placeholder: 'path',
  }),
  release: text('version of TensorFlow, e.g. 2.20.0; default: the newest', { placeholder: 'version' }),
  dryRun: flag('show what would be done', { default: false }),
  undo: flag('remove what was set up', { default: false }),
};

export const setupCommand = command({ options: OPTIONS, positionals: WHAT, run: runSetup });

/** Runs the command; resolves to the exit code. */
async function runSetup({ gpu, from, release, dryRun, undo }: ValuesOf<typeof OPTIONS>): Promise<number> {
  const variant: Variant = gpu ? 'gpu' : 'cpu';
  if (undo) {
    if (from !== undefined || release !== undefined || dryRun)
      throw new UsageError('Expected --undo alone or with --gpu');
    const removed = undoSetup(variant);
    process.stdout.write(removed ? 'Removed\n' : 'Nothing was set up\n');
    return 0;
  }
  const progress = openProgress();
  const { signal, release: releaseSignals } = abortOnInterrupt(() =>
    progress.note('Stopping; nothing is changed'),
  );
  try {
    const options: SetupOptions = { variant, from, release, signal, progress: showOn(progress) };
    if (from === undefined && !dryRun) {
      const existing = await existingSetup(variant);
      if (existing && (release ?? existing.record.tensorflow) === existing.record.tensorflow) {
        process.stdout.write(`Already set up: ${existing.description}\n`);
        return 0;
      }
    }
    const plan = await planSetup(options);
    if (dryRun) process.stdout.write(describePlan(plan, variant));
    else process.stdout.write(`Set up: ${await carryOut(plan, options)}\nIn ${plan.folder}\n`);
    return 0;
  } catch (error) {
    if (signal.aborted) return 130;
    throw error;
  } finally {
    progress.end();
    releaseSignals();
  }
}

function showOn(progress: ProgressLine): SetupOptions['progress'] {
  return {
    note: (line) => progress.note(line),
    advance: (what, done, total) =>
      progress.update(() =>
        total > 0
          ? `${bar(done / total)} ${what}: ${byteSize(done)} of ${byteSize(total)}`
          : `${what}: ${byteSize(done)}`,
      ),
  };
}

function describePlan(
  { source, folder, downloadBytes, diskBytes, compiler, installed }: SetupPlan,
  variant: Variant,
): string {
  const files =
    source.kind === 'installed'
      ? [`TensorFlow ${source.version} stays in ${source.folder}`]
      : source.wheels.map(
          ({ file, size, path }) =>
            `${path ? 'read    ' : 'download'} ${size ? byteSize(size).padStart(8) : '       ?'}  ${path ?? file}`,
        );
  return [
    `TensorFlow ${source.version} from ${source.origin}`,
    ...files,
    installed ? `copy ${installed}` : `npm fetches ${VARIANTS[variant]}`,
    `compiler ${compiler}`,
    `${byteSize(downloadBytes)} to download, about ${byteSize(diskBytes)} of disk meanwhile, into ${folder}`,
    '',
  ].join('\n');
}
