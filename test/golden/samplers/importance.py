"""Writes importance.json: fixed studies and the importances that Optuna computes for them (PED-ANOVA).

Made with optuna 5.0.0:  python importance.py > importance.json
"""

import json
import math
import random
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def number(low, high, log=False, step=None, kind="float"):
    return {"kind": kind, "low": low, "high": high, "log": log, "step": step}


def choice(*choices):
    return {"kind": "categorical", "choices": list(choices)}


def peer(d):
    if d["kind"] == "categorical":
        return CategoricalDistribution(d["choices"])
    make = IntDistribution if d["kind"] == "int" else FloatDistribution
    return make(d["low"], d["high"], log=d["log"], step=d["step"])


def draw(d, rng):
    if d["kind"] == "categorical":
        return rng.choice(d["choices"])
    if d["log"]:
        x = math.exp(rng.uniform(math.log(d["low"]), math.log(d["high"])))
    else:
        x = rng.uniform(d["low"], d["high"])
    if d["kind"] == "int":
        return min(d["high"], max(d["low"], d["low"] + round((x - d["low"]) / d["step"]) * d["step"]))
    if d["step"]:
        return round(d["low"] + round((x - d["low"]) / d["step"]) * d["step"], 6)
    return min(d["high"], max(d["low"], float(f"{x:.5g}")))


SPACE = {
    "lr": number(1e-4, 1, log=True),
    "decay": number(0, 0.5),
    "dropout": number(0, 0.3, step=0.1),
    "depth": number(2, 12, step=1, kind="int"),
    "width": number(16, 512, log=True, step=1, kind="int"),
    "heads": number(2, 10, step=4, kind="int"),
    "window": choice("S", "L", "SL"),
    "tied": choice(True, False),
    "fixed": number(3, 3),
}


def loss(p):
    return (
        (math.log10(p["lr"]) + 2) ** 2
        + 0.05 * (p["depth"] - 8) ** 2
        + {"S": 0.4, "L": 0, "SL": 0.1}[p["window"]]
        + 2 * p["dropout"]
    )


def study(name, direction, count, seed, space=SPACE, value=loss):
    rng = random.Random(seed)
    made = optuna.create_study(direction=direction)
    trials = []
    for i in range(count):
        params = {k: draw(d, rng) for k, d in space.items()}
        if name == "conditional" and i % 3 == 0:
            del params["decay"]
        distributions = {k: space[k] for k in params}
        if name == "conditional" and i % 2 == 0:
            distributions["depth"] = number(2, 24, step=1, kind="int")
        state, v = TrialState.COMPLETE, round(value(params), 4)
        if name == "mixed states":
            if i % 7 == 3:
                state, v = TrialState.FAIL, None
            elif i % 7 == 5:
                state = TrialState.PRUNED
            elif i % 20 == 19:
                v = math.inf
        if direction == "maximize" and v is not None:
            v = -v
        made.add_trial(
            create_trial(
                state=state,
                value=v,
                params=params,
                distributions={k: peer(d) for k, d in distributions.items()},
            )
        )
        trials.append(
            {
                "state": state.name.lower(),
                "value": "inf" if v == math.inf else v,
                "params": params,
                **({"distributions": distributions} if name == "conditional" else {}),
            }
        )
    expected = optuna.importance.get_param_importances(made)
    return {"name": name, "direction": direction, "space": space, "trials": trials, "expected": expected}


print(
    json.dumps(
        {
            "optuna": optuna.__version__,
            "studies": [
                study("minimise", "minimize", 60, 1),
                study("maximise", "maximize", 45, 2),
                study("mixed states", "minimize", 50, 3),
                study("conditional", "minimize", 40, 4),
                study("two trials", "minimize", 2, 5),
                study("one trial", "minimize", 1, 6),
                study("all values equal", "minimize", 12, 7, value=lambda p: 1.0),
                study("ties", "minimize", 40, 8, value=lambda p: round(loss(p))),
            ],
        }
    )
)
