"""`run_study.py --new FILE --data FOLDER`: look, time, choose, write."""

from __future__ import annotations

import dataclasses
import functools
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from study import cost
from study.new import choose, look, text
from study.new.choice import Choice, Seen, run_sections, study_sections
from study.schema import UserError, files, wording
from study.settings import checks
from study.settings.config import StudyConfig
from study.tune import environment, session
from trainables.data.dataset import check_test, load_dataset
from trainables.settings import edge

PROGRAM = "run_study.py"
Say = Callable[[str], None]


def create(asked: Namespace) -> int:
    """Write the file that was asked for; the exit code. Raises UserError, and then nothing is written."""
    path = files.user_path(asked.new, "--new")
    _refuse_target(path)
    say: Say = (lambda line: None) if asked.quiet else (lambda line: print(line, flush=True))
    environment.set_variables(local=True)
    device = _device(asked.device or "auto", path)
    seen = look.look(asked.data)
    say(f"Found {text.seen_line(seen)}. Timing some steps on them ...")
    choice = fitted(seen, asked.minutes, device, one_run=asked.run)
    _read_all(choice, path, say)
    written = {} if asked.device is None else {"device": asked.device}
    content = (text.run_text if asked.run else text.study_text)(choice, path, written)
    _write(path, content)
    say("\n".join(_last_words(choice, path, asked)))
    return 0


def fitted(seen: Seen, minutes: float, device: str, *, one_run: bool) -> Choice:
    """What fits on this machine: as busy as it is now or, if nothing does, idle.

    Raises UserError, with the time that would do, if nothing does then either.
    """
    picked = choose.choose_run if one_run else choose.choose

    networks = choose.networks(seen, on_gpu=device == "cuda")

    @functools.cache
    def timed(number: int, train_limit: int | None) -> choose.Speed:
        return measured(choose.draft(seen, networks[number], train_limit), device, one_run=one_run)

    def fit(number: int, idle: bool) -> tuple[Choice | None, choose.Speed]:
        """What fits with this network, and the speed that it was told from."""
        limit = None
        while True:
            now = timed(number, limit)
            speed = now.idle() if idle else now
            found = picked(seen, minutes, networks[number], speed)
            if found is None or 2 * found.train >= speed.images or found.train_limit == limit:
                return found and dataclasses.replace(found, crowding=now.crowding if idle else 1.0), speed
            limit = found.train_limit  # an epoch of far fewer images is timed itself

    least = 1
    for idle in (False, True):
        best: Choice | None = None
        for number, network in enumerate(networks):
            found, speed = fit(number, idle)
            if found is not None and (best is None or found.train > best.train):
                best = found
            if best is not None and best.train >= min(choose.SOME_IMAGES, speed.images):
                return best
            least = choose.least_minutes(seen, network, speed)
        if best is not None:
            return best
    raise UserError(
        f"--minutes {minutes:g}: the least study of these images takes about {least} minutes on this machine; "
        f"give --minutes {least}"
    )


def measured(choice: Choice, device: str, *, one_run: bool) -> choose.Speed:
    """An epoch of the choice on this machine, timed."""
    from trainables.estimate import Sizes

    sections = {**run_sections(choice), "space": {"k": [1, 2]}} if one_run else study_sections(choice)
    study = _study(sections, device, "--new")
    cores, gpus = os.cpu_count() or 1, cost.gpu_count() if device == "cuda" else 0
    wanted = study.resources.model_copy(update={"max_concurrent": 1, "cpu": cores}) if one_run else study.resources
    share = session.share(wanted, cores=cores, gpus=gpus, on_gpu=device == "cuda")
    seen, size = choice.seen, choice.network.image_size
    sizes = Sizes(1 if seen.grey else 3, size, seen.classes, choice.train, choice.validation)
    found = cost.measure(study, sizes, share)
    return choose.Speed(choice.train, found.epoch_s, found.test_s, share.concurrent, found.crowding)


def _study(sections: Mapping[str, Any], device: str, source: str) -> StudyConfig:
    study = edge.validate(StudyConfig, {"name": "new", "device": device, **sections}, source)
    checks.check(study, source)
    return study


def _device(wanted: str, path: Path) -> str:
    """`cpu` or `cuda`. Raises UserError for a device that is none, or is not here."""
    from trainables.devices import pick_device

    _study({"space": {"k": [1, 2]}}, wanted, str(path))
    return str(pick_device(wanted).type)


def _read_all(choice: Choice, path: Path, say: Say) -> None:
    """Decode all images, which the study then finds ready; what is wrong with one of them is known now."""
    data = _study(study_sections(choice), "cpu", str(path)).data
    for line in load_dataset(data, say).notes:
        say(f"data: {line}")
    check_test(data, say)


def _refuse_target(path: Path) -> None:
    if os.path.lexists(path):
        raise UserError(f"--new {_shown(path)}: is there already, and is not overwritten; give another name")
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"--new {_shown(path)}: the name of a study's file ends in .yaml")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--new {_shown(path)}: no folder {_shown(path.absolute().parent)}")


def _write(path: Path, content: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise UserError(f"--new {_shown(path)}: cannot be written ({error.strerror or error})") from error


def _last_words(choice: Choice, path: Path, asked: Namespace) -> list[str]:
    """What was written, and the two commands to go on with."""
    takes = f"about {wording.seconds_in_words(choice.seconds)} on this machine"
    if choice.crowding > 1:
        takes += f" if nothing else runs ({choice.crowding:.0f} times as long as busy as it is now)"
    images = "all images" if choice.train_limit is None else f"{choice.train:,} of {choice.seen.images:,} images"
    if asked.run:
        said = f"one run of {choice.epochs} epochs on {images}"
        ways = text.run_commands(path)
    else:
        said = (
            f"{choice.trials} trials of up to {choice.epochs} epochs on {images}; {choice.points} points and "
            f"{choose.BASELINES} baselines confirmed with {choice.seeds} seeds each"
        )
        ways = text.study_commands(path)
    return [f"Written: {_shown(path)}: {said}; {takes}.", "Go on with:", *(f"  {_as_typed(way)}" for way in ways)]


def _as_typed(way: str) -> str:
    """A command of this program, begun as this one was."""
    program, rest = sys.argv[0], way.removeprefix(PROGRAM)
    here = program if Path(program).name == PROGRAM else PROGRAM
    if "UV_RUN_RECURSION_DEPTH" in os.environ:
        return f"uv run {way if rest == way else here + rest}"
    return way if rest == way else f"python {shlex.quote(here)}{rest}"


def _shown(path: Path) -> str:
    return wording.shorten(wording.printable(str(path)))
