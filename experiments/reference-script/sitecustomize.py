"""Lets karpathy/autoresearch's train.py run, unchanged, on a CPU: stands in for what it takes from the GPU and from prepare.py.

On PYTHONPATH, Python imports this first. REFERENCE_TEXT names a text file, of which the last tenth is held out;
REFERENCE_SECONDS is the time budget of a run (10). Everything else is train.py's own: model, optimizer, schedules, loop.
"""

import math
import os
import sys
import types

import torch
import torch.nn.functional as F

MAX_SEQ_LEN = 256
EVAL_ROWS = 32
BOS = 256  # after the bytes


# --- torch.cuda, devices, autocast; torch.compile takes longer than these runs ---


class _DeviceType(type):
    def __instancecheck__(cls, value):
        return isinstance(value, cls.original)


class _Device(metaclass=_DeviceType):
    """torch.device, with the CPU as "cuda"."""

    original = torch.device

    def __new__(cls, name, *index):
        return cls.original("cpu") if name == "cuda" else cls.original(name, *index)


torch.device = _Device
torch.cuda.get_device_capability = lambda: (0, 0)
torch.cuda.manual_seed = lambda seed: None
torch.cuda.synchronize = lambda: None
torch.cuda.max_memory_allocated = lambda: 0
_autocast = torch.amp.autocast
torch.amp.autocast = lambda device_type, **options: _autocast("cpu", **options)
torch.compile = lambda model=None, **options: (lambda compiled: compiled) if model is None else model


# --- kernels: flash attention by PyTorch's own, over (batch, time, heads, channels) ---


def flash_attn_func(q, k, v, causal, window_size):
    assert causal
    at = torch.arange(q.size(1))
    back = at[:, None] - at[None, :]
    mask = (back >= 0) & (back <= window_size[0])
    heads = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2)


# --- prepare: bytes for tokens, rows from a text file ---


class Tokenizer:
    @classmethod
    def from_directory(cls):
        return cls()

    def get_vocab_size(self):
        return BOS + 1


def make_dataloader(tokenizer, rows, length, split):
    """Rows of BOS and consecutive bytes."""
    with open(os.environ["REFERENCE_TEXT"], "rb") as file:
        text = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).long()
    cut = len(text) * 9 // 10
    text = text[:cut] if split == "train" else text[cut:]
    chunks = text[: len(text) // length * length].view(-1, length)
    row, epoch = 0, 1
    while True:
        targets = chunks[torch.arange(row, row + rows) % len(chunks)]
        inputs = torch.cat([torch.full((rows, 1), BOS), targets[:, :-1]], 1)
        yield inputs, targets, epoch
        row += rows
        epoch = 1 + row // len(chunks)


@torch.no_grad()
def evaluate_bpb(model, tokenizer, batch_size):
    """Bits per byte: each token is one."""
    batches = make_dataloader(tokenizer, batch_size, MAX_SEQ_LEN, "val")
    steps = max(1, EVAL_ROWS // batch_size)
    nats = sum(model(*next(batches)[:2], reduction="none").sum().item() for _ in range(steps))
    return nats / (math.log(2) * steps * batch_size * MAX_SEQ_LEN)


def _module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


_flash = types.SimpleNamespace(flash_attn_interface=types.SimpleNamespace(flash_attn_func=flash_attn_func))
_module("kernels", get_kernel=lambda repository: _flash)
_module(
    "prepare",
    MAX_SEQ_LEN=MAX_SEQ_LEN,
    TIME_BUDGET=float(os.environ.get("REFERENCE_SECONDS", "10")),
    Tokenizer=Tokenizer,
    make_dataloader=make_dataloader,
    evaluate_bpb=evaluate_bpb,
)
