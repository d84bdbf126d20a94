"""What counts as used-up memory: torch's, NumPy's, Python's and the system's words for it, and nobody else's."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from trainables.failures import is_out_of_memory


def raised_by(work) -> BaseException:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        work()
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        torch.OutOfMemoryError("Allocation on device 0 would exceed allowed memory."),
        RuntimeError("CUDA out of memory. Tried to allocate 9 GiB"),
        RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        raised_by(lambda: torch.empty(2**60)),
        raised_by(lambda: np.empty(2**57)),
    ],
    ids=str,
)
def test_used_up_memory_is_recognised(error: BaseException) -> None:
    assert is_out_of_memory(error)


class OutOfMemoryError(Exception):
    """Somebody else's class of that name."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("cannot read the image of out of memory lane"),
        ValueError("CUDA out of memory"),
        OutOfMemoryError("cards"),
        OSError(errno.EIO, "Input/output error"),
    ],
)
def test_other_errors_that_speak_of_memory_are_not(error: BaseException) -> None:
    assert not is_out_of_memory(error)
