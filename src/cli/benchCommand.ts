// tinygpt bench: how fast this machine trains, one backend at a time.

import {
  BACKEND_NAMES,
  brokenNote,
  describeFallbacks,
  fallbacks,
  probeBackends,
  resetFallbacks,
  useBackend,
} from '../backend/index.js';
import { flopsPerToken } from '../model/flops.js';
import { resolveConfig } from '../train/config.js';
import { measureTraining, measureWithin } from '../train/measure.js';
import { BACKEND_OPTIONS, backendChoice, onNote } from './backendOptions.js';
import { choice, command, flag, number, type ValuesOf } from './options.js';
import { configFromArguments, SETTING_OPTIONS } from './settings.js';
import { byteSize, openProgress, thousands } from './terminal.js';

const OPTIONS = {
  ...SETTING_OPTIONS,
  backend: choice(['all', 'auto', ...BACKEND_NAMES], 'a backend, auto, or all that work here', {
    default: 'all',
  }),
  precision: BACKEND_OPTIONS.precision,
  device: BACKEND_OPTIONS.device,
  seconds: number('seconds of timed steps on each backend (default: 10 shared by all)', { above: 0 }),
  force: flag('run even if it may not fit into memory', { default: false }),
  json: flag('print one JSON object per backend', { default: false }),
};

/** Default seconds of timed steps on all backends together; with start-up and warm-up the command takes less than 20. */
const DEFAULT_SECONDS = 10;

export const benchCommand = command({ options: OPTIONS, run: runBench });

/** Runs the command; resolves to the exit code. */
async function runBench(args: ValuesOf<typeof OPTIONS>): Promise<number> {
  const { preset, config } = configFromArguments(args, 'cpu');
  const resolved = resolveConfig(config);
  const progress = openProgress();
  // --device selects one GPU; the other backends would run elsewhere.
  const all = args.backend === 'all' && args.device === undefined;
  const probes = all ? await probeBackends() : [];
  for (const probe of probes) if (probe.broken) onNote(brokenNote(probe));
  const names = all
    ? probes.filter((probe) => probe.available).map((probe) => probe.name)
    : [backendChoice(args.backend === 'all' ? 'auto' : args.backend, args.device)];
  for (const name of names) {
    const backend = await useBackend(name, { precision: args.precision, onNote });
    resetFallbacks();
    const seconds = args.seconds ?? DEFAULT_SECONDS / names.length;
    const onStep = (step: number, at: number) =>
      progress.update(() => `${name}: step ${step + 1}, ${at.toFixed(1)}s of ${seconds.toFixed(1)}s`);
    const options = { seconds, force: args.force, onStep };
    const { tokensPerSecond, stepSeconds, peakBytes } =
      args.seconds === undefined
        ? await measureWithin(resolved, options)
        : await measureTraining(resolved, options);
    progress.end();
    const tokens = Math.round(tokensPerSecond * stepSeconds);
    const gflops = (tokensPerSecond * flopsPerToken(resolved.model)) / 1e9;
    const report = {
      preset,
      backend: backend.name,
      precision: backend.precision,
      device: backend.device,
      tokens_per_second: tokensPerSecond,
      step_seconds: stepSeconds,
      step_tokens: tokens,
      gflops,
      peak_memory_mb: peakBytes / 2 ** 20,
      fallbacks: fallbacks(),
    };
    const onCpu = describeFallbacks();
    process.stdout.write(
      args.json
        ? `${JSON.stringify(report)}\n`
        : `${preset} on ${backend.name.padEnd(10)} ${backend.precision}: ${thousands(tokensPerSecond).padStart(9)} tok/s, ` +
            `${gflops.toFixed(1)} GFLOP/s, ${byteSize(peakBytes)} (${backend.device})${tokens < config.totalBatchSize ? `, steps of ${thousands(tokens)} tokens` : ''}\n` +
            (onCpu && `  on the CPU instead: ${onCpu}\n`),
    );
  }
  return 0;
}
