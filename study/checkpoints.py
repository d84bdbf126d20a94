"""Where a trial's checkpoints lie, over all sessions of a study: `<root>/<stage>-<session>/<trial_id>/checkpoint_*`.

The root is `ray/` in the results folder, or a folder of the study's own below `--storage`, so that studies may share a
storage. Works on a local folder and on anything pyarrow has a file system for (s3://, gs://, ...).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import fs as arrow

from study import schema
from study.tasks import Task

SESSION = re.compile(r"^(?P<stage>[a-z]+)-(?P<session>\d+)$")
CHECKPOINT = re.compile(r"^checkpoint_(?P<index>\d+)$")


def storage_uri(storage: str) -> str:
    """`--storage` as an absolute path or a URI. Raises ValueError if pyarrow has no file system for it."""
    uri = storage.rstrip("/") if "://" in storage else str(Path(storage).expanduser().resolve())
    try:
        arrow.FileSystem.from_uri(uri)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"--storage {storage}: {reason}; give a folder that every node reaches, or a URI such as s3://bucket/studies"
        ) from None
    return uri


def own_storage(storage: str | None, study: str, started: str) -> str | None:
    """The study's own folder below `storage`, named by the study and its start, which a moved folder keeps."""
    return f"{storage_uri(storage)}/{study}-{re.sub('[^0-9]', '', started)[:17]}" if storage else None


def storage_of(record: dict[str, Any], given: str | None) -> str | None:
    """`--storage` as given, else as the study's last session that had one was given it."""
    earlier = [session["storage"] for session in record["sessions"] if session.get("storage")]
    return given or (earlier[-1] if earlier else None)


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
