"""PyTorch compared with ours, on the same shapes and in the same run: the original's model and optimizer step (karpathy/autoresearch)
under torch.compile, with the best attention that this PyTorch has for the shapes: FlashAttention-3 where it is installed,
FlexAttention, or scaled_dot_product_attention by cuDNN, flash or efficient kernels; the report says which.

Reads one JSON object from stdin ("mode": "speed", "attention" or "loss", sizes as proof.ts sends them), writes JSON lines.
Runs on the CPU too, at tiny sizes, to try the script itself.
"""

import json
import math
import os
import struct
import sys
import time
import traceback

import torch
import torch.nn.functional as F

S = json.load(sys.stdin)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GPU = DEVICE == "cuda"
BF16 = S.get("precision", "bf16") == "bf16"
POLAR = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]
torch.set_float32_matmul_precision("high")


def say(**report):
    print(json.dumps(report), flush=True)


def synchronize():
    if GPU:
        torch.cuda.synchronize()


def about():
    name = torch.cuda.get_device_name() if GPU else "CPU"
    return dict(torch=torch.__version__, cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version(), device=name)


def reason(error):
    return f"{type(error).__name__}: {error}".strip().split("\n")[0][:300]


# --- Attention: q [B, H, T, D], k and v [B, G, T, D]; query i sees keys j with i - window <= j <= i ---


def flash3():
    try:
        from flash_attn_interface import flash_attn_func
    except ImportError:
        from flash_attn_3.flash_attn_interface import flash_attn_func

    def make(window, T):
        def attend(q, k, v):
            q, k, v = (t.transpose(1, 2) for t in (q, k, v))
            size = (-1, -1) if window >= T - 1 else (window, 0)
            y = flash_attn_func(q, k, v, causal=True, window_size=size)
            return (y[0] if isinstance(y, tuple) else y).transpose(1, 2)

        return attend

    return make


def flex():
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    compiled = torch.compile(flex_attention, dynamic=False)

    def make(window, T):
        rule = lambda b, h, i, j: (j <= i) & (j >= i - window)
        mask = create_block_mask(rule, None, None, T, T, device=DEVICE)
        return lambda q, k, v: compiled(q, k, v, block_mask=mask, enable_gqa=q.size(1) != k.size(1))

    return make


def sdpa(backend):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kind = getattr(SDPBackend, backend)

    def make(window, T):
        i, j = torch.arange(T, device=DEVICE)[:, None], torch.arange(T, device=DEVICE)[None]
        mask = None if window >= T - 1 else (j <= i) & (j >= i - window)

        def attend(q, k, v):
            with sdpa_kernel(kind):
                gqa = dict(enable_gqa=True) if q.size(1) != k.size(1) else {}
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, **gqa)

        return attend

    return make


KINDS = {
    "FlashAttention-3": flash3,
    "FlexAttention": flex,
    "SDPA cuDNN": lambda: sdpa("CUDNN_ATTENTION"),
    "SDPA flash": lambda: sdpa("FLASH_ATTENTION"),
    "SDPA efficient": lambda: sdpa("EFFICIENT_ATTENTION"),
    "SDPA math": lambda: sdpa("MATH"),
}


def milliseconds(work, seconds):
    """Median of repetitions that take about so long."""
    work()
    synchronize()
    begin = time.perf_counter()
    work()
    synchronize()
    once = time.perf_counter() - begin
    inner = max(1, min(50, int(0.02 / max(once, 1e-6))))
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 200):
        begin = time.perf_counter()
        for _ in range(inner):
            work()
        synchronize()
        times.append((time.perf_counter() - begin) / inner)
    return 1000 * sorted(times)[len(times) // 2]


def time_attention(B, T, H, G, D, window, seconds, only=None):
    """{name: (forward ms, forward and backward ms, function)} and {name: why it does not work}."""
    dtype = torch.bfloat16 if BF16 else torch.float32
    size = lambda heads: torch.randn(B, heads, T, D, device=DEVICE, dtype=dtype).requires_grad_()
    q, k, v = size(H), size(G), size(G)
    dy = torch.randn_like(q)
    found, missing = {}, {}
    for name, load in KINDS.items():
        if only and name not in only:
            continue
        try:
            attend = load()(window, T)

            def both():
                torch.autograd.grad(attend(q, k, v), (q, k, v), dy)

            def forward():
                with torch.no_grad():
                    attend(q, k, v)

            found[name] = (milliseconds(forward, seconds), milliseconds(both, seconds), attend)
        except Exception as error:  # whatever this PyTorch or this GPU lacks
            missing[name] = reason(error)
    return found, missing


def run_attention():
    say(**about())
    for case in S["cases"]:
        B, T, H, G, D, window = (case[key] for key in ("batch", "seq", "heads", "kvHeads", "headDim", "window"))
        found, missing = time_attention(B, T, H, G, D, window, S["seconds"])
        pairs = sum(min(i, window) + 1 for i in range(T))
        flops = 4 * B * H * D * pairs
        for name, (forward, both, _) in found.items():
            rate = dict(forward_tflops=flops / forward / 1e9, both_tflops=3.5 * flops / both / 1e9)
            say(case=case, kind=name, forward_ms=forward, both_ms=both, **rate)
        say(case=case, missing=missing)


# --- The model, by the reference's parameter names ---


class Model:
    def __init__(self):
        self.B, self.T, self.L, self.C, self.H, self.G, self.V = (
            S[key] for key in ("batch", "seq", "layers", "width", "heads", "kvHeads", "vocab")
        )
        self.D = self.C // self.H
        self.KV = self.G * self.D
        self.windows = S["windows"]
        self.softcap = S.get("softcap", 15)
        angle = torch.outer(
            torch.arange(self.T).float(), 1.0 / (S.get("ropeBase", 10000) ** (torch.arange(0, self.D, 2).float() / self.D))
        )
        dtype = torch.bfloat16 if BF16 else torch.float32
        self.cos = angle.cos()[None, :, None].to(DEVICE, dtype)
        self.sin = angle.sin()[None, :, None].to(DEVICE, dtype)
        self.attention, self.chosen = {}, {}
        for window in sorted(set(self.windows)):
            found, missing = time_attention(self.B, self.T, self.H, self.G, self.D, window, 0.1)
            if not found:
                raise RuntimeError(f"no attention works: {missing}")
            best = min(found, key=lambda name: found[name][1])
            self.attention[window] = found[best][2]
            times = {name: round(both, 3) for name, (_, both, _) in found.items()}
            self.chosen[str(window)] = dict(kind=best, both_ms=times, missing=missing)

    def has_ve(self, i):
        return S.get("valueEmbeds", True) and i % 2 == (self.L - 1) % 2

    def shapes(self):
        C, KV, V, L = self.C, self.KV, self.V, self.L
        out = {"transformer.wte.weight": (V, C), "lm_head.weight": (V, C), "resid_lambdas": (L,), "x0_lambdas": (L,)}
        for i in range(L):
            p = f"transformer.h.{i}."
            out |= {p + "attn.c_q.weight": (C, C), p + "attn.c_k.weight": (KV, C), p + "attn.c_v.weight": (KV, C)}
            out |= {p + "attn.c_proj.weight": (C, C), p + "mlp.c_fc.weight": (4 * C, C), p + "mlp.c_proj.weight": (C, 4 * C)}
            if self.has_ve(i):
                out |= {p + "attn.ve_gate.weight": (self.G, 32), f"value_embeds.{i}.weight": (V, KV)}
        return out

    def init(self):
        """The original's: uniform block matrices, zeros for what writes to the residual stream."""
        g = torch.Generator().manual_seed(1)
        s = math.sqrt(3 / self.C)
        weights = {}
        for name, shape in self.shapes().items():
            if name == "resid_lambdas":
                w = torch.ones(shape)
            elif name == "x0_lambdas":
                w = torch.full(shape, 0.1)
            elif "c_proj" in name or "ve_gate" in name:
                w = torch.zeros(shape)
            elif "wte" in name:
                w = torch.randn(shape, generator=g)
            elif "lm_head" in name:
                w = torch.randn(shape, generator=g) * 0.001
            else:
                w = (torch.rand(shape, generator=g) * 2 - 1) * s
            weights[name] = w
        return weights

    def loss(self, p, ids, targets):
        B, T, H, G, D = self.B, self.T, self.H, self.G, self.D
        norm = lambda x: F.rms_norm(x, (x.size(-1),))

        def rotate(x):
            a, b = x.chunk(2, -1)
            return torch.cat([a * self.cos + b * self.sin, b * self.cos - a * self.sin], -1)

        x = x0 = norm(F.embedding(ids, p["transformer.wte.weight"]))
        for n in range(self.L):
            w = lambda name: p[f"transformer.h.{n}.{name}.weight"]
            x = p["resid_lambdas"][n] * x + p["x0_lambdas"][n] * x0
            h = norm(x)
            q = norm(rotate(F.linear(h, w("attn.c_q")).view(B, T, H, D)))
            k = norm(rotate(F.linear(h, w("attn.c_k")).view(B, T, G, D)))
            v = F.linear(h, w("attn.c_v")).view(B, T, G, D)
            if self.has_ve(n):
                gate = 2 * torch.sigmoid(F.linear(h[..., :32], w("attn.ve_gate")))
                v = v + gate[..., None] * F.embedding(ids, p[f"value_embeds.{n}.weight"]).view(B, T, G, D)
            q, k, v = (t.transpose(1, 2).to(v.dtype) for t in (q, k, v))
            y = self.attention[self.windows[n]](q, k, v)
            x = x + F.linear(y.transpose(1, 2).reshape(B, T, -1), w("attn.c_proj"))
            x = x + F.linear(F.relu(F.linear(norm(x), w("mlp.c_fc"))).square(), w("mlp.c_proj"))
        logits = F.linear(norm(x), p["lm_head.weight"]).float()
        logits = self.softcap * torch.tanh(logits / self.softcap)
        return F.cross_entropy(logits.view(-1, self.V), targets.reshape(-1), ignore_index=-1)


# --- The optimizer step, fused as the original's ---


def muon(p, g, m, s, lr, momentum, decay):
    m.lerp_(g, 1 - momentum)
    g = g.lerp(m, momentum)
    x = g.bfloat16() if BF16 else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
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
    g = g.to(p.dtype)
    m.lerp_(g, 1 - b1)
    v.lerp_(g.square(), 1 - b2)
    p.sub_((lr / c1 * m / ((v / c2).sqrt() + 1e-10)).to(p.dtype))


class Training:
    def __init__(self, model, weights, half_embeddings):
        self.model = model
        wrap = torch.compile if S.get("compile", True) else lambda f, **_: f
        self.loss_of, self.muon, self.adamw = (wrap(f, dynamic=False) for f in (model.loss, muon, adamw))
        self.p = {}
        for name, w in weights.items():
            half = half_embeddings and BF16 and ("wte" in name or "value_embeds" in name)
            self.p[name] = w.to(DEVICE, torch.bfloat16 if half else torch.float32).requires_grad_()
        scale = (model.C / 768) ** -0.5
        rates = S["rates"]
        self.small = {}
        for name in self.p:
            if name.startswith("transformer.h."):
                continue
            lr, b1 = {
                "lm_head.weight": (rates["unembedding"] * scale, 0.8),
                "resid_lambdas": (rates["scalar"] * 0.01, 0.8),
                "x0_lambdas": (rates["scalar"], 0.96),
            }.get(name, (rates["embedding"] * scale, 0.8))
            self.small[name] = (lr, b1, torch.zeros_like(self.p[name]), torch.zeros_like(self.p[name]))
        blocks = [name for name in self.p if name not in self.small]
        self.groups = []
        for shape in sorted({tuple(self.p[name].shape) for name in blocks}):
            names = [name for name in blocks if tuple(self.p[name].shape) == shape]
            m = torch.zeros(len(names), *shape, device=DEVICE)
            s = torch.zeros_like(m.mean(-1 if shape[0] >= shape[1] else -2, keepdim=True))
            self.groups.append((names, m, s, max(1.0, shape[0] / shape[1]) ** 0.5))
        self.steps = 0

    def step(self, batches, progress, total):
        """One optimizer step on (ids, targets) of each micro-batch; the loss stays on the device."""
        total_loss = 0.0
        for ids, targets in batches:
            with torch.autocast(DEVICE, torch.bfloat16, enabled=BF16):
                loss = self.loss_of(self.p, ids, targets) / len(batches)
            loss.backward()
            total_loss = total_loss + loss.detach()
        t = self.steps = self.steps + 1
        number = lambda x: torch.tensor(x, dtype=torch.float32, device="cpu")  # a new value compiles nothing
        down = S.get("warmdownRatio", 0.5)
        multiplier = 1.0 if progress < 1 - down else (1 - progress) / down
        momentum = 0.85 + min((t - 1) / 300, 1) * 0.10
        decay = S["rates"].get("weightDecay", 0.2) * (1 - progress)
        with torch.no_grad():
            for name, (lr, b1, m, v) in self.small.items():
                p = self.p[name]
                self.adamw(p, p.grad, m, v, number(lr * multiplier), b1, 0.95, number(1 - b1**t), number(1 - 0.95**t))
            for names, m, s, ratio in self.groups:
                stack = torch.stack([self.p[name] for name in names])
                grads = torch.stack([self.p[name].grad for name in names])
                lr = S["rates"]["matrix"] * multiplier * ratio
                self.muon(stack, grads, m, s, number(lr), number(momentum), number(decay))
                torch._foreach_copy_([self.p[name] for name in names], list(stack.unbind(0)))
            for p in self.p.values():
                p.grad = None
        return total_loss


def run_speed():
    model = Model()
    training = Training(model, model.init(), half_embeddings=True)
    say(**about(), attention=model.chosen, compile=S.get("compile", True))
    g = torch.Generator().manual_seed(2)
    ids = torch.randint(0, model.V, (model.B, model.T + 1), generator=g).to(DEVICE)
    batches = [(ids[:, :-1], ids[:, 1:])] * S["accumulation"]
    begin = time.perf_counter()
    for _ in range(3):
        loss = training.step(batches, 0, 1).item()
    say(warmup_seconds=time.perf_counter() - begin, loss=loss)
    if GPU:
        torch.cuda.reset_peak_memory_stats()
    times, end = [], time.perf_counter() + S["seconds"]
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        loss = training.step(batches, 0, 1).item()
        times.append(time.perf_counter() - begin)
    times.sort()
    median = times[len(times) // 2]
    peak = dict(peak_memory_mb=torch.cuda.max_memory_allocated() / 2**20) if GPU else {}
    tokens = S["accumulation"] * model.B * model.T
    say(tokens_per_second=tokens / median, step_seconds=median, steps=len(times), loss=loss, **peak)


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(data, dtype=torch.float32, offset=begin, count=(end - begin) // 4)
            tensors[name] = flat.view(entry["shape"]).clone()
    return tensors


def run_loss():
    """Losses of steps on recorded batches: int32 ids [steps, accumulation, B, T], then targets of the same shape."""
    model = Model()
    training = Training(model, read_safetensors(S["weights"]), half_embeddings=False)
    say(**about(), attention=model.chosen)
    shape = (S["steps"], S["accumulation"], model.B, model.T)
    flat = torch.frombuffer(bytearray(open(S["batches"], "rb").read()), dtype=torch.int32).view(2, *shape).long().to(DEVICE)
    losses = []
    for step in range(S["steps"]):
        batches = [(flat[0, step, micro], flat[1, step, micro]) for micro in range(S["accumulation"])]
        losses.append(training.step(batches, step / S["steps"], S["steps"]))
        if step % 50 == 49 or step == S["steps"] - 1:
            say(losses=[float(loss) for loss in losses])


RUNS = {"speed": run_speed, "attention": run_attention, "loss": run_loss}


def main():
    try:
        RUNS[S["mode"]]()
        return
    except Exception as error:
        if S["mode"] == "attention" or not S.get("compile", True):
            raise
        say(compile_failed=reason(error))
        if os.environ.get("PEER_TRACE"):
            traceback.print_exc()
    # Without a C compiler, for example, there is no Triton.
    S["compile"] = False
    RUNS[S["mode"]]()


try:
    main()
except Exception as error:
    say(failed=reason(error))
    if os.environ.get("PEER_TRACE"):
        raise
    sys.exit(1)
