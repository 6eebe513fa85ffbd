"""The peer of bench/train.ts: the same model, optimizer, batch and precision in PyTorch on the CPU.

Reads one JSON object of sizes, the precision and the variant (eager or compile) from stdin, writes one JSON line with its
speed and the growth of its resident memory, once the model is about to be made and torch is loaded. Written for speed: fused scaled-dot-product attention, stacked Muon, compiled optimizer steps.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F

S = json.load(sys.stdin)
B, T, L, C, H, G, V = (S[k] for k in ("batch", "seq", "layers", "width", "heads", "kv_heads", "vocab"))
D, KV, ACC = C // H, G * C // H, S["accumulation"]
WINDOWS = S["windows"]
torch.set_num_threads(S["threads"])
POLAR = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]
has_ve = lambda i: i % 2 == (L - 1) % 2


def kilobytes(name):
    with open("/proc/self/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith(name)))


def watch_resident_memory():
    """A function that gives the MB of growth since now; None where the system does not tell."""
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        before = kilobytes("VmRSS")
        return lambda: (kilobytes("VmHWM") - before) / 1024
    except OSError:
        return lambda: None


def weights():
    g = torch.Generator().manual_seed(1)
    s = math.sqrt(3 / C)
    u = lambda *shape: ((torch.rand(shape, generator=g) * 2 - 1) * s).requires_grad_()
    z = lambda *shape: torch.zeros(shape).requires_grad_()
    p = {"wte": torch.randn(V, C, generator=g).requires_grad_()}
    p["head"] = (torch.randn(V, C, generator=g) * 0.001).requires_grad_()
    p["resid"], p["x0"] = torch.ones(L).requires_grad_(), (torch.ones(L) * 0.1).requires_grad_()
    for i in range(L):
        p |= {f"{i}.q": u(C, C), f"{i}.k": u(KV, C), f"{i}.v": u(KV, C), f"{i}.o": z(C, C)}
        p |= {f"{i}.fc": u(4 * C, C), f"{i}.proj": z(C, 4 * C)}
        if has_ve(i):
            p |= {f"{i}.gate": z(G, 32), f"ve.{i}": u(V, KV)}
    return p


inv = 1.0 / (10000 ** (torch.arange(0, D, 2).float() / D))
angle = torch.outer(torch.arange(T).float(), inv)
COS, SIN = angle.cos()[None, :, None], angle.sin()[None, :, None]
i, j = torch.arange(T)[:, None], torch.arange(T)[None]
MASKS = {w: (j <= i) & (j >= i - w) for w in set(WINDOWS)}
norm = lambda x: F.rms_norm(x, (x.size(-1),))


def rotate(x):
    a, b = x.chunk(2, -1)
    return torch.cat([a * COS + b * SIN, b * COS - a * SIN], -1)


def loss_of(p, ids, targets):
    x = x0 = norm(F.embedding(ids, p["wte"]))
    for n in range(L):
        x = p["resid"][n] * x + p["x0"][n] * x0
        h = norm(x)
        q = norm(rotate(F.linear(h, p[f"{n}.q"]).view(B, T, H, D)))
        k = norm(rotate(F.linear(h, p[f"{n}.k"]).view(B, T, G, D)))
        v = F.linear(h, p[f"{n}.v"]).view(B, T, G, D)
        if has_ve(n):
            gate = 2 * torch.sigmoid(F.linear(h[..., :32], p[f"{n}.gate"]))
            v = v + gate[..., None] * F.embedding(ids, p[f"ve.{n}"]).view(B, T, G, D)
        q, k, v = (t.transpose(1, 2).to(v.dtype) for t in (q, k, v))
        if WINDOWS[n] >= T:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=G != H)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=MASKS[WINDOWS[n]], enable_gqa=G != H)
        x = x + F.linear(y.transpose(1, 2).reshape(B, T, C), p[f"{n}.o"])
        x = x + F.linear(F.relu(F.linear(norm(x), p[f"{n}.fc"])).square(), p[f"{n}.proj"])
    logits = F.linear(norm(x), p["head"]).float()
    return F.cross_entropy((15 * torch.tanh(logits / 15)).view(-1, V), targets.reshape(-1), ignore_index=-1)


def muon(p, g, m, s, lr, momentum, decay):
    m.lerp_(g, 1 - momentum)
    g = g.lerp(m, momentum)
    x = g / (g.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    if S_BF16:
        x = x.bfloat16()
    tall = g.size(-2) > g.size(-1)
    for a, b, c in POLAR:
        gram = x.mT @ x if tall else x @ x.mT
        poly = b * gram + c * (gram @ gram)
        x = a * x + (x @ poly if tall else poly @ x)
    x = x.float()
    axis = -1 if g.size(-2) >= g.size(-1) else -2
    mean, size = x.square().mean(axis, keepdim=True), x.size(axis)
    before = (mean.sum((-2, -1), keepdim=True) * size).sqrt()
    s.lerp_(mean, 0.05)
    step = s.clamp_min(1e-10).rsqrt()
    after = (mean * size * step.square()).sum((-2, -1), keepdim=True).sqrt()
    x = x * step * (before / after.clamp_min(1e-10))
    p.sub_(lr * x + lr * decay * p * ((x * p) >= 0))


def adamw(p, g, m, v, lr, b1, b2, c1, c2):
    m.lerp_(g, 1 - b1)
    v.lerp_(g.square(), 1 - b2)
    p.sub_(lr / c1 * m / ((v / c2).sqrt() + 1e-10))


def run(compiled, bf16):
    global S_BF16
    S_BF16 = bf16
    grown = watch_resident_memory()
    p = weights()
    wrap = (lambda f: torch.compile(f, dynamic=False)) if compiled else (lambda f: f)
    loss_fn, muon_fn, adamw_fn = wrap(loss_of), wrap(muon), wrap(adamw)
    scale = (C / 768) ** -0.5
    small = {k: v for k, v in p.items() if k in ("wte", "head", "resid", "x0") or k.startswith("ve.")}
    rates = {k: {"head": 0.004 * scale, "resid": 0.005, "x0": 0.5}.get(k, 0.6 * scale) for k in small}
    state = {k: (torch.zeros_like(v), torch.zeros_like(v)) for k, v in small.items()}
    blocks = [k for k in p if k not in small]
    groups = []
    for shape in sorted({p[k].shape for k in blocks}):
        names = [k for k in blocks if p[k].shape == shape]
        m = torch.zeros(len(names), *shape)
        groups.append((names, m, torch.zeros_like(m.mean(-1 if shape[0] >= shape[1] else -2, keepdim=True))))
    g = torch.Generator().manual_seed(2)
    ids = torch.randint(0, V, (ACC, B, T + 1), generator=g)
    step = 0

    def train_step():
        nonlocal step
        step += 1
        for micro in range(ACC):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = loss_fn(p, ids[micro, :, :-1], ids[micro, :, 1:]) / ACC
            loss.backward()
        # Tensors, so that a new step compiles nothing.
        corrections = torch.tensor(1 - 0.8**step), torch.tensor(1 - 0.95**step)
        with torch.no_grad():
            for k, v in small.items():
                m, s = state[k]
                adamw_fn(v, v.grad, m, s, rates[k], 0.8, 0.95, *corrections)
            for names, m, s in groups:
                stack = torch.stack([p[k] for k in names])
                lr = 0.04 * max(1.0, stack.size(1) / stack.size(2)) ** 0.5
                muon_fn(stack, torch.stack([p[k].grad for k in names]), m, s, lr, 0.9, 0.2)
                for k, new in zip(names, stack.unbind(0)):
                    p[k].copy_(new)
            for v in p.values():
                v.grad = None
        return loss.item() * ACC

    for _ in range(S["warmup"]):
        train_step()
    # What compilation took and gave back does not count.
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass
    times, begin = [], time.perf_counter()
    while time.perf_counter() - begin < S["seconds"] or len(times) < 3:
        t = time.perf_counter()
        loss = train_step()
        times.append(time.perf_counter() - t)
    times.sort()
    tokens = ACC * B * T / times[len(times) // 2]
    name = ("compile" if compiled else "eager") + (" bf16" if bf16 else " fp32")
    report = dict(variant=name, tokens_per_second=tokens, resident_mb=grown(), loss=loss, torch=torch.__version__)
    print(json.dumps(report), flush=True)


run(S["variant"] == "compile", S["precision"] == "bf16")
