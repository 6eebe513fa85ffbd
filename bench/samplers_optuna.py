"""Optuna's samplers and SMAC as a peer on stdin/stdout, one JSON object per line; bench/samplers.ts evaluates the objective.

  {"op": "start", "sampler": "gp", "seed": 3, "space": {...}, "first": {...}}  -> {"version": "5.0.0"}
  {"op": "ask"}                                                              -> {"params": {...}, "seconds": 0.2, "processor": 0.2}
  {"op": "tell", "value": 1.5}   (null: the trial failed)                     -> {}
  {"op": "load", "trials": [{"params": {...}, "value": 1.5}, ...]}           -> {}

Optuna's AutoSampler comes from optunahub: from a checkout of its registry where OPTUNAHUB_REGISTRY names one.
"""

import importlib.metadata
import json
import os
import sys
import tempfile
import time
import warnings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

warnings.simplefilter("ignore")


class Optuna:
    def __init__(self, sampler, seed, space, first):
        import optuna

        self.optuna = optuna
        self.version = optuna.__version__
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(sampler=self.make_sampler(sampler, seed))
        self.space = {name: self.distribution(d) for name, d in space.items()}
        if first is not None:
            self.study.enqueue_trial(first)

    def make_sampler(self, name, seed):
        samplers = self.optuna.samplers
        if name in ("gp", "auto"):
            import torch

            torch.set_num_threads(1)
        if name == "gp":
            return samplers.GPSampler(seed=seed)
        if name == "tpe":
            return samplers.TPESampler(seed=seed)
        if name == "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        if name == "random":
            return samplers.RandomSampler(seed=seed)
        if name == "auto":
            import optunahub

            root = os.environ.get("OPTUNAHUB_REGISTRY")
            package = "samplers/auto_sampler"
            module = (
                optunahub.load_local_module(package, registry_root=root)
                if root
                else optunahub.load_module(package)
            )
            return module.AutoSampler(seed=seed)
        raise ValueError(f"Expected gp, tpe, cmaes, random, auto or smac, got {name}")

    def distribution(self, d):
        kinds = self.optuna.distributions
        if d["kind"] == "categorical":
            return kinds.CategoricalDistribution(d["choices"])
        if d["kind"] == "int":
            return kinds.IntDistribution(d["low"], d["high"], log=d["log"], step=d["step"])
        return kinds.FloatDistribution(d["low"], d["high"], log=d["log"], step=d["step"])

    def load(self, trials):
        for t in trials:
            self.study.add_trial(
                self.optuna.trial.create_trial(
                    params=t["params"], distributions=self.space, value=t["value"]
                )
            )

    def ask(self):
        self.trial = self.study.ask(self.space)
        return self.trial.params

    def tell(self, value):
        if value is None:
            self.study.tell(self.trial, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(self.trial, value)


class Smac:
    """SMAC's facade for hyperparameters (random forest), its budget taken to be 60 trials."""

    def __init__(self, sampler, seed, space, first):
        import logging

        import smac
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        logging.disable(logging.CRITICAL)
        self.smac = smac
        self.version = importlib.metadata.version("smac")
        self.worst = None
        # A step is an integer's multiple, which SMAC does not know of.
        self.steps = {n: d for n, d in space.items() if d["kind"] == "int" and d["step"] > 1}
        config_space = ConfigurationSpace(seed=seed)
        for name, d in space.items():
            default = self.encode(name, first[name]) if first else None
            if d["kind"] == "categorical":
                config_space.add(Categorical(name, d["choices"], default=default))
            elif d["kind"] == "int":
                low, high = self.encode(name, d["low"]), self.encode(name, d["high"])
                config_space.add(Integer(name, (low, high), log=d["log"], default=default))
            else:
                config_space.add(Float(name, (d["low"], d["high"]), log=d["log"], default=default))
        scenario = smac.Scenario(
            config_space,
            deterministic=True,
            n_trials=60,
            seed=seed,
            output_directory=tempfile.mkdtemp(prefix="smac"),
        )
        facade = smac.HyperparameterOptimizationFacade
        self.facade = facade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False
        )
        default = config_space.get_default_configuration()
        self.first = smac.runhistory.TrialInfo(config=default, seed=0) if first else None

    def encode(self, name, value):
        d = self.steps.get(name)
        return (value - d["low"]) // d["step"] if d else value

    def ask(self):
        self.info, self.first = self.first or self.facade.ask(), None
        params = {}
        for name, value in dict(self.info.config).items():
            value = value.item() if hasattr(value, "item") else value
            d = self.steps.get(name)
            params[name] = d["low"] + d["step"] * value if d else value
        return params

    def tell(self, value):
        # A failure costs as much as the worst value: an infinite cost, SMAC's default, ends its own fit with an error.
        cost = (self.worst or 1.0) if value is None else value
        self.worst = cost if self.worst is None else max(self.worst, cost)
        status = self.smac.runhistory.StatusType
        result = self.smac.runhistory.TrialValue(
            cost=cost, status=status.CRASHED if value is None else status.SUCCESS
        )
        self.facade.tell(self.info, result)


def main():
    study = None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if request["op"] == "start":
            make = Smac if request["sampler"] == "smac" else Optuna
            study = make(request["sampler"], request["seed"], request["space"], request.get("first"))
            answer = {"version": study.version}
        elif request["op"] == "ask":
            begin, processor = time.perf_counter(), time.process_time()
            params = study.ask()
            answer = {
                "params": params,
                "seconds": time.perf_counter() - begin,
                "processor": time.process_time() - processor,
            }
        elif request["op"] == "load":
            study.load(request["trials"])
        else:
            study.tell(request["value"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
