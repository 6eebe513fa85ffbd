"""Works on a study alongside others: worker.py JOURNAL STUDY TRIALS; with `create` as a fourth argument, creates it."""

import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def objective(trial):
    x = trial.suggest_float("x", -5.0, 5.0)
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    depth = trial.suggest_int("depth", 2, 12, step=2)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr("by", "python")
    for step in range(3):
        trial.report(x * x + step, step)
    return x * x + lr + depth / 10 + (kind == "b")


if __name__ == "__main__":
    path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(path))
    if sys.argv[4:] == ["create"]:
        study = optuna.create_study(study_name=name, storage=storage)
    else:
        study = optuna.load_study(study_name=name, storage=storage)
    print("ready", flush=True)
    sys.stdin.readline()  # the others are ready too
    study.optimize(objective, n_trials=count)
