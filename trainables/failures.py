"""How a training run fails: exceptions of its own, and what allocators say when memory is used up.

Standard library only: a study classifies the failures of its trials with it, without loading torch.
"""

from __future__ import annotations

import errno
import sys


class Diverged(RuntimeError):
    """The training loss became NaN or infinite."""


class TimedOut(RuntimeError):
    """The run took longer than train.time_limit_s."""


class DoesNotFit(MemoryError):
    """The run needs more memory than there is, known before any of it is taken."""


ALLOCATOR_WORDS = (
    "cuda out of memory",
    "cuda error: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
)
"""What torch says in a plain RuntimeError, in lower case: CUDA and its libraries, the allocator of CPU tensors."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory of the device or of this machine was used up, as torch, NumPy, Python or the system report it.

    Decided by class and number; by words for a RuntimeError alone, since torch has no class for most of these.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    torch = sys.modules.get("torch")  # if it is not loaded, its error cannot have been raised
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in ALLOCATOR_WORDS)
