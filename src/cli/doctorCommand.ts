// tinygpt doctor: the machine, each backend, what is missing and the command that fixes it.

import {
  type BackendName,
  byPreference,
  describeFallbacks,
  describeMachine,
  fallbacks,
  probeBackends,
} from '../backend/index.js';
import { defaultCacheFolder } from '../base/files.js';
import { command, flag, type ValuesOf } from './options.js';

const OPTIONS = { json: flag('print one JSON object', { default: false }) };

export const doctorCommand = command({ options: OPTIONS, run: runDoctor });

/** Runs the command; resolves to the exit code: 1 when no backend can be used. */
async function runDoctor(args: ValuesOf<typeof OPTIONS>): Promise<number> {
  const machine = await describeMachine();
  const backends = await probeBackends();
  let chosen: BackendName | null = null;
  for await (const { name, available } of byPreference((name) => backends.find((b) => b.name === name)!))
    if (available) chosen ??= name;
  const report = { machine, backends, chosen, cache_folder: defaultCacheFolder(), fallbacks: fallbacks() };
  if (args.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const lines = Object.entries(machine).map(([key, value]) => `${`${key}:`.padEnd(12)}${value}`);
    process.stdout.write(`${lines.join('\n')}\ncache:      ${report.cache_folder}\n\n`);
    for (const { name, available, info, reason, remedy, precisions, details = [] } of backends) {
      const mark = available ? 'ok' : '--';
      const what = available
        ? `${info?.device ?? ''} (${info?.version ?? ''}; ${precisions.join(', ')})`
        : reason;
      process.stdout.write(`${mark} ${name.padEnd(11)} ${what}\n`);
      for (const line of details) process.stdout.write(`${' '.repeat(15)}${line}\n`);
      if (!available && remedy) process.stdout.write(`${' '.repeat(15)}to fix: ${remedy}\n`);
    }
    const onCpu = describeFallbacks();
    if (onCpu) process.stdout.write(`\nrunning on the CPU instead (self-test failed on cuda): ${onCpu}\n`);
    process.stdout.write(`\nautomatic choice: ${chosen ?? 'none'}\n`);
  }
  return chosen ? 0 : 1;
}
