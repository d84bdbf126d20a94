"""A trainable that ends with a status instead of a crash, and that finds its way back from a damaged checkpoint.

`durable(TrialActor)` is what the study hands to Tune. Only the death of the process is left to Tune (it restarts the
trial from its last checkpoint); what the trial raises itself would only be raised again.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.exceptions import OutOfMemoryError, RayActorError

from study import disk_and_storage, schema
from study.record import checkpoints
from study.record.task import from_config
from study.tune import ray_internals
from trainables.failures import Diverged, TimedOut, is_out_of_memory

if TYPE_CHECKING:
    from ray.tune import Trainable
else:
    Trainable = object  # the class that it is mixed into brings Tune's

Candidate = tuple[str, "str | tune.Checkpoint"]
"""A checkpoint's name for people, and where to load it from: a path, a URI, or Tune's own handle."""

STATUSES: dict[type[BaseException], str] = {
    Diverged: schema.DIVERGED,
    TimedOut: schema.TIMED_OUT,
    TimeoutError: schema.TIMED_OUT,
    OutOfMemoryError: schema.OUT_OF_MEMORY,  # Ray's own: it ended the process before the system would have
}
"""What a trial's exceptions mean; those of memory that it raises itself are known to `trainables.failures`."""
SMALLER = "out of memory: shrink train.batch_size, the network or the support set, or pack fewer trials (resources)"


def status_of(error: BaseException) -> str:
    """The schema's status for an exception raised by a trial; a full disk is not the trial's fault: it is to go on."""
    if disk_and_storage.is_disk_full(error):
        return schema.INTERRUPTED
    if is_out_of_memory(error):
        return schema.OUT_OF_MEMORY
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), schema.FAILED)


def describe(error: BaseException) -> str:
    """One line: the exception's kind and the first line of what it says."""
    lines = str(error).strip().splitlines()
    kind = "disk full" if disk_and_storage.is_disk_full(error) else type(error).__name__
    return f"{kind}: {lines[0] if lines else ''}".rstrip(": ")


def classify(error: BaseException) -> tuple[str, str]:
    """Status, and one line for the journal: what happened and, if memory was used up, what to do about it."""
    status, line = status_of(error), describe(error)
    return status, f"{SMALLER} ({line})" if status == schema.OUT_OF_MEMORY else line


def forget_frames(error: BaseException) -> None:
    """Let go of the local variables (tensors) of the functions that the error and its causes passed through."""
    for link in disk_and_storage.causes(error):
        traceback.clear_frames(link.__traceback__)


class Durable(Trainable):
    """Mixed in before a class Trainable; see the module's docstring.

    A trainable may keep what is known of it in `last_report`: the metrics of its last epoch, or what it knows before.
    The result of a trial that failed repeats them. `epoch`: how many epochs it has finished.
    """

    epoch = 0
    last_report: Mapping[str, Any] = {}
    _failure: tuple[str, str] | None = None
    """Status and error of a trial that cannot go on; its next result says so."""
    _building = False
    _origin: Any = None

    def setup(self, config: dict[str, Any]) -> None:
        if self._building:  # a trainable whose reset_config calls setup
            super().setup(config)
        else:
            self._begin_task(config, super().setup)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Always True: Tune fails the next trial otherwise; a trainable that cannot be reset is set up anew."""
        self._begin_task(new_config, self._reset)
        return True

    def _begin_task(self, config: dict[str, Any], build: Callable[[dict[str, Any]], object]) -> None:
        self._task = config
        self._show()
        self._since = time.monotonic()
        self._failure = None
        with self._failures_noted():
            self._build(build)
            self._fall_back(self._earlier())

    def _show(self) -> None:
        """`ps` and the dashboard's page of the node show which trial the process runs; Ray takes the title back after
        each call."""
        if "trial_id" in self._task:
            ray_internals.set_title(f"ray::{type(self).__name__} {from_config(self._task).name}")

    def __repr__(self) -> str:
        """What Ray shows of the actor for good, asked for once: of a process of many trials it is none of them."""
        return "one trial after another" if self._task.get("reused") else super().__repr__()

    def _build(self, build: Callable[[dict[str, Any]], object]) -> None:
        self._building = True
        try:
            build(self._task)
        finally:
            self._building = False

    def _reset(self, config: dict[str, Any]) -> None:
        if not super().reset_config(config):
            super().setup(config)

    @contextlib.contextmanager
    def _failures_noted(self) -> Iterator[None]:
        """Within this context an exception ends the trial at its next step instead of its process."""
        try:
            yield
        except Exception as error:
            self._note(error)

    def _note(self, error: BaseException) -> None:
        """The trial cannot go on: keep why, print the traceback, free its memory."""
        self._failure = classify(error)
        traceback.print_exception(error, file=sys.stderr)
        forget_frames(error)
        try:
            self.cleanup()
        except Exception as another:
            print(f"its memory could not be freed ({describe(another)})", file=sys.stderr)

    def _failed_result(self) -> dict[str, Any]:
        """Of a trial that failed: the last metrics known, every objective among them where it can be, and why."""
        assert self._failure is not None
        status, error = self._failure
        known = {schema.ACCURACY: float("nan"), "epoch": 0, **self.last_report}
        if status == schema.DIVERGED:
            known[schema.ACCURACY] = float("nan")
        return {**known, "training_iteration": known["epoch"], "done": True, "status": status, "error": error}

    def step(self) -> dict[str, Any]:
        """The trainable's result, and the seconds since this process began to set the trial up."""
        self._show()
        if self._failure is None:
            with self._failures_noted():
                result = super().step()
                return {**result, schema.HELD_S: time.monotonic() - self._since}
        return self._failed_result()

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """A checkpoint that cannot be written ends the trial at its next step instead of crashing it; if the disk is
        full, a resume goes on with it. A trial that has failed writes none.

        One that cannot be uploaded does neither: the trial goes on, and its next checkpoint makes up for it.
        """
        self._show()
        index = ray_internals.checkpoint_index(self)
        if self._failure is None:
            try:
                return super().save(checkpoint_dir)
            except Exception as error:
                storage = ray_internals.filesystem_of(self)
                remote = storage is not None and not checkpoints.is_local(storage)
                if remote and isinstance(error, OSError) and not disk_and_storage.is_disk_full(error):
                    ray_internals.set_checkpoint_index(self, index)
                    print(f"a checkpoint could not be uploaded ({describe(error)})", file=sys.stderr)
                else:
                    self._note(error)
        return ray_internals.no_checkpoint()

    # --- restoring ---
    def restore(self, checkpoint_path: Any) -> None:
        """As Tune calls it. Notes where in the storage the checkpoint lies: `load_checkpoint` may be given a copy."""
        given = getattr(checkpoint_path, "checkpoint", checkpoint_path)
        self._origin = given if isinstance(given, tune.Checkpoint) else tune.Checkpoint.from_directory(given)
        try:
            fs, path = self._origin.filesystem, self._origin.path
            if checkpoints.exists(fs, path) and not checkpoints.exists(fs, f"{path}/{ray_internals.PICKLED}"):
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
        """Load the first that can be loaded, else start over. What is the trial's own failure ends it, as in a step."""
        tried = False
        for name, source in candidates:
            tried = True
            try:
                self._load(source)
                return
            except Exception as error:
                if status_of(error) != schema.FAILED and not isinstance(error, TimeoutError):  # that is a storage's
                    self._note(error)
                    return
                print(f"checkpoint {name} cannot be loaded ({describe(error)})", file=sys.stderr)
        if tried:
            self._build(self._reset)

    def _load(self, source: str | tune.Checkpoint) -> None:
        """Raises if it is not there, or of an epoch whose report is lost; the trainable does if it cannot be read."""
        found = tune.Checkpoint(source) if isinstance(source, str) else source
        if not checkpoints.exists(found.filesystem, found.path):  # Ray would leave an empty folder behind in /tmp
            raise FileNotFoundError("it is not there")
        with found.as_directory() as folder:
            super().load_checkpoint(folder)
        reported = self._task.get("reported")
        if isinstance(source, str) and reported is not None and self.epoch > reported:
            raise ValueError(f"it is of epoch {self.epoch}, and the reports on record end with epoch {reported}")


def durable(trainable: type) -> type:
    """The class to hand to Tune; keeps the trainable's name, which the dashboard shows."""
    return type(trainable.__name__, (Durable, trainable), {"__module__": __name__, "__doc__": trainable.__doc__})


def failure_of(error: BaseException | None) -> tuple[str, str]:
    """Status and one line for what Tune recorded when it gave a trial up (its process died too often)."""
    if error is None:
        return schema.FAILED, "unknown error"
    cause: BaseException = getattr(error, "cause", None) or error
    status, line = classify(cause)
    return status, f"the trial's process died: {line}" if isinstance(cause, RayActorError) else line
