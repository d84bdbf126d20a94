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
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import environment, table, write_result
from benchmarks.folders import differences
from benchmarks.processes import PROCESSES, Session, last_line
from study import schema

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


def disturb(
    command: Sequence[str],
    log: Path,
    *,
    seed: int,
    kills: int,
    within_s: float,
    victims: Sequence[str] = VICTIMS,
    settings: Mapping[str, str] | None = None,
) -> Round:
    """Run the study `command` (its own first start), kill and resume; differences are still to be found.

    within_s: a kill comes at most so many seconds after its session's start, or after the kill before it.
    """
    rng = random.Random(seed)
    plan = [(rng.choice(list(victims)), rng.uniform(0.0, within_s)) for _ in range(kills)]
    done = Round(seed)
    began = time.monotonic()
    session = None
    try:
        for victim, delay in plan:
            if session is None or session.code is not None:
                session = _next(session, command, log, settings, done)
            if session.wait(delay) is not None or not _strike(session, victim, rng, done):
                if session.code == 0:
                    break  # it had ended before
                done.differences.append(f"a session ended by itself with code {session.code}: {last_line(log)}")
                break
        done.seconds = time.monotonic() - began
        if not done.differences:
            _let_finish(session, command, log, settings, done)
    finally:
        if session is not None:
            session.close()
    done.seconds = time.monotonic() - began
    return done


def _next(session: Session | None, command: Sequence[str], log: Path, settings: Any, done: Round) -> Session:
    if session is not None:
        session.close()
    done.sessions += 1
    return Session([*command, *(["--resume"] if resumable(command) else [])], log, settings or {})


def resumable(command: Sequence[str]) -> bool:
    """Whether the folder that the command writes has been begun."""
    return any(Path(out_of(command)).glob(f"*/{schema.MANIFEST_FILE}"))


def out_of(command: Sequence[str]) -> str:
    """The folder of `--out`."""
    return command[list(command).index("--out") + 1]


def _strike(session: Session, victim: str, rng: random.Random, done: Round) -> bool:
    """Wait for the victim to be there, end it, and see what comes of it. False: the study ended before."""
    while not session.signal(victim, rng):
        if session.wait(0.1) is not None:
            return False
    struck = time.monotonic()
    kill = Kill(victim, struck - session.began)
    done.kills.append(kill)
    if victim not in ENDS_THE_STUDY:
        return True
    kill.code = session.wait(PATIENCE_S)
    kill.took_s = time.monotonic() - struck
    if kill.code is None:
        kill.complaint = f"still there after {PATIENCE_S:.0f} s"
        session.close()
    elif kill.code != 0 and kill.took_s > LIMIT_S:
        kill.complaint = f"more than {LIMIT_S:.0f} s"
    elif kill.code == 1 and "ontinue with" not in session.log.read_text(errors="replace"):
        kill.complaint = "without saying how to go on"
    return True


def _let_finish(session: Session | None, command: Sequence[str], log: Path, settings: Any, done: Round) -> None:
    """Leave the study alone until it is done; a session that a kill ends late is followed by one more."""
    for _ in range(2):
        if session is None or session.code not in (None, 0):
            session = _next(session, command, log, settings, done)
        code = session.wait(1800)
        session.close()
        if code == 0:
            return
    done.differences.append(f"the study does not come to its end (code {code}): {last_line(log)}")


def study_command(out: Path) -> list[str]:
    """The rehearsal in `out`."""
    sets = [part for size in SIZES for part in ("--set", size)]
    return [sys.executable, "-u", "run_study.py", STUDY, "--rehearse", "--out", str(out), *sets]


def undisturbed(command: Sequence[str], log: Path) -> float:
    """Run the study to its end, alone; seconds. Raises RuntimeError if it fails."""
    began = time.monotonic()
    session = Session(command, log, {})
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
            done = disturb(command, place / f"{seed}.log", seed=seed, kills=args.kills, within_s=args.within)
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
