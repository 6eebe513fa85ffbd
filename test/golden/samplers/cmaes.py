"""Writes cmaes.json: updates of the reference implementation, CyberAgent's cmaes.

Made with cmaes 0.13.1 and numpy 2.4.6:  python cmaes.py > cmaes.json
Populations are ranked as given (value = index), so that no objective is needed.
"""

import importlib.metadata
import json
import sys

# This file is named like the package.
sys.path = [path for path in sys.path if path not in ("", sys.path[0])]
import numpy as np  # noqa: E402
from cmaes import CMA, CatCMA, CMAwM, get_warm_start_mgd  # noqa: E402


def population(rng, center, spread, count):
    return np.round(center + spread * rng.standard_normal((count, len(center))), 6)


def state(cma):
    return {
        "mean": cma._mean.tolist(),
        "sigma": cma._sigma,
        "c": ((cma._C + cma._C.T) / 2).ravel().tolist(),
        "pSigma": cma._p_sigma.tolist(),
        "pC": cma._pc.tolist(),
    }


def plain():
    """Six generations in five dimensions, the last ones far from the mean: negative weights and a long path."""
    rng = np.random.RandomState(1)
    mean = np.array([0.5, 0.2, 0.8, 0.4, 0.6])
    cma = CMA(mean=mean.copy(), sigma=0.2)
    steps = []
    for g in range(6):
        x = population(rng, cma._mean + (0.3 if g > 3 else 0.02), 0.2, cma.population_size)
        cma.tell([(row, float(i)) for i, row in enumerate(x)])
        steps.append({"x": x.tolist(), **state(cma)})
    return {"mean": mean.tolist(), "sigma": 0.2, "generations": steps}


def margin():
    """Grids of 10, 4 and 2 values in the unit interval beside one continuous coordinate; a shrinking step."""
    rng = np.random.RandomState(2)
    counts = [10, 4, 2]
    bounds = np.array([[0.5 / k, 1 - 0.5 / k] for k in counts] + [[0, 1]])
    mean = np.array([0.42, 0.61, 0.3, 0.5])
    cma = CMAwM(mean=mean.copy(), sigma=0.05, bounds=bounds, steps=np.array([1 / k for k in counts] + [0]))
    steps = []
    for g in range(12):
        x = population(rng, cma._cma._mean + [0.02, -0.03, -0.02, 0], 0.03 * 0.8**g, cma.population_size)
        cma.tell([(row, float(i)) for i, row in enumerate(x)])
        steps.append({"x": x.tolist(), "stretch": cma._A.tolist(), **state(cma._cma)})
    return {"mean": mean.tolist(), "sigma": 0.05, "counts": counts, "generations": steps}


def categories():
    """Three categorical parameters; the best choices settle, then change."""
    rng = np.random.RandomState(3)
    counts = [3, 5, 2]
    cma = CatCMA(mean=np.zeros(2), sigma=1.0, cat_num=np.array(counts))
    steps = []
    for g in range(8):
        drawn = [[int(rng.randint(k)) for k in counts] for _ in range(cma.population_size)]
        if g > 2:
            for row in drawn[:3]:
                row[0] = 1 if g < 6 else 2
        solutions = []
        for i, row in enumerate(drawn):
            one_hot = np.zeros((len(counts), max(counts)))
            one_hot[np.arange(len(counts)), row] = 1
            solutions.append(((rng.standard_normal(2), one_hot), float(i)))
        cma.tell(solutions)
        q = [cma._q[i, :k].tolist() for i, k in enumerate(counts)]
        steps.append({"choices": drawn, "q": q, "delta": cma._Delta})
    return {"counts": counts, "weights": cma._weights[: cma._mu].tolist(), "generations": steps}


def warm_start():
    rng = np.random.RandomState(4)
    x = np.round(rng.random_sample((50, 4)), 6)
    loss = np.round(((x - 0.3) ** 2).sum(axis=1), 6)
    mean, sigma, covariance = get_warm_start_mgd([(r, float(v)) for r, v in zip(x, loss)])
    return {
        "x": x.tolist(),
        "loss": loss.tolist(),
        "mean": mean.tolist(),
        "sigma": sigma,
        "covariance": covariance.ravel().tolist(),
    }


print(
    json.dumps(
        {
            "cmaes": importlib.metadata.version("cmaes"),
            "plain": plain(),
            "margin": margin(),
            "categories": categories(),
            "warmStart": warm_start(),
        }
    )
)
