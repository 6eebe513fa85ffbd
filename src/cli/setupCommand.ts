// tinygpt setup: installs what npm cannot. `cuda` downloads NVRTC and cuBLASLt; `tensorflow` builds tfjs-node's addon
// against a current TensorFlow. --undo removes it again.

import { VARIANTS, type Variant } from '../backend/tensorflow/prepared.js';
import { UsageError } from '../base/errors.js';
import { carryOutCuda, existingCudaSetup, planCudaSetup, undoCudaSetup } from '../setup/cuda/setup.js';
import {
  carryOut,
  existingSetup,
  planSetup,
  type SetupOptions,
  type SetupPlan,
  undoSetup,
} from '../setup/tensorflow/setup.js';
import { command, flag, required, text, type ValuesOf } from './options.js';
import { bar, byteSize, openScreen, type ProgressLine } from './terminal.js';

const WHAT = { what: required('what to set up', ['cuda', 'tensorflow']) };
const OPTIONS = {
  gpu: flag('TensorFlow with CUDA (tensorflow[and-cuda])', { default: false }),
  from: text(
    'a folder of wheels, for tensorflow also its wheel or a Python environment; default: the package index',
    {
      placeholder: 'path',
    },
  ),
  release: text('version of TensorFlow (default: the newest) or of CUDA (default: what the driver runs)', {
    placeholder: 'version',
  }),
  dryRun: flag('show what would be done', { default: false }),
  undo: flag('remove what was set up', { default: false }),
};

export const setupCommand = command({ options: OPTIONS, positionals: WHAT, run: runSetup });

type Arguments = ValuesOf<typeof OPTIONS>;

/** Runs the command; resolves to the exit code. */
async function runSetup(args: Arguments & ValuesOf<typeof WHAT>): Promise<number> {
  const { what, gpu, from, release, dryRun, undo } = args;
  if (what === 'cuda' && gpu) throw new UsageError('Expected --gpu with tensorflow, got it with cuda');
  if (undo) {
    if (from !== undefined || release !== undefined || dryRun)
      throw new UsageError('Expected --undo alone or with --gpu');
    const removed = what === 'cuda' ? undoCudaSetup() : undoSetup(gpu ? 'gpu' : 'cpu');
    process.stdout.write(removed ? 'Removed\n' : 'Nothing was set up\n');
    return 0;
  }
  const { progress, signal, close } = openScreen('Stopping; nothing is changed');
  try {
    const shared = { from, release, signal, progress: showOn(progress) };
    process.stdout.write(
      what === 'cuda'
        ? await setUpCuda(shared, dryRun)
        : await setUpTensorflow(gpu ? 'gpu' : 'cpu', shared, dryRun),
    );
    return 0;
  } catch (error) {
    if (signal.aborted) return 130;
    throw error;
  } finally {
    close();
  }
}

type Shared = Omit<SetupOptions, 'variant'>;

async function setUpCuda(options: Shared, dryRun: boolean): Promise<string> {
  const plan = await planCudaSetup(options);
  const { cuda, origin, wheels, downloadBytes, diskBytes, folder } = plan;
  if (dryRun)
    return [
      `CUDA ${cuda} libraries from ${origin}`,
      ...wheelLines(wheels),
      sizeLine(downloadBytes, diskBytes, folder),
      '',
    ].join('\n');
  const existing = await existingCudaSetup(plan);
  if (existing) return `Already set up: ${existing}\n`;
  return `Set up: ${await carryOutCuda(plan, options)}\nIn ${folder}\nSee npx tinygpt doctor\n`;
}

async function setUpTensorflow(variant: Variant, shared: Shared, dryRun: boolean): Promise<string> {
  const options: SetupOptions = { ...shared, variant };
  const { from, release } = shared;
  if (from === undefined && !dryRun) {
    const existing = await existingSetup(variant);
    if (existing && (release ?? existing.record.tensorflow) === existing.record.tensorflow)
      return `Already set up: ${existing.description}\n`;
  }
  const plan = await planSetup(options);
  if (dryRun) return describePlan(plan, variant);
  return `Set up: ${await carryOut(plan, options)}\nIn ${plan.folder}\n`;
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
      : wheelLines(source.wheels);
  return [
    `TensorFlow ${source.version} from ${source.origin}`,
    ...files,
    installed ? `copy ${installed}` : `npm fetches ${VARIANTS[variant]}`,
    `compiler ${compiler}`,
    sizeLine(downloadBytes, diskBytes, folder),
    '',
  ].join('\n');
}

const wheelLines = (wheels: readonly { file: string; size?: number; path?: string }[]): string[] =>
  wheels.map(
    ({ file, size, path }) =>
      `${path ? 'read    ' : 'download'} ${size ? byteSize(size).padStart(8) : '       ?'}  ${path ?? file}`,
  );

const sizeLine = (download: number, disk: number, folder: string): string =>
  `${byteSize(download)} to download, about ${byteSize(disk)} of disk space during setup, into ${folder}`;
