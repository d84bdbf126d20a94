"""Counts, without a clock, what a function asks of the device: kernel-launching calls and waits for the device.

`count_calls(fn)` runs `fn` once under a TorchDispatchMode. Every ATen call below autograd counts as one kernel, fused
and foreach calls too; calls that only make a view or allocate do not. The same code makes the same calls on a GPU,
apart from composite functions that a back end fuses or splits, so a CPU test guards the GPU's launch count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

NO_KERNEL = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "_unsafe_view",
    "_reshape_alias",
    "detach",
    "detach_",
    "lift_fresh",
    "alias",
    "set_",
    "resize_",
    "sym_size",
    "sym_stride",
    "is_same_size",
}
"""Allocation and bookkeeping; views are recognised by their schema."""

WAITS = {
    "_local_scalar_dense",
    "item",
    "is_nonzero",
    "equal",
    "nonzero",
    "masked_select",
    "bincount",
    "unique",
    "_unique",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "unique_dim_consecutive",
    "multinomial",  # checks its input's sum on the host
    "repeat_interleave",
    "histc",
}
"""Calls that wait for the device when their input lives on one (`item`, data-dependent shapes, host checks)."""


READS = {torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu, torch.Tensor.__array__}
"""Methods that bring values to the host; of a tensor on a CPU they are no ATen calls."""


class Calls(NamedTuple):
    kernels: int
    """Kernel-launching calls."""
    syncs: int
    """Calls that would wait for the device."""
    names: list[str]
    """Names of the kernel-launching calls, in order."""


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.syncs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS or _selects_by_mask(name, args):
            self.syncs += 1
        if not (func.is_view or name in NO_KERNEL):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


class _Reads(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in READS
        return func(*args, **(kwargs or {}))


def _selects_by_mask(name: str, args: Any) -> bool:
    """x[mask] has a data-dependent shape; x[mask] = tensor needs it too."""
    if name not in ("index", "index_put", "index_put_"):
        return False
    return any(isinstance(i, torch.Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1])


def count_calls(fn: Callable[[], Any]) -> Calls:
    """Runs `fn` once and counts; call it before once yourself if the first call sets something up."""
    with _Reads() as reads, _Counter() as counter:
        fn()
    return Calls(len(counter.names), counter.syncs + reads.count, counter.names)
