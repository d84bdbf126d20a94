"""A storage of checkpoints that does not answer, as one line for the user instead of Tune's traceback.

Trials outlast it (`study.tune.durable`); Tune's driver does not: it reads the storage when a stage begins and when it
ends.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator

from study import disk_full

TUNE_WORDS = ("no experiment snapshot file", "unable to set up cluster storage")
"""What Tune says of a storage that answers but does not hold what Tune put there."""


class StorageGone(ValueError):
    """The user has to bring the storage back; the message says which, and the command to go on with."""


def _from_arrow(error: BaseException) -> bool:
    """Whether pyarrow raised it, through which every storage is read and written."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, OSError) and bool(frames) and "pyarrow" in frames[-1].filename


def reason_of(error: BaseException) -> str | None:
    """The first line of a chain's error that comes from the storage; None if none does, or if a disk is full."""
    links = list(disk_full.chain(error))
    if any(disk_full.says_so(link) for link in links):
        return None
    for link in links:
        said = str(link).strip()
        if _from_arrow(link) or said.lower().startswith(TUNE_WORDS):
            return said.splitlines()[0].rstrip(".")
    return None


@contextlib.contextmanager
def one_line(uri: str, again: Callable[[], str]) -> Iterator[None]:
    """Within this context a storage that cannot be used raises StorageGone; any other error passes as it is.

    uri: the study's folder in the storage. again: gives the command to go on with.
    """
    try:
        yield
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise StorageGone(
            f"{uri}: the storage of checkpoints cannot be used ({reason}); once it can, continue with: {again()}"
        ) from error
