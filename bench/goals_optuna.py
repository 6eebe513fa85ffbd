"""Optuna's samplers on constraints and two objectives, on stdin/stdout, one JSON object per line; see bench/goals.ts.

  {"op": "start", "sampler": "gp", "seed": 3, "objectives": 2, "space": {...}, "first": {...}}  -> {"version": "5.0.0"}
  {"op": "ask"}                                                     -> {"params": {...}, "seconds": 0.2}
  {"op": "tell", "values": [1.5, 2], "violations": [-1]}            -> {}
"""

import json
import os
import sys
import time
import warnings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import optuna  # noqa: E402
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def make_sampler(name, seed):
    samplers = optuna.samplers
    if name == "gp":
        import torch

        torch.set_num_threads(1)
        return samplers.GPSampler(seed=seed)
    return {
        "tpe": samplers.TPESampler,
        "nsga2": samplers.NSGAIISampler,
        "random": samplers.RandomSampler,
    }[name](seed=seed)


def distribution(d):
    if d["kind"] == "categorical":
        return CategoricalDistribution(d["choices"])
    if d["kind"] == "int":
        return IntDistribution(d["low"], d["high"], log=d["log"], step=d["step"])
    return FloatDistribution(d["low"], d["high"], log=d["log"], step=d["step"])


def main():
    study = trial = space = None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if request["op"] == "start":
            sampler = make_sampler(request["sampler"], request["seed"])
            study = optuna.create_study(sampler=sampler, directions=["minimize"] * request["objectives"])
            space = {name: distribution(d) for name, d in request["space"].items()}
            study.enqueue_trial(request["first"])
            answer = {"version": optuna.__version__}
        elif request["op"] == "ask":
            begin = time.perf_counter()
            trial = study.ask(space)
            answer = {"params": trial.params, "seconds": time.perf_counter() - begin}
        else:
            for i, violation in enumerate(request["violations"]):
                trial.set_constraint(f"c{i}", violation)
            study.tell(trial, request["values"])
        print(json.dumps(answer), flush=True)


main()
