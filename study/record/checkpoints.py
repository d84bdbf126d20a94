"""Where a trial's checkpoints lie, over all sessions of a study: `<root>/<stage>-<session>/<trial_id>/checkpoint_*`.
Where trials pause, each turn of a trial after its first has a folder of its own, `<trial_id>.<turn>`.

The root is `ray/` in the results folder, or a folder of the study's own below `--storage`, so that studies may share a
storage. Works on a local folder and on anything pyarrow has a file system for (s3://, gs://, ...), with its options:
`s3://bucket/studies?endpoint_override=minio:9000&scheme=http`.
"""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow
from pyarrow import fs as arrow

from study import schema
from study.record.task import Task
from trainables import files

SESSION = re.compile(r"^(?P<stage>[a-z]+)-(?P<session>\d+)$")
CHECKPOINT = re.compile(r"^checkpoint_(?P<index>\d+)$")


OBJECT_STORES = ("s3", "gcs", "abfs")
"""pyarrow's names of file systems whose first folder is a bucket."""


def joined(uri: str, *names: str) -> str:
    """`uri`, a path or a URI whose options (`?...`) stay at its end, with `names` below it."""
    base, mark, options = uri.partition("?") if "://" in uri else (uri, "", "")
    return "/".join([base.rstrip("/"), *names]) + mark + options


def storage_uri(storage: str) -> str:
    """`--storage` as an absolute path or a URI. In an object store its folder is made, to see that one may write there.

    Raises UserError if pyarrow has no file system for it, if its bucket is not there, does not answer or cannot be
    written to, or if it holds a password (the manifest records it).
    """
    if "://" in storage and urlsplit(storage).password:
        raise schema.UserError(
            "--storage: its URI holds a secret, and the manifest would record it; put it in the environment "
            "(s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or the provider's credentials file on every node"
        )
    uri = joined(storage) if "://" in storage else str(files.user_path(storage, "--storage").resolve())
    try:
        fs, path = arrow.FileSystem.from_uri(uri)
        if fs.type_name in OBJECT_STORES:
            fs.create_dir(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise schema.UserError(
            f"--storage {storage}: {reason}; give a folder that every node reaches, or a URI such as s3://bucket/studies"
        ) from None
    return uri


def own_storage(storage: str | None, study: str, started: str) -> str | None:
    """The study's own folder below `storage`, named by the study and its start, which a moved folder keeps."""
    return joined(storage_uri(storage), f"{study}-{re.sub('[^0-9]', '', started)[:17]}") if storage else None


def storage_of(record: dict[str, Any], given: str | None) -> str | None:
    """`--storage` as given, else as the study's last session that had one was given it."""
    earlier = [session["storage"] for session in record["sessions"] if session.get("storage")]
    return given or (earlier[-1] if earlier else None)


def is_local(fs: arrow.FileSystem) -> bool:
    """Whether it is this machine's own (a folder shared between machines counts as such)."""
    return isinstance(fs, arrow.LocalFileSystem)


def exists(fs: arrow.FileSystem, path: str) -> bool:
    """Whether there is a file or folder. Raises OSError if the storage does not answer."""
    return bool(fs.get_file_info(path).type != arrow.FileType.NotFound)


def older(fs: arrow.FileSystem, path: str) -> list[str]:
    """Paths of the checkpoints beside the one at `path` that were written before it, newest first.

    Empty if `path` is not named as Tune names a trial's checkpoints. Raises OSError if the storage does not answer.
    """
    folder, _, name = path.rpartition("/")
    if CHECKPOINT.match(name) is None:
        return []
    beside = [info.base_name for info in fs.get_file_info(arrow.FileSelector(folder, allow_not_found=True))]
    earlier = [other for other in beside if CHECKPOINT.match(other) and other < name]
    return [f"{folder}/{other}" for other in sorted(earlier, reverse=True)]


def folder_of(trial_id: str, turn: int) -> str:
    """Name of the folder of a trial's turn."""
    return f"{trial_id}.{turn}" if turn else trial_id


class Checkpoints:
    """Finds and removes checkpoints below a storage root (path or URI), whatever turns are on record."""

    def __init__(self, folder: Path, storage: str | None) -> None:
        self.folder = Path(folder).resolve()
        self.uri = joined(storage) if storage else str(self.folder / schema.RAY_DIR)
        self._fs, self._root = arrow.FileSystem.from_uri(self.uri)

    def _folders(self, *names: str) -> list[str]:
        """Names of the folders in a folder below the root; none if it does not exist."""
        selector = arrow.FileSelector(joined(self._root, *names), allow_not_found=True)
        return [info.base_name for info in self._fs.get_file_info(selector) if info.type == arrow.FileType.Directory]

    def _found(self, task: Task) -> list[tuple[str, str, str]]:
        """Session, trial and checkpoint, as named below the root, newest first."""
        rows = []
        for session in self._folders():
            match = SESSION.match(session)
            if match is None or match["stage"] != task.stage:
                continue
            for folder in self._folders(session):
                trial_id, _, turn = folder.partition(".")
                if trial_id != task.trial_id or not (turn == "" or turn.isdecimal()):
                    continue
                for name in self._folders(session, folder):
                    index = CHECKPOINT.match(name)
                    if index is not None:
                        order = int(match["session"]), int(turn or 0), int(index["index"])
                        rows.append((*order, (session, folder, name)))
        return [names for *_, names in sorted(rows, reverse=True)]

    def of(self, task: Task) -> list[str]:
        """Paths or URIs of the trial's checkpoints, newest first."""
        return [joined(self.uri, *names) for names in self._found(task)]

    def forget(self, stage: str) -> None:
        """Remove all that a stage's sessions left; a storage that does not answer keeps it, which harms nothing."""
        with contextlib.suppress(OSError):
            for session in self._folders():
                if (match := SESSION.match(session)) is not None and match["stage"] == stage:
                    self._fs.delete_dir(joined(self._root, session))

    def relative(self, path: str) -> str:
        """Relative to the results folder if it lies inside, else as it is."""
        inside = str(self.folder) + "/"
        return path.removeprefix(inside)

    def tidy(self, task: Task, keep: int) -> str | None:
        """Remove all but the `keep` newest checkpoints of an ended trial; returns the newest kept one.

        A storage that does not answer leaves them there, and says so: a study does not end for that.
        """
        try:
            found = self._found(task)
            for names in found[keep:]:
                self._fs.delete_dir(joined(self._root, *names))
        except OSError as error:
            reason = str(error).strip().splitlines()[0]
            print(f"the checkpoints of {task.trial_id} could not be tidied up: {reason}", file=sys.stderr, flush=True)
            return None
        return self.relative(joined(self.uri, *found[0])) if keep and found else None
