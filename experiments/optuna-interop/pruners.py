"""Decisions of Optuna's pruners on given intermediate values: scenarios as JSON on stdin, decisions on stdout.

A scenario is {pruner, options, direction, name, trials: [[value, ...], ...]}; trials run one after another,
each reports its values at steps 0, 1, ... and ends when the pruner says so. A decision is the step at which a
trial was pruned, or null.
"""

import json
import math
import sys
import warnings

import optuna

PRUNERS = {
    "median": optuna.pruners.MedianPruner,
    "successive-halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
    "patient": lambda inner, **options: optuna.pruners.PatientPruner(inner and make(**inner), **options),
}


def make(pruner, options):
    return PRUNERS[pruner](**options)


def play(scenario):
    study = optuna.create_study(
        study_name=scenario["name"],
        direction=scenario["direction"],
        pruner=make(scenario["pruner"], scenario["options"]),
    )
    decisions = []
    for values in scenario["trials"]:
        trial = study.ask()
        pruned = None
        for step, value in enumerate(values):
            trial.report(value, step)
            if trial.should_prune():
                pruned = step
                break
        decisions.append(pruned)
        if pruned is not None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif math.isnan(values[-1]):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, values[-1])
    return decisions


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    print(json.dumps([play(scenario) for scenario in json.load(sys.stdin)]))
