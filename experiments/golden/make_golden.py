"""Writes small golden files for the tests: a plain float32 PyTorch version of the model and the optimizer of
karpathy/autoresearch, written from its definition (docs/verify.md), replayed for a few steps.

    python make_golden.py OUT_FOLDER              # writes the cases below
    python make_golden.py --check FILE...         # replays given golden files and prints the largest errors
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.numpy import save_file

CASES = [
    dict(name="tiny-mha", layers=2, heads=2, kv=2, width=32, vocab=24, seq=10, batch=2, windows="SL", steps=3),
    dict(name="tiny-gqa", layers=3, heads=4, kv=2, width=32, vocab=20, seq=9, batch=3, windows="SSL", steps=4),
]
POLAR = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]


def has_ve(i, layers):
    return i % 2 == (layers - 1) % 2


def shapes(c):
    kv = c["kv"] * c["width"] // c["heads"]
    w, v, n = c["width"], c["vocab"], c["layers"]
    out = {"resid_lambdas": (n,), "x0_lambdas": (n,), "transformer.wte.weight": (v, w)}
    for i in range(n):
        p = f"transformer.h.{i}."
        out |= {p + "attn.c_q.weight": (w, w), p + "attn.c_k.weight": (kv, w), p + "attn.c_v.weight": (kv, w)}
        out |= {p + "attn.c_proj.weight": (w, w)}
        if has_ve(i, n):
            out[p + "attn.ve_gate.weight"] = (c["kv"], 32)
        out |= {p + "mlp.c_fc.weight": (4 * w, w), p + "mlp.c_proj.weight": (w, 4 * w)}
    out["lm_head.weight"] = (v, w)
    for i in range(n):
        if has_ve(i, n):
            out[f"value_embeds.{i}.weight"] = (v, kv)
    return out


def norm(x):
    return F.rms_norm(x, (x.size(-1),))


def rotate(x, seq, dim):
    inv = 1.0 / (10000 ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
    angle = torch.outer(torch.arange(seq, dtype=torch.float32), inv)
    cos, sin = angle.cos()[None, :, None], angle.sin()[None, :, None]
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos + b * sin, b * cos - a * sin], -1)


def logits_of(p, ids, c):
    batch, seq = ids.shape
    heads, kv, n = c["heads"], c["kv"], c["layers"]
    dim = c["width"] // heads
    i, j = torch.arange(seq)[:, None], torch.arange(seq)[None]
    x = x0 = norm(p["transformer.wte.weight"][ids])
    for layer in range(n):
        w = lambda name: p[f"transformer.h.{layer}.{name}.weight"]
        x = p["resid_lambdas"][layer] * x + p["x0_lambdas"][layer] * x0
        h = norm(x)
        q = norm(rotate((h @ w("attn.c_q").T).view(batch, seq, heads, dim), seq, dim))
        k = norm(rotate((h @ w("attn.c_k").T).view(batch, seq, kv, dim), seq, dim))
        v = (h @ w("attn.c_v").T).view(batch, seq, kv, dim)
        if has_ve(layer, n):
            gate = 2 * torch.sigmoid(h[..., :32] @ w("attn.ve_gate").T)
            v = v + gate[..., None] * p[f"value_embeds.{layer}.weight"][ids].view(batch, seq, kv, dim)
        short = c["windows"][layer % len(c["windows"])] == "S" and layer < n - 1
        window = seq // 2 if short else seq
        mask = (j <= i) & (j >= i - window)
        k, v = (t.repeat_interleave(heads // kv, 2) for t in (k, v))
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(dim)
        y = torch.einsum("bhij,bjhd->bihd", scores.masked_fill(~mask, -math.inf).softmax(-1), v)
        x = x + y.reshape(batch, seq, -1) @ w("attn.c_proj").T
        x = x + F.relu(norm(x) @ w("mlp.c_fc").T).square() @ w("mlp.c_proj").T
    return 15 * torch.tanh(norm(x) @ p["lm_head.weight"].T / 15)


def groups(p, c, lrs):
    scale = (c["width"] / 768) ** -0.5
    pick = lambda prefix: [k for k in p if k.startswith(prefix)]
    b1, b2 = lrs["adam_betas"]
    out = [
        ("adamw", pick("lm_head"), lrs["unembedding_lr"] * scale, (b1, b2)),
        ("adamw", pick("transformer.wte"), lrs["embedding_lr"] * scale, (b1, b2)),
        ("adamw", pick("value_embeds"), lrs["embedding_lr"] * scale, (b1, b2)),
        ("adamw", ["resid_lambdas"], lrs["scalar_lr"] * 0.01, (b1, b2)),
        ("adamw", ["x0_lambdas"], lrs["scalar_lr"], (0.96, 0.95)),
    ]
    blocks = pick("transformer.h.")
    for shape in sorted({p[k].shape for k in blocks}):
        out.append(("muon", [k for k in blocks if p[k].shape == shape], lrs["matrix_lr"], None))
    return out


def adamw(p, g, s, lr, betas, t):
    m, v = s.setdefault("m", torch.zeros_like(p)), s.setdefault("v", torch.zeros_like(p))
    m.lerp_(g, 1 - betas[0])
    v.lerp_(g.square(), 1 - betas[1])
    p -= lr / (1 - betas[0] ** t) * m / ((v / (1 - betas[1] ** t)).sqrt() + 1e-10)


def muon(ps, gs, s, lr, momentum, decay):
    g, w = torch.stack(gs), torch.stack(ps)
    rows, cols = g.shape[-2:]
    axis = -1 if rows >= cols else -2
    m = s.setdefault("m", torch.zeros_like(g))
    v = s.setdefault("v", torch.zeros_like(g.mean(axis, keepdim=True)))
    m.lerp_(g, 1 - momentum)
    g = g.lerp(m, momentum)
    x = g / (g.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in POLAR:
        gram = x.mT @ x if rows > cols else x @ x.mT
        poly = b * gram + c * (gram @ gram)
        x = a * x + (x @ poly if rows > cols else poly @ x)
    mean, size = x.square().mean(axis, keepdim=True), x.size(axis)
    before = (mean.sum((-2, -1), keepdim=True) * size).sqrt()
    v.lerp_(mean, 0.05)
    step = v.clamp_min(1e-10).rsqrt()
    after = (mean * size * step.square()).sum((-2, -1), keepdim=True).sqrt()
    x = x * step * (before / after.clamp_min(1e-10))
    lr = lr * max(1.0, rows / cols) ** 0.5
    w = w - lr * x - lr * decay * w * ((x * w) >= 0)
    for p, new in zip(ps, w):
        p.copy_(new)


def replay(c, lrs, params, tokens, targets):
    """Yields step by step what the golden file records."""
    p = {k: v.clone().requires_grad_() for k, v in params.items()}
    state, steps, record, out = {}, len(tokens), [], {}
    for s in range(steps):
        logits = logits_of(p, tokens[s][:, :-1].long(), c)
        flat, goal = logits.flatten(0, 1), targets[s].long().flatten()
        loss = F.cross_entropy(flat, goal, ignore_index=-1)
        grads = dict(zip(p, torch.autograd.grad(loss, list(p.values()))))
        if s == 0:
            out["logits"] = logits
            out["loss_per_token"] = F.cross_entropy(flat, goal, ignore_index=-1, reduction="none").view_as(targets[s])
        if s <= 1:
            out |= {f"step{s}.grad.{k}": g for k, g in grads.items()}
        progress = s / steps
        multiplier = 1.0 if progress < 0.5 else (1 - progress) / 0.5
        momentum = 0.85 + min(s / 300, 1) * 0.10
        decay = lrs["weight_decay"] * (1 - progress)
        with torch.no_grad():
            for index, (kind, names, lr, betas) in enumerate(groups(p, c, lrs)):
                if kind == "adamw":
                    for k in names:
                        adamw(p[k], grads[k], state.setdefault(k, {}), lr * multiplier, betas, s + 1)
                else:
                    ps, gs = [p[k] for k in names], [grads[k] for k in names]
                    muon(ps, gs, state.setdefault(index, {}), lr * multiplier, momentum, decay)
        if s in (0, steps - 1):
            out |= {f"after{s}.{k}": v.clone() for k, v in p.items()}
        record.append(dict(loss=loss.item(), lr_multiplier=multiplier, muon_momentum=momentum, muon_weight_decay=decay))
    return out, record


def make(c, folder):
    generator = torch.Generator().manual_seed(7)
    params = {}
    for name, shape in shapes(c).items():
        spread = {1: 0.3, 2: 1.0 if "wte" in name or "value" in name else 0.25}[len(shape)]
        params[name] = torch.randn(shape, generator=generator) * spread + (1.0 if name == "resid_lambdas" else 0)
    size = (c["steps"], c["batch"], c["seq"] + 1)
    tokens = torch.randint(0, c["vocab"], size, generator=generator, dtype=torch.int32)
    targets = tokens[:, :, 1:].clone()
    targets[1, 0, :3] = -1
    lrs = dict(unembedding_lr=0.004, embedding_lr=0.3, matrix_lr=0.02, weight_decay=0.1, adam_betas=[0.8, 0.95], scalar_lr=0.5)
    out, record = replay(c, lrs, params, tokens, targets)
    config = dict(sequence_len=c["seq"], vocab_size=c["vocab"], n_layer=c["layers"], n_head=c["heads"])
    config |= dict(n_kv_head=c["kv"], n_embd=c["width"], window_pattern=c["windows"])
    meta = dict(name=c["name"], config=config, batch=c["batch"], seq=c["seq"], setup_optimizer=lrs, steps=record)
    # Keep the file small: gradients of step 0 only.
    out = {k: v for k, v in out.items() if not k.startswith("step1.grad")}
    out |= {f"param.{k}": v for k, v in params.items()}
    out |= {f"step{s}.tokens": tokens[s] for s in range(c["steps"])}
    out |= {f"step{s}.targets": targets[s] for s in range(c["steps"])}
    arrays = {k: np.ascontiguousarray(v.detach().numpy()) for k, v in out.items()}
    save_file(arrays, f"{folder}/{c['name']}.safetensors", metadata={"meta": json.dumps(meta)})


def check(path):
    with safe_open(path, "pt") as f:
        meta = json.loads(f.metadata()["meta"])
        t = {k: f.get_tensor(k) for k in f.keys()}
    g = meta["config"]
    c = dict(layers=g["n_layer"], heads=g["n_head"], kv=g["n_kv_head"], width=g["n_embd"], windows=g["window_pattern"])
    params = {k: t[f"param.{k}"] for k in shapes(c | dict(vocab=g["vocab_size"]))}
    n = len(meta["steps"])
    out, record = replay(c, meta["setup_optimizer"], params, [t[f"step{s}.tokens"] for s in range(n)], [t[f"step{s}.targets"] for s in range(n)])
    worst = {}
    for k, v in out.items():
        if k in t:
            error = ((v - t[k].view_as(v)).abs().max() / t[k].abs().max().clamp_min(1e-30)).item()
            kind = k.split(".")[0]
            worst[kind] = max(worst.get(kind, 0), error)
    print(path, worst, "loss", max(abs(a["loss"] - b["loss"]) for a, b in zip(record, meta["steps"])))


if __name__ == "__main__":
    torch.manual_seed(0)
    if sys.argv[1] == "--check":
        for path in sys.argv[2:]:
            check(path)
    else:
        for case in CASES:
            make(case, sys.argv[1])
