"""Tells errors that the user can put right from faults of this program.

Both may be ValueErrors: ours say what to do and are raised by a `raise` statement of this project; one that NumPy,
torch or Python itself raises inside our code is a bug, and its traceback must be seen.
"""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("study", "trainables", "analysis")


def deliberate(error: BaseException) -> bool:
    """True if the error comes from the operating system, or a `raise` statement of this project raised it.

    Errors without a traceback count as deliberate: nobody would learn anything from it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, OSError) or not frames:
        return True
    last = frames[-1]
    ours = any(Path(last.filename).is_relative_to(ROOT / part) for part in PARTS)
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    return ours and line.startswith("raise ")
