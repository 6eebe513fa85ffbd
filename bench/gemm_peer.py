"""The peer of bench/roofline.ts: matmuls y = x w^T in OpenBLAS (numpy) and oneDNN (torch), best of many runs.

Reads {"threads", "precision", "shapes": [[n, i, o], ...]} from stdin, writes one JSON line: the libraries and for each shape their GFLOP/s, null where one is missing.
"""

import json
import os
import sys
import time

S = json.load(sys.stdin)
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(S["threads"])


def best(run, flops):
    run()
    seconds, begin = 1e9, time.perf_counter()
    while time.perf_counter() - begin < 1.0:
        t = time.perf_counter()
        run()
        seconds = min(seconds, time.perf_counter() - t)
    return flops / seconds / 1e9


def openblas():
    import numpy as np

    config = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    yield f"{config['name']} {config['version']}"
    for n, i, o in S["shapes"]:
        x, w = np.random.rand(n, i).astype(np.float32), np.random.rand(o, i).astype(np.float32)
        y = np.empty((n, o), np.float32)
        yield best(lambda: np.matmul(x, w.T, out=y), 2 * n * i * o)


def onednn():
    import torch

    torch.set_num_threads(S["threads"])
    yield f"oneDNN of torch {torch.__version__}"
    for n, i, o in S["shapes"]:
        kind = torch.bfloat16 if S["precision"] == "bf16" else torch.float32
        x, w = torch.rand(n, i).to(kind), torch.rand(o, i).to(kind)
        with torch.no_grad():
            # Weights repacked beforehand: what a library can do at best.
            packed, x = w.to_mkldnn(), x.to_mkldnn()
            yield best(lambda: torch.nn.functional.linear(x, packed), 2 * n * i * o)


def rates(library):
    try:
        name, *values = library()
        return {"name": name, "gflops": values}
    except Exception as error:
        return {"name": f"{type(error).__name__}: {error}", "gflops": [None for _ in S["shapes"]]}


peers = [onednn()] if S["precision"] == "bf16" else [openblas(), onednn()]
print(json.dumps([rates(lambda each=each: each) for each in peers]))
