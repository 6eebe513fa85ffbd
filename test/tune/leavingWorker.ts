// A process that loses its server in the middle of a trial and exits before it is back: leavingWorker.js URL NAME. It says
// `asked`, waits for a message, tells its trial, and is gone.

import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform } from './problem.js';

const [storage, name] = process.argv.slice(2) as [string, string];
const study = createStudy({ name, storage, space, defaults, sampler: uniform, onNote: () => {} });
const trial = study.ask();
process.once('message', () => {
  trial.report(1, 8);
  study.tell(trial, 7);
  process.exit();
});
process.send!('asked');
