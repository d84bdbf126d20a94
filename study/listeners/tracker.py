"""W&B, TensorBoard and a tracker of one's own, fed by one writer process of ours from the study's events.

The study only puts events in a queue; a thread passes them to the process (`study.listeners.tracker_sinks`).
Whatever happens there (no network, a full disk, a crash) cannot block or fail the study, and a stop waits for it a few
seconds at most. What the user should know of it (W&B's server cannot be reached) comes back as a line.
No key is ever read, written or logged here; W&B finds its own.
"""

from __future__ import annotations

import contextlib
import json
import netrc
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from study import schema
from study.record.journal import Journal, plain
from study.record.task import Task
from study.settings.config import StudyConfig
from trainables.settings import own_code

LOG_FILE = "tracking.log"
PATIENCE_S = 60.0
HURRY_S = 6.0
CHECK_S = 10
"""Seconds that W&B's server has to answer before runs go offline."""


def logged_in() -> bool:
    """True if W&B has a key to find: WANDB_API_KEY or the user's netrc (looked at, not kept)."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("//")[-1].split("/")[0]
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        return netrc.netrc().authenticators(host) is not None
    return False


def wandb_mode(wanted: str) -> str:
    """`auto` resolved: $WANDB_MODE, else online when logged in, else offline."""
    if wanted != "auto":
        return wanted
    asked = os.environ.get("WANDB_MODE", "").lower()
    if asked in ("online", "offline", "disabled"):
        return asked
    return "online" if logged_in() else "offline"


def listeners(
    study: StudyConfig, folder: Path, journal: Journal, began: str = "", say: Callable[[str], None] = print
) -> list[Tracker]:
    """The tracker, or nothing if W&B is disabled and neither TensorBoard nor a tracker of one's own is asked for.

    began: when the study was started (a resume keeps it): with the folder's name it makes the run ids of W&B, so that a
    rehearsal or a second run of the same study does not write into the first one's runs. say: tells the user one line.
    """
    mode, own = wandb_mode(study.tracking.wandb), study.tracking.tracker
    if mode == "disabled" and not study.tracking.tensorboard and own is None:
        return []
    settings = {
        "folder": str(folder.resolve()),
        "wandb": mode,
        "check_s": CHECK_S,
        "project": study.tracking.project,
        "study": study.name,
        "run_id": "-".join(filter(None, (folder.name, re.sub("[^0-9]", "", began)[:14]))),
        "tensorboard": study.tracking.tensorboard,
        "tracker": own,
        "options": study.tracking.options,
        "own": schema.parts.described(own_code.names_in(study.model_dump()).values()),
        "objectives": dict(study.objectives),
    }
    return [Tracker(settings, folder, journal, say)]


class Tracker:
    """A listener of the recorder that passes events on to the writer process.

    say: prints what the writer has to tell the user, one line.
    """

    def __init__(
        self, settings: Mapping[str, Any], folder: Path, journal: Journal, say: Callable[[str], None] = print
    ) -> None:
        self.journal = journal
        self.say = say
        self._events: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._notices: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._log = (folder / LOG_FILE).open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "study.listeners.tracker_sinks", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,  # Ctrl-C is for the study, which tells the writer itself
        )
        self._sender = threading.Thread(target=self._send_events, daemon=True)
        self._sender.start()
        self._reader = threading.Thread(target=self._read_notices, daemon=True)
        self._reader.start()

    def _send_events(self) -> None:
        """Thread: write events to the process until the queue gives None."""
        pipe = self.process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError, ValueError):
            while (text := self._events.get()) is not None:
                pipe.write(text.encode())
                pipe.flush()
        with contextlib.suppress(OSError, ValueError):
            pipe.close()

    def _read_notices(self) -> None:
        """Thread: collect the lines that the process prints for the user."""
        pipe = self.process.stdout
        assert pipe is not None
        with pipe, contextlib.suppress(OSError, ValueError):
            for line in pipe:
                self._notices.put(line.decode(errors="replace").rstrip())

    def _put(self, event: str, **content: Any) -> None:
        self._events.put(json.dumps(plain({"event": event, **content})) + "\n")

    def started(self, task: Task) -> None:
        self._put("start", task=task.config())

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        self._put("report", trial_id=task.trial_id, line=line)

    def paused(self, task: Task, epoch: int) -> None:
        self._put("pause", trial_id=task.trial_id)

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        self._put("end", trial_id=task.trial_id, line=line)

    def tick(self) -> None:
        """Pass on what the writer has to tell the user."""
        while not self._notices.empty():
            self.say(self._notices.get())

    def close(self, hurry: bool) -> None:
        """Send the table of ended trials, then wait: in a hurry for seconds. The writer is ended if it takes longer."""
        trials = [e for e in self.journal.ends.values() if e["status"] != schema.INTERRUPTED]
        self._put("finish", trials=trials, hurry=hurry)
        self._events.put(None)
        try:
            self.process.wait(timeout=HURRY_S if hurry else PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=5)
        self._reader.join(timeout=1)
        self.tick()
        self._log.close()
