// Whole training steps on backends that record them (src/backend/recorder.ts): passes, sums of gradients and the optimizer's
// updates become one launch. The first steps are taken as they come, which compiles kernels and moves parameters to the
// device; then one is recorded, and replayed until something that it uses has moved.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import type * as tf from '@tensorflow/tfjs-core';
import { capabilities } from '../backend/capabilities.js';
import { type PeakWatch, trackPeak } from '../backend/memory.js';
import type { RecordedStep, StepRecorder, StepWork } from '../backend/recorder.js';
import type { BatchLoader } from '../data/types.js';
import { type Gpt, passLoss } from '../model/gpt.js';
import { modelInputs } from '../model/ngrams.js';
import { accumulateGrads, leanGrads } from '../ops/index.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { StepOptions, StepOutcome } from './step.js';

/** Steps before one is recorded. */
const FIRST_STEPS = 2;
/** Recordings of one model: each is lost when memory was short or parameters were replaced. */
const MOST_RECORDINGS = 3;

/** The steps of one model, see above. */
interface WholeStep {
  /** Whether the next step is `take`. */
  ready(): boolean;
  /** Brackets a step that is taken as it comes. */
  begin(): void;
  end(): void;
  /** Takes a step, with the results of `trainStep`. */
  take(loader: BatchLoader, options: StepOptions): Promise<StepOutcome | null>;
}

const known = new WeakMap<Optimizer, { shape: string; step: WholeStep }>();

/** The steps of a model and its optimizer; undefined where the backend in use does not record them. */
export function wholeStep(gpt: Gpt, optimizer: Optimizer, options: StepOptions): WholeStep | undefined {
  const { stepRecorder } = capabilities();
  if (!stepRecorder) return undefined;
  const { batch, seq, recompute, accumulation } = options;
  const shape = `${batch} ${seq} ${recompute} ${accumulation}`;
  const existing = known.get(optimizer);
  if (existing?.shape === shape) return existing.step;
  const step = createWholeStep(stepRecorder, workOf(gpt, optimizer, options), gpt, optimizer);
  known.set(optimizer, { shape, step });
  return step;
}

function createWholeStep(
  recorder: StepRecorder,
  work: StepWork,
  { config }: Gpt,
  optimizer: Optimizer,
): WholeStep {
  let steps = 0;
  let recordings = 0;
  let recorded: RecordedStep | undefined;
  let watch: PeakWatch | undefined;
  let bytes = 0;
  const variables = work.variables.reduce((sum, { size }) => sum + 4 * size, 0);
  const losses = (inputs: readonly Int32Array[], updates: ReturnType<Optimizer['advance']>['updates']) => {
    if (recorded) return recorded.replay(inputs, updates);
    recordings++;
    const made = recorder.record(work, inputs, updates);
    recorded = made.recorded;
    if (!recorded) recordings = MOST_RECORDINGS;
    return made.losses;
  };
  return {
    ready() {
      if (recorded?.holds()) return true;
      if (recorded) steps = FIRST_STEPS - 1;
      recorded = undefined;
      return steps >= FIRST_STEPS && recordings < MOST_RECORDINGS && recorder.takes(bytes, variables);
    },
    begin() {
      watch = trackPeak();
    },
    end() {
      if (!watch) return;
      bytes = watch.bytes();
      watch.stop();
      watch = undefined;
      steps++;
    },
    async take(loader, { seq, accumulation, progress, signal }) {
      const inputs: Int32Array[] = [];
      let epoch = 1;
      for (let micro = 0; micro < accumulation; micro++) {
        const batch = await loader.next();
        const own = [...modelInputs(config, batch.inputs, seq), batch.targets];
        inputs.push(...own.map((ids) => ids.slice()));
        epoch = batch.epoch;
        await letEventsIn();
        if (signal?.aborted && micro < accumulation - 1) return null;
      }
      const { schedule, updates } = optimizer.advance(progress());
      const all = await losses(inputs, updates);
      return { ...schedule, loss: all.reduce((sum, loss) => sum + loss / accumulation, 0), epoch };
    },
  };
}

function workOf(gpt: Gpt, optimizer: Optimizer, options: StepOptions): StepWork {
  const { batch, seq, recompute = false, accumulation } = options;
  const shape = { batch, seq, recompute };
  return {
    variables: [...gpt.params.values(), ...optimizer.state().values()],
    passes(inputs) {
      const losses: tf.Tensor[] = [];
      const sums: Record<string, tf.Tensor> = {};
      const each = inputs.length / accumulation;
      for (let micro = 0; micro < accumulation; micro++) {
        const own = inputs.slice(micro * each, (micro + 1) * each);
        const { value, grads } = leanGrads(() => passLoss(gpt, own, shape), gpt.params);
        losses.push(value);
        accumulateGrads(sums, grads, micro === accumulation - 1 ? 1 / accumulation : 1);
      }
      return { losses, grads: sums };
    },
    update: (grads, updates) => optimizer.update(grads, updates),
  };
}
