"""Writes the golden logs with Optuna: golden.py FOLDER.

optuna.log holds everything Optuna records (three studies, one deleted; all kinds of parameters, states and
attributes; NaN and infinities), optuna.json what Optuna reads in it.
"""

import json
import math
import os
import sys

import optuna
from describe import describe
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial


def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    depth = trial.suggest_int("depth", 2, 12, step=2)
    drop = trial.suggest_float("drop", 0.0, 0.5, step=0.1)
    width = trial.suggest_int("width", 16, 512, log=True)
    opt = trial.suggest_categorical("opt", ["adamw", "muon", None, 3, 2.5, True])
    trial.set_user_attr("tokens", 1000 * trial.number)
    trial.set_user_attr("nested", {"a": [1, None, math.nan], "b": "\u00e9\u2028\U0001f600 \"q\""})
    trial.report(5.0, 0)
    trial.report({2: math.nan, 3: math.inf, 4: -math.inf}.get(trial.number, 4.0), 10)
    if trial.number == 2:
        raise optuna.TrialPruned()
    if trial.number == 3:
        raise ValueError("out of memory")
    if trial.number == 5:
        trial.report(3.5, 20)
        raise optuna.TrialPruned()
    if trial.number == 6:
        return math.inf
    if trial.number == 7:
        return math.nan
    return abs(math.log10(lr) + 3) + depth / 100 + drop + width / 1000 + len(str(opt))


def main(folder):
    path = os.path.join(folder, "optuna.log")
    if os.path.exists(path):
        os.remove(path)
    storage = JournalStorage(JournalFileBackend(path))
    optuna.create_study(study_name="gone", storage=storage).ask()
    study = optuna.create_study(study_name="main", storage=storage, sampler=optuna.samplers.RandomSampler(seed=1))
    optuna.delete_study(study_name="gone", storage=storage)
    study.set_user_attr("note", "r\u00e9sum\u00e9")
    study.set_metric_names(["val_bpb"])
    study.enqueue_trial({"lr": 0.001, "depth": 8})
    study.optimize(objective, n_trials=9, catch=(ValueError,))
    study.enqueue_trial({"lr": 0.01, "opt": "muon"}, user_attrs={"why": "by hand"})
    study.add_trial(
        create_trial(
            state=TrialState.COMPLETE,
            value=1.25,
            params={"lr": 0.5, "opt": 2.5},
            distributions={
                "lr": FloatDistribution(1e-5, 1.0, log=True),
                "opt": CategoricalDistribution(["adamw", "muon", None, 3, 2.5, True]),
            },
            user_attrs={"from": "elsewhere"},
            system_attrs={"seen": [1, 2]},
            intermediate_values={0: 2.0, 100: 1.5, 7: math.nan},
        )
    )
    study.ask({"lr": FloatDistribution(1e-5, 1.0, log=True)})  # stays running
    other = optuna.create_study(study_name="other", storage=storage, direction="maximize")
    trial = other.ask({"k": IntDistribution(-3, 3)})
    other.tell(trial, trial.params["k"])
    other.tell(other.ask(), state=TrialState.FAIL)
    with open(os.path.join(folder, "optuna.json"), "w") as file:
        json.dump(describe(path), file)
        file.write("\n")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main(sys.argv[1])
