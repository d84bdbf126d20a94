"""A trainable that ends with a status instead of a crash, and that finds its way back from a damaged checkpoint.

`durable(TrialActor)` is what the study hands to Tune. Only the death of the process is left to Tune (it restarts the
trial from its last checkpoint); what the trial raises itself would only be raised again.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ray import tune
from ray.tune.trainable import trainable as ray_trainable

from study import disk_full, schema
from study.record import checkpoints

Candidate = tuple[str, "str | tune.Checkpoint"]
"""A checkpoint's name for people, and where to load it from: a path, a URI, or Tune's own handle."""

MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


def status_of(error: BaseException) -> str:
    """The schema's status for an exception raised by a trial; a full disk is not the trial's fault: it is to go on."""
    if disk_full.says_so(error):
        return schema.INTERRUPTED
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
    lines = str(error).strip().splitlines()
    kind = "disk full" if disk_full.says_so(error) else type(error).__name__
    return f"{kind}: {lines[0] if lines else ''}".rstrip(": ")


class Durable:
    """Mixed in before a class Trainable; see the module's docstring."""

    _fault_error: BaseException | None = None
    _building = False
    _origin: tune.Checkpoint | None = None

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
            self._fall_back(self._earlier())
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
        """A checkpoint that cannot be written ends the trial at its next step instead of crashing it; if the disk is
        full, a resume goes on with it.

        One that cannot be uploaded does neither: the trial goes on, and its next checkpoint makes up for it.
        """
        index = self._storage.current_checkpoint_index if self._storage else -1
        try:
            return super().save(checkpoint_dir)
        except OSError as error:
            remote = self._storage and not checkpoints.is_local(self._storage.storage_filesystem)
            if remote and not disk_full.says_so(error):
                self._storage.current_checkpoint_index = index  # Tune's driver has not counted it either
                print(f"a checkpoint could not be uploaded ({describe(error)})", file=sys.stderr)
            else:
                self._note(error)
            return ray_trainable._TrainingResult(checkpoint=None, metrics={})

    # --- restoring ---
    def restore(self, checkpoint_path: Any) -> None:
        """As Tune calls it. Notes where in the storage the checkpoint lies: `load_checkpoint` may be given a copy."""
        given = getattr(checkpoint_path, "checkpoint", checkpoint_path)
        self._origin = given if isinstance(given, tune.Checkpoint) else tune.Checkpoint.from_directory(given)
        try:
            if checkpoints.exists(self._origin.filesystem, self._origin.path):
                super().restore(checkpoint_path)
            else:
                self._fall_back(self._from(self._origin, self._origin))
        finally:
            self._origin = None

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Load, or fall back to an older checkpoint of this trial, or start over."""
        local = tune.Checkpoint.from_directory(checkpoint)
        self._fall_back(self._from(local, self._origin or local))

    def _from(self, copy: tune.Checkpoint, origin: tune.Checkpoint) -> Iterator[Candidate]:
        """The checkpoint, older ones beside it in its storage, those of earlier sessions; looked for when needed."""
        yield origin.path, copy
        for path in checkpoints.older(origin.filesystem, origin.path):
            yield path, tune.Checkpoint(path, origin.filesystem)
        yield from self._earlier()

    def _earlier(self) -> Iterator[Candidate]:
        return ((path, path) for path in self._task.get("resume_from", ()))

    def _fall_back(self, candidates: Iterable[Candidate]) -> None:
        tried = False
        for name, source in candidates:
            tried = True
            try:
                self._load(source)
                return
            except Exception as error:
                print(f"checkpoint {name} cannot be loaded ({describe(error)})", file=sys.stderr)
        self._iteration = 0
        if tried:
            self._building = True
            try:
                self._rebuild()
            finally:
                self._building = False

    def _load(self, source: str | tune.Checkpoint) -> None:
        """Raises if nothing was loaded: the trainable sets `_iteration` to the epochs that the checkpoint holds."""
        self._iteration = 0
        found = tune.Checkpoint(source) if isinstance(source, str) else source
        if not checkpoints.exists(found.filesystem, found.path):  # Ray would leave an empty folder behind in /tmp
            raise FileNotFoundError("it is not there")
        with found.as_directory() as folder:
            super().load_checkpoint(folder)
        if self._iteration == 0:
            raise ValueError("it holds no finished epoch")


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
