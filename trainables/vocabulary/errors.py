"""The error that is the user's to mend. Standard library only."""

from __future__ import annotations


class UserError(ValueError):
    """Something that the user can put right: the message says what was found, what is allowed and the way out.

    The entry points print it as one line; any other exception is a fault of this program and keeps its traceback.
    """
