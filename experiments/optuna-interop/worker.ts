// Works on a study alongside others: worker.js JOURNAL STUDY TRIALS, the counterpart of worker.py.

import { once } from 'node:events';
import { createStudy } from '../../src/tune/study.js';
import { space, uniform } from './problem.js';

const [path, name, count] = process.argv.slice(2);
const study = createStudy({ name: name!, storage: path!, space, sampler: uniform });
console.log('ready');
await once(process.stdin, 'data'); // the others are ready too
for (let i = 0; i < Number(count); i++) {
  const trial = study.ask();
  const { x, lr, depth, kind } = trial.params as { x: number; lr: number; depth: number; kind: string };
  trial.setUserAttr('by', 'tinygpt');
  for (let step = 0; step < 3; step++) trial.report(step, x * x + step);
  study.tell(trial, x * x + lr + depth / 10 + (kind === 'b' ? 1 : 0));
}
process.stdin.destroy();
