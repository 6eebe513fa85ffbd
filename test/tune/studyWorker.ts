// A process for the kill tests: works on a study endlessly and acknowledges every completed call on stdout.

import { writeSync } from 'node:fs';
import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform, value } from './problem.js';

const study = createStudy({ storage: process.argv[2]!, space, defaults, sampler: uniform });
const acknowledge = (...fields: (string | number)[]) => writeSync(1, `${fields.join(' ')}\n`);

while (true) {
  const trial = study.ask();
  acknowledge('ask', trial.number);
  for (let step = 0; step < 3; step++) {
    trial.report(step, step + trial.number);
    acknowledge('report', trial.number, step);
  }
  study.tell(trial, value(trial.params));
  acknowledge('tell', trial.number);
}
