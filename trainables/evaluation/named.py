"""Which checkpoint a person means: a file, a run's folder, a study's trial; and how its study evaluated it.

A study's trials lie in `<results folder>/ray/<stage>-<session>/<trial id>[.<turn>]/checkpoint_<index>/`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from trainables import checkpoint
from trainables.files import RAY_DIR, STUDY_FILE
from trainables.settings.yaml_text import read_file
from trainables.vocabulary.errors import UserError
from trainables.wording import close_to, shorten

LINEAR_EPOCHS = 90
"""Of an offline evaluation, unless its study says otherwise."""
_MOST_IDS = 12


class AsInStudy(NamedTuple):
    """What a study's own evaluation of its trials ran with."""

    epochs: int
    """Of the linear classifier."""
    threads: int
    """Of torch, on a CPU; sums, and so accuracies, may depend on it."""


def candidates(path: Path, trial: str | None = None) -> list[Path]:
    """Checkpoint files that may be meant, newest first: the file itself, or those of a run's or a trial's folder.

    `path` may also be RESULTS/TRIAL, with the id of a trial of that results folder. Raises UserError.
    """
    if trial is None and not path.exists() and (path.parent / STUDY_FILE).is_file():
        path, trial = path.parent, path.name
    if trial is not None:
        return _of_trial(path, trial)
    if not path.is_dir():
        return [path]
    if (path / STUDY_FILE).is_file():
        raise UserError(f"{path}: a study's results; name a trial by --trial: {some(trials_with_checkpoints(path))}")
    own = [*checkpoint.in_folder(path), *checkpoint.in_folder(path / "checkpoints"), *path.glob(checkpoint.TRIAL_FILE)]
    return own or sorted(path.glob(f"checkpoint_*/{checkpoint.TRIAL_FILE}"), reverse=True)


def _of_trial(results: Path, trial: str) -> list[Path]:
    if not (results / STUDY_FILE).is_file():
        raise UserError(f"--trial {shorten(trial)}: {results} is not the results folder of a study")
    found = trials_with_checkpoints(results)
    if trial not in found:
        known = f"; with a checkpoint are: {some(found)}" if found else ""
        raise UserError(
            f"{results}: no checkpoint of a trial {shorten(trial)}{close_to(trial, found)}{known}; "
            f"trials that were stopped keep none, and those of a study with --storage lie there: name their folder"
        )
    return found[trial]


def trials_with_checkpoints(results: Path) -> dict[str, list[Path]]:
    """Trial id -> its checkpoint files, newest first."""
    found: dict[str, list[tuple[tuple[int, int, str], Path]]] = {}
    for path in (results / RAY_DIR).glob(f"*/*/checkpoint_*/{checkpoint.TRIAL_FILE}"):
        session, folder, index = path.parts[-4:-1]
        trial, turn = re.fullmatch(r"(.*?)(?:\.(\d+))?", folder).groups()
        number = session.rpartition("-")[2]
        if number.isdecimal():
            found.setdefault(trial, []).append(((int(number), int(turn or 0), index), path))
    return {trial: [path for _, path in sorted(rows, reverse=True)] for trial, rows in sorted(found.items())}


def some(trials: dict[str, list[Path]]) -> str:
    names = list(trials)
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_IDS else ""
    return ", ".join(names[:_MOST_IDS]) + more if names else "none has a checkpoint here"


def results_of(file: Path) -> Path | None:
    """The results folder that holds this checkpoint; None if none does."""
    return next((folder for folder in file.absolute().parents if (folder / STUDY_FILE).is_file()), None)


def trial_of(file: Path, results: Path) -> str | None:
    """The id of the trial whose checkpoint this is, by where it lies in its results folder; None if it is of none."""
    found = trials_with_checkpoints(results)
    return next((trial for trial, files in found.items() if file.absolute() in [f.absolute() for f in files]), None)


def as_in_study(file: Path) -> AsInStudy | None:
    """How the study whose results folder holds this checkpoint evaluates its trials; None if none does."""
    folder = results_of(file)
    if folder is None:
        return None
    study = read_file(folder / STUDY_FILE)
    confirm, resources = (study.get(name) or {} for name in ("confirm", "resources"))
    epochs, cpu = confirm.get("linear_epochs", LINEAR_EPOCHS), resources.get("cpu") or 1
    return AsInStudy(int(epochs), max(1, int(cpu)))
