"""Optuna's samplers as a peer on stdin/stdout, one JSON object per line; bench/samplers.ts evaluates the objective.

  {"op": "start", "sampler": "gp", "seed": 3, "space": {...}, "first": {...}}  -> {"version": "5.0.0"}
  {"op": "ask"}                                                              -> {"params": {...}, "seconds": 0.2, "processor": 0.2}
  {"op": "tell", "value": 1.5}   (null: the trial failed)                     -> {}
  {"op": "load", "trials": [{"params": {...}, "value": 1.5}, ...]}           -> {}
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
    if name == "tpe":
        return samplers.TPESampler(seed=seed)
    if name == "cmaes":
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    raise ValueError(f"Expected gp, tpe, cmaes or random, got {name}")


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
            study = optuna.create_study(sampler=make_sampler(request["sampler"], request["seed"]))
            space = {name: distribution(d) for name, d in request["space"].items()}
            if "first" in request:
                study.enqueue_trial(request["first"])
            answer = {"version": optuna.__version__}
        elif request["op"] == "ask":
            begin, processor = time.perf_counter(), time.process_time()
            trial = study.ask(space)
            answer = {
                "params": trial.params,
                "seconds": time.perf_counter() - begin,
                "processor": time.process_time() - processor,
            }
        elif request["op"] == "load":
            for t in request["trials"]:
                study.add_trial(
                    optuna.trial.create_trial(params=t["params"], distributions=space, value=t["value"])
                )
        else:
            if request["value"] is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, request["value"])
        print(json.dumps(answer), flush=True)


main()
