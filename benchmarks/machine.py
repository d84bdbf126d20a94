"""What a device can do at best, measured: matrix products and copies. The floors of the other benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from benchmarks.common import paired
from trainables import devices


class Peaks(NamedTuple):
    """Largest rates reached in a few tries."""

    float32: float
    """FLOP/s of a float32 matrix product (on a GPU without TF32)."""
    bfloat16: float
    """FLOP/s of a bfloat16 matrix product; on a CPU, where nothing is computed in it, that of float32."""
    copy: float
    """Bytes/s of a copy, read and written bytes both counted."""

    def line(self) -> str:
        return (
            f"- measured peaks: matrix products {self.float32 / 1e12:.2f} TFLOP/s float32, "
            f"{self.bfloat16 / 1e12:.2f} bfloat16; copies {self.copy / 1e9:.0f} GB/s"
        )


def measure_peaks(device: torch.device, side: int | None = None, repeats: int = 5) -> Peaks:
    """Rates of `device` on squares of `side` (default 8,192 on a GPU, 1,024 on a CPU)."""
    on_gpu = device.type == "cuda"
    side = side or (8192 if on_gpu else 1024)
    rate = partial(_product_rate, device, side, repeats)
    float32 = rate(torch.float32)
    source = torch.rand(side * side * 4, device=device)
    target = torch.empty_like(source)
    copy = 2 * source.nbytes / _fastest(lambda: target.copy_(source), device, repeats)
    return Peaks(float32, rate(torch.bfloat16) if on_gpu else float32, copy)


def clock(device: torch.device) -> Callable[[], float]:
    """Wall time on a GPU; on a CPU the process's CPU time, which leaves out waiting for a shared core."""
    return time.perf_counter if device.type == "cuda" else time.process_time


def _product_rate(device: torch.device, side: int, repeats: int, dtype: torch.dtype) -> float:
    left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _fastest(lambda: left @ right, device, repeats)


def _fastest(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    wait = partial(devices.synchronise, device)
    return min(paired({"": run}, repeats=repeats, calls=3, wait=wait, clock=clock(device))[""].seconds)
