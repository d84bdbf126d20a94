"""Where a trial's checkpoints lie, over all sessions of a study: `<storage>/<stage>-<session>/<trial_id>/checkpoint_*`.

Works on a local folder and on anything pyarrow has a file system for (s3://, gs://, ...).
"""

from __future__ import annotations

import re
from pathlib import Path

from pyarrow import fs as arrow

from study import schema
from study.tasks import Task

SESSION = re.compile(r"^(?P<stage>[a-z]+)-(?P<session>\d+)$")
CHECKPOINT = re.compile(r"^checkpoint_(?P<index>\d+)$")


class Checkpoints:
    """Finds and removes checkpoints below a storage root (path or URI)."""

    def __init__(self, folder: Path, storage: str | None) -> None:
        self.folder = Path(folder).resolve()
        self.uri = storage.rstrip("/") if storage else str(self.folder / schema.RAY_DIR)
        self._fs, self._root = arrow.FileSystem.from_uri(self.uri)
        self._prefix = self.uri[: len(self.uri) - len(self._root)] if self.uri.endswith(self._root) else ""

    def _children(self, path: str) -> list[str]:
        selector = arrow.FileSelector(path, allow_not_found=True)
        return [info.path for info in self._fs.get_file_info(selector) if info.type == arrow.FileType.Directory]

    def _found(self, task: Task) -> list[str]:
        """Paths inside the file system, newest first."""
        rows = []
        for session in self._children(self._root):
            match = SESSION.match(session.rsplit("/", 1)[-1])
            if match is None or match["stage"] != task.stage:
                continue
            for path in self._children(f"{session}/{task.trial_id}"):
                index = CHECKPOINT.match(path.rsplit("/", 1)[-1])
                if index is not None:
                    rows.append((int(match["session"]), int(index["index"]), path))
        return [path for _, _, path in sorted(rows, reverse=True)]

    def of(self, task: Task) -> list[str]:
        """Paths or URIs of the trial's checkpoints, newest first."""
        return [self._prefix + path for path in self._found(task)]

    def relative(self, path: str) -> str:
        """Relative to the results folder if it lies inside, else as it is."""
        inside = str(self.folder) + "/"
        return path.removeprefix(inside)

    def tidy(self, task: Task, keep: int) -> str | None:
        """Remove all but the `keep` newest checkpoints of an ended trial; returns the newest kept one."""
        found = self._found(task)
        for path in found[keep:]:
            self._fs.delete_dir(path)
        return self.relative(self._prefix + found[0]) if keep and found else None
