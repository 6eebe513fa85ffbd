"""Constraints, two objectives and conditional parameters as Optuna sees and writes them.

  goals.py read JOURNAL       prints what Optuna makes of each study
  goals.py write JOURNAL      creates studies with two objectives, constraints in both of its formats, conditional parameters
  goals.py continue JOURNAL STUDY SAMPLER   runs five more trials of a conditional study
"""

import json
import sys
import warnings

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def read(storage):
    studies = []
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        single = len(study.directions) == 1
        try:
            best = [study.best_trial.number] if single else sorted(t.number for t in study.best_trials)
        except ValueError:  # no feasible trial
            best = []
        studies.append(
            {
                "name": name,
                "directions": [d.name.lower() for d in study.directions],
                "metric_names": study.metric_names,
                "best": best,
                "constraints": [list(t.constraints.values()) for t in study.get_trials(deepcopy=False)],
                "values": [t.values for t in study.get_trials(deepcopy=False)],
                "params": [t.params for t in study.get_trials(deepcopy=False)],
            }
        )
    return studies


def two(trial):
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_int("y", 1, 64, log=True)
    trial.set_constraint("size", x * y - 20)
    trial.set_constraint("low", 0.1 - x)
    return x + y / 64, (x - 1) ** 2


def conditional(trial):
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adamw"])
    lr = trial.suggest_float("lr", 1e-4, 1, log=True)
    momentum = trial.suggest_float("momentum", 0.5, 0.99) if optimizer == "sgd" else 0.9
    return lr + momentum


def write(storage):
    samplers = optuna.samplers
    study = optuna.create_study(
        study_name="two", storage=storage, directions=["minimize", "minimize"], sampler=samplers.NSGAIISampler(seed=1)
    )
    study.set_metric_names(["loss", "error"])
    study.optimize(two, n_trials=40)
    old = samplers.TPESampler(seed=1, constraints_func=lambda t: (t.params["x"] - 0.5, 0.2 - t.params["x"]))
    study = optuna.create_study(study_name="one", storage=storage, direction="maximize", sampler=old)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=25)
    study = optuna.create_study(
        study_name="conditional", storage=storage, sampler=samplers.TPESampler(seed=1, multivariate=True, group=True)
    )
    study.optimize(conditional, n_trials=25)


def go_on(storage, name, sampler):
    samplers = optuna.samplers
    chosen = {"tpe": samplers.TPESampler(seed=2, multivariate=True, group=True), "gp": samplers.GPSampler(seed=2)}
    study = optuna.load_study(study_name=name, storage=storage, sampler=chosen[sampler])
    study.optimize(conditional, n_trials=5)


if __name__ == "__main__":
    command, path = sys.argv[1:3]
    storage = JournalStorage(JournalFileBackend(path))
    if command == "read":
        print(json.dumps(read(storage)))
    elif command == "write":
        write(storage)
    else:
        go_on(storage, *sys.argv[3:5])
