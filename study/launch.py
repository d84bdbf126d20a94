"""What a command line comes to: which study is run, what is said before it, which stages follow.

`asked` is what `run_study.parse` returns.
"""

from __future__ import annotations

import contextlib
from argparse import Namespace
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from study import cost, plan, runner, schema
from study.options import Options
from study.record import earlier, results_folder
from study.settings.loading import Loaded, load_study
from study.tune import environment, ports
from trainables import exit_codes, files
from trainables.settings import own_import


@dataclass(frozen=True)
class Launch:
    """A study as it was asked for."""

    asked: Namespace
    loaded: Loaded
    real: Loaded | None = None
    """The study that `loaded` rehearses because there is no GPU for it here; None if `loaded` is what was asked for."""

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return Path(self.asked.out) / self.loaded.name_on_disk

    @property
    def only_report(self) -> bool:
        """Whether nothing is trained."""
        return bool(self.asked.stage == "report")

    def reported_after(self, code: int) -> bool:
        """Whether a report follows a run with this exit code: also where the study ended with trials that failed."""
        ended = code == exit_codes.DONE or (code == exit_codes.FAILED and self._finished())
        return ended and self.asked.stage != "search"

    def _finished(self) -> bool:
        with contextlib.suppress(files.DamagedFile):
            return bool(schema.read_manifest(self.folder)["status"] == "finished")
        return False


def load(asked: Namespace) -> Launch:
    """Read the study file and decide between the study and its rehearsal. Raises UserError."""
    asked = Namespace(**{**vars(asked), "out": str(files.user_path(asked.out, "--out"))})
    if asked.retry is not None:
        if asked.stage == "report":
            raise schema.UserError("--retry trains, --stage report does not: leave one of them out")
        asked.resume = True
    if asked.address:
        ports.check_address(asked.address)
    environment.set_variables(local=asked.address is None)  # before the plan: it imports Ray
    if asked.allow_code:
        own_import.look_in(Path.cwd(), Path(asked.config).resolve().parent)
    how = {"overrides": asked.set, "allow_code": asked.allow_code}
    chosen = _chosen(asked, how)
    if not (asked.resume or asked.stage in (schema.CONFIRM, schema.ABLATE, "report")):
        earlier.check(chosen.loaded.study.search.learn_from, chosen.folder)
    return chosen


def _chosen(asked: Namespace, how: dict[str, Any]) -> Launch:
    """The study, or its rehearsal."""
    loaded = load_study(asked.config, rehearse=asked.rehearse, device=asked.device, **how)
    chosen = Launch(asked, loaded)
    if asked.rehearse or loaded.study.device != "auto" or not loaded.study.rehearsal or asked.address:
        return chosen
    if (chosen.only_report and chosen.folder.exists()) or cost.has_gpu():
        return chosen
    return Launch(asked, load_study(asked.config, rehearse=True, **how), loaded)


def show_plan(launch: Launch) -> None:
    """Refuse a folder that the run could not use, then say what will be run, as far as anybody wants to know."""
    asked = launch.asked
    if not (asked.plan or launch.only_report):
        results_folder.check_target(launch.folder, asked.resume, asked.stage)
    going_on = launch.only_report or asked.resume
    if launch.real is not None and not going_on:
        plan.announce_rehearsal(launch.real, out=asked.out)
    if asked.plan or not (asked.quiet or going_on):
        plan.show(launch.loaded, out=asked.out, address=asked.address, run_next=not asked.plan,
                  ablates=asked.stage == schema.ABLATE)  # fmt: skip


def run(launch: Launch) -> int:
    """Run the stages asked for, if any; the exit code."""
    asked = launch.asked
    if launch.only_report:
        return exit_codes.DONE
    names = [field.name for field in fields(Options)]
    return runner.run(launch.loaded, **{name: getattr(asked, name) for name in names if hasattr(asked, name)})
