// Reads a study that Python's Optuna wrote, and continues it; Optuna can read and continue it afterwards.
// node build/examples/continueOptuna.js [JOURNAL] [TRIALS]
//
// The Python side, Optuna 4 or newer:
//   import optuna
//   from optuna.storages import JournalStorage
//   from optuna.storages.journal import JournalFileBackend
//   storage = JournalStorage(JournalFileBackend("journal.log"))
//   study = optuna.create_study(study_name="bowl", storage=storage, load_if_exists=True)
//   study.optimize(lambda t: t.suggest_float("x", -5, 5) ** 2 + t.suggest_int("n", 1, 9), n_trials=10)

import { existsSync } from 'node:fs';
import { createStudy, float, gpSampler, int, loadStudy, readJournal } from 'tinygpt/tune';

const [journal = 'journal.log', more = '10'] = process.argv.slice(2);
const space = { x: float(-5, 5), n: int(1, 9) };

if (!existsSync(journal)) {
  console.log(`No ${journal} of Optuna's here; this starts the study instead`);
  createStudy({ name: 'bowl', space, sampler: gpSampler(), storage: journal, runDefaults: false });
}

for (const { name, directions, trials } of readJournal(journal)) {
  console.log(`${name}: ${directions}, ${trials.length} trials`);
  for (const { number, state, value, params } of trials.slice(-3))
    console.log(` #${number} ${state} ${value}`, params);
}

const study = loadStudy({ storage: journal, name: 'bowl', space, sampler: gpSampler(), runDefaults: false });
const before = study.trials.length;
await study.optimize(({ params }) => params.x ** 2 + params.n, { trials: before + Number(more) });
console.log(`${study.trials.length} trials now; best ${study.best()?.value}`, study.best()?.params);
