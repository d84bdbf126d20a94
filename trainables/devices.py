"""The device a trial runs on: choosing it, seeding it, its peak memory, its precision."""

from __future__ import annotations

import gc
import random
import resource
import sys
import warnings
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch

from trainables.settings.config import TrainConfig
from trainables.vocabulary.errors import UserError
from trainables.wording import close_to, shorten

CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")


def pick_device(spec: str) -> torch.device:
    """`auto` (CUDA if present), `cpu`, `cuda` or `cuda:N` as a device; UserError if it does not exist here."""
    if spec == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(spec)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        hint = close_to(spec, ("auto", "cpu", "cuda"))
        raise UserError(f"device: {shorten(repr(spec))} is not a device; use auto, cpu, cuda or cuda:N{hint}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device: '{spec}' was asked for, but torch sees no CUDA device; use cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device: '{spec}' does not exist; this machine has {torch.cuda.device_count()} CUDA device(s)")
    return device


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices). Called before anything of a trial is built."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def prepare(device: torch.device) -> None:
    """Settings of the process for training on a GPU: cuDNN times its convolutions once per shape and keeps the best.

    Matrix products in float32 stay float32 (no TF32): loss, k-means, look-up and probe rely on it.
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True


def autocast(cfg: TrainConfig, device: torch.device) -> AbstractContextManager:
    """The context of the networks' forward: bfloat16 where `train.precision` says so (auto: on CUDA only)."""
    wanted = cfg.precision == "bfloat16" or (cfg.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def wants_channels_last(cfg: TrainConfig, device: torch.device) -> bool:
    return device.type == "cuda" if cfg.channels_last is None else cfg.channels_last


class PeakMemory:
    """Peak bytes since `start`: device memory on CUDA, resident memory of this process on a CPU.

    On Linux the process's high-water mark is reset at the start, so that a small trial in a reused process does not
    inherit the peak of a large one; where that is not possible the value is the peak since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def start(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")

    def bytes(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        with suppress(OSError, ValueError):
            for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory(device: torch.device) -> None:
    """Give memory of deleted tensors back, between two trials of one process."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it (timing and the end of an epoch only)."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_bytes(device: torch.device) -> int:
    """Of the GPU, or of this machine as far as its control group may use it."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    limits = [psutil.virtual_memory().total]
    with suppress(OSError, ValueError):  # `max`: no limit
        limits.append(int(CONTROL_GROUP.read_text(encoding="utf-8")))
    return min(limits)


class OnDevice(NamedTuple):
    """A split on the training device: images uint8 [N, C, H, W], labels int64 [N], ids int64 [N]."""

    images: torch.Tensor
    labels: torch.Tensor
    ids: torch.Tensor


def to_device(images_u8: np.ndarray, labels: np.ndarray, ids: np.ndarray, device: torch.device) -> OnDevice:
    """Put a split on the device once. On a CPU the (memory-mapped, read-only) arrays are shared, not copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return OnDevice(*(torch.from_numpy(np.asarray(array)).to(device) for array in (images_u8, labels, ids)))


COMPILE_BACKEND = "inductor"
"""What torch.compile uses; a test replaces it by one that needs no compiler."""


def compile_networks(cfg: TrainConfig, networks: torch.nn.Module, device: torch.device) -> None:
    """Compile the networks in place as `train.compile` says; names in their state stay as they are.

    `compile`: fused kernels. `cuda_graphs`: the same, and the forwards and backwards are replayed as CUDA graphs.
    Augmentation, loss, support set and optimiser stay eager: they hold what changes from step to step on the host
    (ring positions, the learning rate), and their launches overlap the graphs. Evaluation calls the encoder alone,
    which is not compiled. Raises UserError for cuda_graphs on a CPU.
    """
    if cfg.compile == "cuda_graphs" and device.type != "cuda":
        raise UserError(f"train.compile: cuda_graphs needs a CUDA device, this trial runs on {device.type}; use none")
    if cfg.compile == "none":
        return
    # A process that trains one trial after another meets many shapes; past torch's limit of 8 it would go eager.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
    mode = "reduce-overhead" if cfg.compile == "cuda_graphs" else None
    # dynamic=False: another batch size is compiled anew; a kernel for any size would be slower for all.
    networks.compile(mode=mode, backend=COMPILE_BACKEND, dynamic=False)


def begin_step(cfg: TrainConfig) -> None:
    """Tell CUDA graphs that the tensors they gave out in the step before are not needed any more."""
    if cfg.compile == "cuda_graphs":
        torch.compiler.cudagraph_mark_step_begin()
