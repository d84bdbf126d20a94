"""The token that every connection to a Ray of our own needs, in a file that only its user can read.

Ray makes one itself, but as readable as the umask leaves it, and not at all without a home that can be written to.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from trainables import places
from trainables.vocabulary.errors import UserError

NAMED_BY = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Variables by which a user gives Ray a token of his own; then nothing is done here."""


def provide() -> None:
    """See that there is a token for Ray to find, in Ray's place for it, else in the user's private folder."""
    if any(os.environ.get(name) for name in NAMED_BY):
        return
    home = places.home()
    if home is not None and _usable(home / ".ray" / "auth_token"):
        return
    path = places.private_folder() / "auth_token"
    if not _usable(path):
        raise UserError(f"{path}: Ray's token cannot be written there; set RAY_AUTH_TOKEN_PATH to another file")
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


def _usable(path: Path) -> bool:
    """Whether there is a token after this call; made if there was none, closed to others if it is ours."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            _make(path)
        with contextlib.suppress(PermissionError):
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
        return bool(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False


def _make(path: Path) -> None:
    """Whole or not at all, and once: of studies that start together one makes the token of all."""
    descriptor, half = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(half, path)
    finally:
        os.unlink(half)
