"""Kills a study's processes at random times, resumes it, and compares what it leaves with an undisturbed run.

    uv run python -m benchmarks.chaos [--rounds 10] [--kills 3] [--seed 0]

A round: the rehearsal of `configs/k_sweep.yaml` (smaller: see SIZES), one trial at a time, is started; after a random
number of seconds a random process of it gets a signal (the driver, all of them, the trial's process, the raylet, the
GCS, an agent, the dashboard); if the study ended by that, it is resumed; after `--kills` of these it is left alone.
Then every trial that was planned must have ended once, each epoch must be on record once and in order, and draws,
values and front must equal those of the run that nobody disturbed, to the last digit. Times are random
but seeded, and what they hit depends on the machine. The result file names every kill and what came of it; the exit
code is 1 if a round failed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import environment, table, write_result
from benchmarks.folders import differences
from benchmarks.processes import PROCESSES, Session, last_line
from study import schema
from trainables import exit_codes

STUDY = "configs/k_sweep.yaml"
SIZES = ("search.trials=7", "train.epochs=8", "scheduler.grace_period=2", "resources.max_concurrent=1")
VICTIMS = ("driver", "everything", "SIGINT", "SIGTERM", *PROCESSES)
ENDS_THE_STUDY = {"driver", "everything", "SIGINT", "SIGTERM", "raylet", "gcs", "dashboard agent", "runtime_env agent"}
"""After these the study must have ended within LIMIT_S seconds; after the others it may go on."""
LIMIT_S = 30.0
PATIENCE_S = 150.0


@dataclass
class Kill:
    """One signal, and what came of it."""

    victim: str
    after_s: float
    """Since its session was started."""
    code: int | None = None
    """The driver's exit code; None: it went on."""
    took_s: float = 0.0
    """From the signal to the driver's end."""
    complaint: str = ""

    def __str__(self) -> str:
        came = "went on" if self.code is None else f"exit {self.code} after {self.took_s:.0f} s"
        return f"{self.victim} at {self.after_s:.0f} s: {came}{', ' + self.complaint if self.complaint else ''}"


@dataclass
class Round:
    """A disturbed study."""

    seed: int
    kills: list[Kill] = field(default_factory=list)
    sessions: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)
    """Against the undisturbed run, and what else is wrong; empty: equal."""

    @property
    def passed(self) -> bool:
        return not self.differences and not any(kill.complaint for kill in self.kills)


class Disturbed:
    """A study under attack: `command` (a first start) writes its results folder in `out` and what it says to `log`."""

    def __init__(self, command: Sequence[str], out: Path, log: Path, seed: int, settings: Mapping[str, str]) -> None:
        self.command, self.out, self.log, self.settings = command, out, log, settings
        self.rng = random.Random(seed)
        self.round = Round(seed)
        self.session: Session | None = None

    def run(self, kills: int, within_s: float, victims: Sequence[str]) -> Round:
        """Kill and resume, then leave it alone."""
        plan = [(self.rng.choice(list(victims)), self.rng.uniform(0.0, within_s)) for _ in range(kills)]
        began = time.monotonic()
        try:
            for victim, delay in plan:
                self._go_on()
                if self.session.wait(delay) is not None or not self._strike(victim):
                    break
            self._let_finish()
        finally:
            if self.session is not None:
                self.session.close()
        self.round.seconds = time.monotonic() - began
        return self.round

    def _go_on(self) -> None:
        """Start or resume the study if it does not run."""
        if self.session is not None and self.session.code is None:
            return
        if self.session is not None:
            self.session.close()
        again = ["--resume"] if any(self.out.glob(f"*/{schema.MANIFEST_FILE}")) else []
        self.session = Session([*self.command, *again], self.log, self.settings)
        self.round.sessions += 1

    def _strike(self, victim: str) -> bool:
        """Wait for the victim to be there, end it, and see what comes of it. False: the study ended before."""
        session = self.session
        while not session.signal(victim, self.rng):
            if session.wait(0.1) is not None:
                return False
        struck = time.monotonic()
        kill = Kill(victim, struck - session.began)
        self.round.kills.append(kill)
        if victim not in ENDS_THE_STUDY:
            return True
        kill.code = session.wait(PATIENCE_S)
        kill.took_s = time.monotonic() - struck
        if kill.code is None:
            kill.complaint = f"still there after {PATIENCE_S:.0f} s"
            session.close()
        elif kill.code != 0 and kill.took_s > LIMIT_S:
            kill.complaint = f"more than {LIMIT_S:.0f} s"
        elif kill.code not in _codes(victim):
            kill.complaint = "an exit code that nobody expects"
        elif kill.code == exit_codes.FAILED and "ontinue with" not in self.log.read_text(errors="replace"):
            kill.complaint = "without saying how to go on"
        return True

    def _let_finish(self) -> None:
        self._go_on()
        code = self.session.wait(PATIENCE_S * 12)
        if code != 0:
            self.round.differences.append(f"the study does not come to its end (code {code}): {last_line(self.log)}")


def _codes(victim: str) -> set[int]:
    """Exit codes that a study may have after this kill; before it handles a signal, the system's own."""
    if victim in ("driver", "everything"):
        return {exit_codes.DONE, -signal.SIGKILL}
    if victim in ("SIGINT", "SIGTERM"):
        signum = getattr(signal, victim)
        return {exit_codes.DONE, 128 + signum, -signum}
    return {exit_codes.DONE, exit_codes.FAILED}


def disturb(
    command: Sequence[str],
    out: Path,
    log: Path,
    *,
    seed: int,
    kills: int,
    within_s: float,
    victims: Sequence[str] = VICTIMS,
    settings: Mapping[str, str] | None = None,
) -> Round:
    """One round; what differs from an undisturbed folder is found later.

    within_s: a kill comes at most so many seconds after its session's start, or after the kill before it.
    """
    return Disturbed(command, out, log, seed, settings or {}).run(kills, within_s, victims)


def study_command(out: Path) -> list[str]:
    """The rehearsal in `out`."""
    sets = [part for size in SIZES for part in ("--set", size)]
    return [sys.executable, "-u", "run_study.py", STUDY, "--rehearse", "--out", str(out), *sets]


def undisturbed(command: Sequence[str], log: Path, settings: Mapping[str, str] | None = None) -> float:
    """Run the study to its end, alone; seconds. Raises RuntimeError if it fails."""
    began = time.monotonic()
    session = Session(command, log, settings or {})
    try:
        if session.wait(PATIENCE_S * 12) != 0:
            raise RuntimeError(f"the undisturbed run failed: {last_line(log)}")
    finally:
        session.close()
    return time.monotonic() - began


def folder_in(out: Path) -> Path:
    """The one results folder in `out`."""
    return next(out.glob(f"*/{schema.MANIFEST_FILE}")).parent


def report(rounds: Sequence[Round], alone_s: float, arguments: argparse.Namespace) -> str:
    lines = []
    for done in rounds:
        verdict = "equal" if done.passed else "; ".join(done.differences) or "see kills"
        kills = "<br>".join(str(kill) for kill in done.kills)
        lines.append([done.seed, kills, done.sessions, f"{done.seconds:.0f}", verdict])
    equal = sum(done.passed for done in rounds)
    kills = sum(len(done.kills) for done in rounds)
    notes = (
        f"- {STUDY}, rehearsal, {', '.join(SIZES)}; {alone_s:.0f} s undisturbed\n"
        f"- n = {len(rounds)} rounds of up to {arguments.kills} kills, at most {arguments.within:g} s apart\n"
        f"- must have ended within {LIMIT_S:.0f} s of a kill: {', '.join(sorted(ENDS_THE_STUDY))}"
    )
    head = ["seed", "kills", "sessions", "s", "against the undisturbed run"]
    return "\n\n".join(
        [
            "# Chaos: a rehearsal with its processes killed at random times",
            f"{environment(('torch', 'ray', 'optuna'))}\n{notes}",
            table(head, lines),
            f"{equal} of {len(rounds)} rounds ended equal to the undisturbed run (draws, reports, ends, front), after "
            f"{kills} kills.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--kills", type=int, default=3, help="in a round; default: %(default)s")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first round, the others follow; default: %(default)s"
    )
    parser.add_argument(
        "--within", type=float, default=25.0, help="seconds between kills at most; default: %(default)s"
    )
    parser.add_argument("--keep", type=Path, help="a folder for logs and results folders, which are thrown away else")
    args = parser.parse_args()
    rounds: list[Round] = []
    with contextlib.ExitStack() as stack:
        place = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        place.mkdir(parents=True, exist_ok=True)
        alone_s = undisturbed(study_command(place / "alone"), place / "alone.log")
        print(f"undisturbed: {alone_s:.0f} s", flush=True)
        for seed in range(args.seed, args.seed + args.rounds):
            out = place / str(seed)
            command = study_command(out)
            done = disturb(command, out, place / f"{seed}.log", seed=seed, kills=args.kills, within_s=args.within)
            if not done.differences:
                done.differences = differences(folder_in(out), folder_in(place / "alone"))
            rounds.append(done)
            said = "; ".join(str(kill) for kill in done.kills)
            print(f"seed {seed}: {said}: {'equal' if done.passed else done.differences}", flush=True)
    text = report(rounds, alone_s, args)
    print(text)
    print("written:", write_result("chaos", text))
    return 0 if all(done.passed for done in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
