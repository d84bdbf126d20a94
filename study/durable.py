"""A trainable that ends with a status instead of a crash, and that finds its way back from a damaged checkpoint.

`durable(TrialActor)` is what the study hands to Tune. Only the death of the process is left to Tune (it restarts the
trial from its last checkpoint); what the trial raises itself would only be raised again.
"""

from __future__ import annotations

import errno
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.trainable import trainable as ray_trainable

from study import schema

MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


def status_of(error: BaseException) -> str:
    """The schema's status for an exception raised by a trial."""
    names = {cls.__name__ for cls in type(error).__mro__}
    text = str(error).lower()
    if "Diverged" in names:
        return schema.DIVERGED
    if names & {"OutOfMemoryError", "MemoryError"} or any(words in text for words in MEMORY_WORDS):
        return schema.OUT_OF_MEMORY
    if names & {"TimedOut", "TimeoutError"}:
        return schema.TIMED_OUT
    return schema.FAILED


def describe(error: BaseException) -> str:
    """One line."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full: {error}"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")


class Durable:
    """Mixed in before a class Trainable; see the module's docstring."""

    _fault_error: BaseException | None = None
    _building = False

    def setup(self, config: dict[str, Any]) -> None:
        if self._building:  # a trainable whose reset_config calls setup
            super().setup(config)
        else:
            self._begin_task(config, lambda: super(Durable, self).setup(config))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Always True: Tune fails the next trial otherwise; a trainable that cannot be reset is set up anew."""
        self._begin_task(new_config, self._rebuild)
        return True

    def _begin_task(self, config: dict[str, Any], build: Callable[[], object]) -> None:
        self._task = config
        self._since = time.monotonic()
        self._fault_error = None
        self._building = True
        try:
            build()
            self._fall_back(list(config.get("resume_from", ())))
        except Exception as error:
            self._note(error)
        finally:
            self._building = False

    def _rebuild(self) -> None:
        if not super().reset_config(self._task):
            super().setup(self._task)

    def _note(self, error: BaseException) -> None:
        self._fault_error = error
        traceback.print_exception(error, file=sys.stderr)

    def _failure(self, error: BaseException) -> dict[str, Any]:
        return {"done": True, "status": status_of(error), "error": describe(error)}

    def step(self) -> dict[str, Any]:
        """The trainable's result, and the seconds since this process began to set the trial up."""
        if self._fault_error is not None:
            return self._failure(self._fault_error)
        try:
            result = super().step()
            return {**result, schema.HELD_S: time.monotonic() - self._since}
        except Exception as error:
            self._note(error)
            return self._failure(error)

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """A checkpoint that cannot be written (disk full) ends the trial at its next step instead of crashing it."""
        try:
            return super().save(checkpoint_dir)
        except OSError as error:
            self._note(error)
            return ray_trainable._TrainingResult(checkpoint=None, metrics={})

    # --- restoring ---
    def load_checkpoint(self, checkpoint: Any) -> None:
        """Load, or fall back to an older checkpoint of this trial, or start over."""
        self._fall_back([str(checkpoint), *self._older(Path(checkpoint)), *self._task.get("resume_from", ())])

    def _fall_back(self, candidates: list[str]) -> None:
        for path in candidates:
            try:
                self._load(path)
                return
            except Exception as error:
                print(f"checkpoint {path} cannot be loaded ({describe(error)})", file=sys.stderr)
        self._iteration = 0
        if candidates:
            self._building = True
            try:
                self._rebuild()
            finally:
                self._building = False

    def _load(self, path: str) -> None:
        """Raises if nothing was loaded: the trainable sets `_iteration` to the epochs that the checkpoint holds."""
        self._iteration = 0
        with tune.Checkpoint(path).as_directory() as folder:
            super().load_checkpoint(folder)
        if self._iteration == 0:
            raise ValueError("it holds no finished epoch")

    @staticmethod
    def _older(checkpoint: Path) -> Iterator[str]:
        siblings = checkpoint.parent.glob("checkpoint_*")
        return (str(p) for p in sorted(siblings, reverse=True) if p.name < checkpoint.name)


def durable(trainable: type) -> type:
    """The class to hand to Tune; keeps the trainable's name, which the dashboard shows."""
    return type(trainable.__name__, (Durable, trainable), {"__module__": __name__, "__doc__": trainable.__doc__})


def failure_of(error: BaseException | None) -> tuple[str, str]:
    """Status and one line for what Tune recorded when it gave a trial up (its process died too often)."""
    if error is None:
        return schema.FAILED, "unknown error"
    cause: BaseException = getattr(error, "cause", None) or error
    status = status_of(cause)
    if "Actor" in type(cause).__name__:
        return status, f"the trial's process died: {describe(cause)}"
    return status, describe(cause)
