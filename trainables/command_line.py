"""A command line that asks "did you mean" of a mistyped flag or choice.

Standard library only.
"""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from trainables.wording import close_to

_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)$", re.DOTALL)
_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """argparse's own, whose refusals name what is close; flags are written out in full."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        shape = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, None, description, epilog, formatter_class=shape, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Usage and one line on standard error, exit code 2."""
        if choice := _CHOICE.search(message):
            message += close_to(choice[1], re.findall(r"'([^']*)'", choice[2]))
        elif message.startswith(_UNKNOWN):
            flag = message.removeprefix(_UNKNOWN).split(" ")[0].split("=")[0]
            message += close_to(flag, re.findall(r"--[a-z-]+", self.format_help())) if flag.startswith("--") else ""
        super().error(message)
