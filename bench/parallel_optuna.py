"""One of Optuna's samplers with several trials open at once, as a peer of bench/parallel.ts: JSON lines on stdin/stdout.

  {"op": "start", "sampler": "gp", "seed": 3, "space": {...}, "first": {...}} -> {"version": "5.0.0"}
  {"op": "ask"} -> {"number": 0, "params": {...}}      {"op": "tell", "number": 0, "value": 1.5 or null} -> {}
"""

import json
import sys

from samplers_optuna import Optuna


class Parallel(Optuna):
    def make_sampler(self, name, seed):
        if name == "tpe":
            tpe = self.optuna.samplers.TPESampler
            return tpe(seed=seed, constant_liar=True, multivariate=True)
        return super().make_sampler(name, seed)


for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if request["op"] == "start":
        peer = Parallel(request["sampler"], request["seed"], request["space"], request.get("first"))
        trials = {}
        answer = {"version": peer.version}
    elif request["op"] == "ask":
        trial = peer.study.ask(peer.space)
        trials[trial.number] = trial
        answer = {"number": trial.number, "params": trial.params}
    else:
        peer.trial = trials[request["number"]]
        peer.tell(request["value"])
    print(json.dumps(answer), flush=True)
