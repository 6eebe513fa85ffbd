// Milliseconds of a training step by kind of launch, by the device's own clock: an event before and after each one.

import { received } from '../../src/backend/cuda/library.js';
import type { Session } from '../../src/backend/cuda/session.js';
import type { BatchLoader } from '../../src/data/types.js';
import { createGpt } from '../../src/model/gpt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { ResolvedConfig } from '../../src/train/config.js';
import { trainStep } from '../../src/train/step.js';

/** Kinds listed. */
const MOST = 50;

/** Runs two steps and returns the second one's launches and products, the longest first. */
export async function profileStep(
  session: Session,
  resolved: ResolvedConfig,
  batches: (resolved: ResolvedConfig) => BatchLoader,
): Promise<object> {
  const { launcher, products, cudnn, driver, stream } = session;
  const { cuEventElapsedTime } = driver;
  if (!cuEventElapsedTime) return { skipped: 'this driver has no cuEventElapsedTime' };
  const { launch } = launcher;
  const { multiply } = products;
  const run = cudnn?.run;
  const events: { name: string; from: number; to: number }[] = [];
  const event = () => received((place) => driver.cuEventCreate(place, 0));
  let on = false;
  const timed = (name: string, work: () => void) => {
    if (!on) return work();
    const [from, to] = [event(), event()];
    driver.cuEventRecord(from, stream);
    work();
    driver.cuEventRecord(to, stream);
    events.push({ name, from, to });
  };
  launcher.launch = (kernel, ...rest) => timed(kernel.name, () => launch(kernel, ...rest));
  products.multiply = (call) => {
    const { batch = 1, m, n, k, transposeA, transposeB, operands, result = 'fp32' } = call;
    const kind = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${operands} -> ${result}`;
    timed(`product ${batch} x ${m} x ${n} x ${k} ${kind}`, () => multiply(call));
  };
  if (cudnn)
    cudnn.run = (work, own, after, fixed) => {
      let ours = false;
      const launches: typeof own = (at) => {
        ours = true;
        own(at);
      };
      const name = `${work.subject} by cuDNN, ${work.direction}`;
      timed(name, () => run!(work, launches, () => {}, fixed));
      if (!ours) after();
      else if (on) events.pop();
    };
  const { config, model, optimizer: settings, accumulation } = resolved;
  const gpt = createGpt(model, { seed: 1 });
  const optimizer = createOptimizer(gpt, settings);
  const loader = batches(resolved);
  const { deviceBatchSize: batch, seqLen: seq, recompute } = config;
  const shape = { batch, seq, recompute, accumulation, progress: () => 0 };
  try {
    await trainStep(gpt, optimizer, loader, shape);
    on = true;
    await trainStep(gpt, optimizer, loader, shape);
    on = false;
    session.transfer.synchronize();
    const rows = new Map<string, { count: number; ms: number }>();
    const elapsed = new Float32Array(1);
    for (const { name, from, to } of events) {
      cuEventElapsedTime(elapsed, from, to);
      const row = rows.get(name) ?? { count: 0, ms: 0 };
      rows.set(name, { count: row.count + 1, ms: row.ms + elapsed[0]! });
    }
    const sorted = [...rows].sort(([, a], [, b]) => b.ms - a.ms);
    const total = sorted.reduce((sum, [, { ms }]) => sum + ms, 0);
    const shown = sorted
      .slice(0, MOST)
      .map(([name, { count, ms }]) => [
        name,
        `${count} x ${((1000 * ms) / count).toFixed(1)} us = ${ms.toFixed(2)} ms`,
      ]);
    return { total_ms: total, launches: events.length, kinds: Object.fromEntries(shown) };
  } finally {
    launcher.launch = launch;
    products.multiply = multiply;
    if (cudnn) cudnn.run = run!;
    for (const { from, to } of events) for (const each of [from, to]) driver.cuEventDestroy_v2(each);
    optimizer.dispose();
    gpt.dispose();
  }
}
