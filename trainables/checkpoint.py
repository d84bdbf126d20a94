"""Checkpoint files: written atomically, versioned, checksummed; a damaged one is noticed and the one before is used.

A file is one line of text (`KMCLR-CHECKPOINT <version> <CRC-32 of the body> <bytes of the body>`) and then the body,
a `torch.save` archive that `torch.load(weights_only=True)` reads: tensors and plain containers, no code. A right
checksum says that the file is whole, not that it is of this run: `check_like` compares what it holds with what is
expected before anything uses it.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
import zlib
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from trainables.failures import is_out_of_memory
from trainables.files import atomically
from trainables.vocabulary.errors import UserError
from trainables.wording import shorten

VERSION = 1
MAGIC = "KMCLR-CHECKPOINT"
SUFFIX = ".ckpt"
TRIAL_FILE = "trial.ckpt"
"""In a checkpoint's folder of a trial in Tune."""
SAVING_SHARE = 0.01


class CheckpointError(UserError):
    """A checkpoint file that is missing, cut, changed, or written by something else."""


class Loaded(NamedTuple):
    """A checkpoint's state, the file it came from, and the newer files that were skipped because they are damaged."""

    state: dict[str, Any]
    path: Path
    skipped: tuple[str, ...]


class Cadence:
    """When to save: every n-th epoch, or ("auto") as often as saving takes at most `SAVING_SHARE` of the time.

    "auto" saves after the first epoch, which shows what it costs. What a crash can lose is then at most
    1 / `SAVING_SHARE` times what a save takes: half a second a save, 50 s of training.
    """

    def __init__(self, every: int | Literal["auto"], clock: Callable[[], float] = time.monotonic) -> None:
        self.every = every
        self._clock = clock
        self._next_at = clock()

    def due(self, epoch: int) -> bool:
        """Whether to save now, `epoch` epochs being finished (the last one is the caller's to save)."""
        return self._clock() >= self._next_at if self.every == "auto" else epoch % self.every == 0

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """To be held around a save, whose duration says when the next is due."""
        began = self._clock()
        yield
        self._next_at = self._clock() + (self._clock() - began) / SAVING_SHARE


def write(path: str | Path, state: dict[str, Any]) -> None:
    """Write `state` so that `path` is either as it was before or complete, also when the machine dies."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getbuffer()
    with atomically(path) as file:
        file.write(f"{MAGIC} {VERSION} {zlib.crc32(body):08x} {len(body)}\n".encode())
        file.write(body)


def read(path: str | Path) -> dict[str, Any]:
    """The state that `write` stored, on the CPU. CheckpointError if it is missing, damaged or no checkpoint of ours."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint file")
    try:
        with path.open("rb") as file:
            header = file.readline(200)
            body = file.read()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    fields = header.decode("ascii", errors="replace").split()
    if len(fields) != 4 or fields[0] != MAGIC or not fields[3].isdigit():
        raise CheckpointError(f"{path}: not a checkpoint of this program (a file written by `trainables.pretrain`)")
    if fields[1] != str(VERSION):
        raise CheckpointError(f"{path}: checkpoint version {fields[1]}, this program reads version {VERSION}")
    if len(body) != int(fields[3]) or f"{zlib.crc32(body):08x}" != fields[2]:
        raise CheckpointError(
            f"{path}: damaged: {len(body)} of {fields[3]} bytes, checksum {zlib.crc32(body):08x} instead of {fields[2]}"
        )
    return _unpacked(body, path)


def _unpacked(body: bytes, path: Path) -> dict[str, Any]:
    with _named(path), foreign_content():
        found = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise TypeError(f"it holds a {type(found).__name__}")
        return found


@contextlib.contextmanager
def foreign_content() -> Iterator[None]:
    """Within this context whatever a checkpoint's content makes go wrong is a CheckpointError.

    Used-up memory is not: that is the machine's.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        lines = str(error).strip().splitlines()
        said = shorten(": ".join([type(error).__name__, *lines[:1]]))
        raise CheckpointError(f"its content is not what this program writes there ({said})") from error


def check_like(found: Any, own: Any, name: str = "", free: Container[str] = ()) -> None:
    """Raises ValueError that names the part of a state which is not built like one's own.

    Alike are: objects of the same keys, lists of the same length, tensors of the same shape and type, numbers that are
    whole where one's own are, texts. free: names of parts that are not looked into.
    """
    if name in free:
        return
    if isinstance(own, dict):
        if not isinstance(found, dict) or set(found) != set(own):
            given = sorted(map(str, set(found) ^ set(own)))[:3] if isinstance(found, dict) else type(found).__name__
            raise ValueError(f"{name or 'state'} has other parts: {given}")
        for key, value in own.items():
            check_like(found[key], value, f"{name}.{key}" if name else str(key), free)
    elif isinstance(own, list | tuple):
        if not isinstance(found, list | tuple) or len(found) != len(own):
            raise ValueError(f"{name} is not a list of {len(own)}")
        for number, value in enumerate(own):
            check_like(found[number], value, f"{name}.{number}", free)
    elif isinstance(own, torch.Tensor):
        if not isinstance(found, torch.Tensor) or found.shape != own.shape or found.dtype != own.dtype:
            raise ValueError(f"{name} is not {own.dtype} of shape {tuple(own.shape)}")
    else:
        kinds = (int, float) if isinstance(own, float) else type(own)
        number = isinstance(found, int | float) and not isinstance(found, bool)
        if (
            not isinstance(found, kinds)
            or (number and not math.isfinite(found))
            or (isinstance(found, bool) != isinstance(own, bool))
        ):
            raise ValueError(f"{name} is {type(found).__name__}, expected {type(own).__name__}")


def kept(state: Any) -> Any:
    """A copy of a state in the computer's memory, which no later step changes."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {name: kept(value) for name, value in state.items()}
    return [kept(value) for value in state] if isinstance(state, list | tuple) else state


def save_rolling(folder: str | Path, epoch: int, state: dict[str, Any]) -> Path:
    """Write the checkpoint of an epoch into `folder` and delete all but it and the one before.

    Those of later epochs stay: they are damaged, or the run would have gone on from them.
    """
    path = Path(folder) / f"epoch_{epoch:06d}{SUFFIX}"
    write(path, state)
    for old in [other for other in in_folder(folder) if other.name <= path.name][2:]:
        old.unlink(missing_ok=True)
    return path


def in_folder(folder: str | Path) -> list[Path]:
    """The checkpoints that `save_rolling` left in a folder, newest first."""
    found = (path for path in Path(folder).glob(f"epoch_*{SUFFIX}") if path.stem.removeprefix("epoch_").isdecimal())
    return sorted(found, key=epoch_of, reverse=True)


def epoch_of(path: Path) -> int:
    """The epoch of a checkpoint that `save_rolling` left."""
    return int(path.stem.rpartition("_")[2])


def read_newest(paths: list[Path], use: Callable[[dict[str, Any]], object] = lambda state: None) -> Loaded | None:
    """The first of `paths` (given newest first) that can be read and that `use` takes, which may refuse it by a
    CheckpointError; None if there is none to try, an error if none is of use."""
    skipped: list[str] = []
    for path in paths:
        try:
            state = read(path)
            with _named(path):
                use(state)
            return Loaded(state, path, tuple(skipped))
        except CheckpointError as error:
            skipped.append(str(error))
    if skipped:
        raise CheckpointError("no usable checkpoint: " + "; ".join(skipped))
    return None


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
