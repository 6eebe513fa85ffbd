"""One of Optuna's samplers with several trials open at once, as a peer of bench/parallel.ts: JSON lines on stdin/stdout.

  {"op": "start", "sampler": "gp", "seed": 3, "space": {...}, "first": {...}} -> {"version": "5.0.0"}
  {"op": "ask"} -> {"number": 0, "params": {...}}      {"op": "tell", "number": 0, "value": 1.5 or null} -> {}
"""

import json
import os
import sys
import warnings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
warnings.simplefilter("ignore")

import optuna  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def sampler_of(name, seed):
    if name == "gp":
        import torch

        torch.set_num_threads(1)
        return optuna.samplers.GPSampler(seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True)
    if name == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return optuna.samplers.RandomSampler(seed=seed)


def distribution(d):
    kinds = optuna.distributions
    if d["kind"] == "categorical":
        return kinds.CategoricalDistribution(d["choices"])
    if d["kind"] == "int":
        return kinds.IntDistribution(d["low"], d["high"], log=d["log"], step=d["step"])
    return kinds.FloatDistribution(d["low"], d["high"], log=d["log"], step=d["step"])


study, space, trials = None, {}, {}
for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if request["op"] == "start":
        study = optuna.create_study(sampler=sampler_of(request["sampler"], request["seed"]))
        space = {name: distribution(d) for name, d in request["space"].items()}
        trials = {}
        if request.get("first") is not None:
            study.enqueue_trial(request["first"])
        answer = {"version": optuna.__version__}
    elif request["op"] == "ask":
        trial = study.ask(space)
        trials[trial.number] = trial
        answer = {"number": trial.number, "params": trial.params}
    elif request["value"] is None:
        study.tell(trials[request["number"]], state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trials[request["number"]], request["value"])
    print(json.dumps(answer), flush=True)
