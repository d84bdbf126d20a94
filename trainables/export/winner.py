"""Which backbone is meant, and what is known of it: its weights, what was measured of it, and of its point's seeds.

Shapes: a metric's values are one per seed; accuracies are percentages.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scipy import stats

from trainables import checkpoint, shapes
from trainables.data.dataset import load_dataset
from trainables.evaluation import named, offline
from trainables.files import MANIFEST_FILE, REPORTS_FILE, STUDY_FILE, TOO_MUCH, TRIALS_FILE, DamagedFile, checked
from trainables.intervals import CONFIDENCE, PERCENT, Interval, Values, intervals
from trainables.lines import read_json_lines
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.metrics_and_objectives import ACCURACY, METRICS, TEST_METRICS
from trainables.vocabulary.stages_and_statuses import COMPLETED, CONFIRM
from trainables.wording import close_to, shorten

_MOST_POINTS = 12
_END = shapes.shape(
    {
        "trial_id": shapes.TEXT,
        "stage": shapes.TEXT,
        "status": shapes.TEXT,
        "label": shapes.TEXT,
        "seed": shapes.WHOLE,
        "metrics": shapes.mapping(shapes.maybe(shapes.NUMBER)),
        "point": shapes.maybe(shapes.TEXT),
    }
)
_COUNTS = dict.fromkeys(("classes", "train", "validation", "test"), shapes.maybe(shapes.WHOLE))
_MANIFEST = shapes.shape(
    {
        "study": shapes.TEXT,
        "rehearsal": shapes.TRUTH,
        "status": shapes.TEXT,
        "data": shapes.shape({}, _COUNTS),
        "git": shapes.shape({"commit": shapes.maybe(shapes.TEXT)}),
    }
)
"""What is looked at in a study's ends of trials and in its manifest."""


class Study(NamedTuple):
    """What the results folder says of the trial; `seeds`: of its point, metric -> mean and interval over seeds."""

    name: str
    trial: str
    label: str
    rehearsal: bool
    status: str
    ended: str | None
    """How the trial ended; None: it has not."""
    seeds: dict[str, Interval]
    chosen: str
    """Why this trial of several; empty if it was named."""
    commit: str | None


class Winner(NamedTuple):
    """A backbone to be taken home. measured: metric -> value of these very weights. images: how many each split has."""

    frozen: offline.Frozen
    name: str
    data: dict[str, Any]
    measured: dict[str, float]
    images: dict[str, int]
    no_images: str
    """Why their number is not known; empty if it is."""
    study: Study | None

    def interval_over_images(self, metric: str) -> tuple[float, float, int] | None:
        """95 % interval (Wilson's) of an accuracy as a share of so many images, and their number; None: not known."""
        split = "test" if metric in TEST_METRICS else "validation"
        number, value = self.images.get(split, 0), self.measured.get(metric, math.nan)
        if number < 1 or not PERCENT[0] <= value <= PERCENT[1]:
            return None
        found = stats.binomtest(round(value / PERCENT[1] * number), number).proportion_ci(CONFIDENCE, "wilson")
        return PERCENT[1] * found.low, PERCENT[1] * found.high, number


def find(
    path: Path,
    trial: str | None = None,
    point: str | None = None,
    *,
    allow_code: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Winner:
    """The backbone of a run's folder, of a checkpoint's, or of a trial or a point of a results folder.

    Of a point's trials the one that was best on validation is taken: nothing is chosen by test. allow_code: whether
    parts of one's own, which its settings name, may be imported. Raises UserError and CheckpointError.
    """
    if trial is not None and point is not None:
        raise UserError("--trial and --point: give one of them")
    if not path.exists() and (path.parent / STUDY_FILE).is_file() and trial is None and point is None:
        path, name = path.parent, path.name
        is_trial = name in named.trials_with_checkpoints(path) or name not in _points(path)
        trial, point = (name, None) if is_trial else (None, name)
    chosen = ""
    if point is not None:
        trial, chosen = _of_point(path, point)
    elif trial is None and (path / STUDY_FILE).is_file():
        raise UserError(f"{path}: a study's results; name a point (--point) or a trial (--trial). {_known(path)}")
    found: list[tuple[offline.Frozen, dict[str, Any]]] = []

    def use(state: dict[str, Any]) -> None:
        found.append((offline.frozen_of(state, "cpu", allow_code=allow_code), state))

    newest = checkpoint.read_newest(named.candidates(path, trial), use)
    if newest is None:
        raise checkpoint.CheckpointError(f"{path}: no checkpoint in this folder; name the file itself")
    for message in newest.skipped:
        say(f"skipped: {message}")
    frozen, state = found[-1]
    return _described(dataclasses.replace(frozen, file=newest.path), state, chosen, say)


def _described(frozen: offline.Frozen, state: Mapping[str, Any], chosen: str, say: Callable[[str], None]) -> Winner:
    file = frozen.file
    results = named.results_of(file)
    trial = named.trial_of(file, results) if results is not None else None
    measured = _measured(file, state, frozen.epoch)
    if results is None or trial is None:
        images, why = _images_of(frozen, state, say)
        folder = file.parent.parent if file.parent.name == "checkpoints" else file.parent
        return Winner(frozen, folder.absolute().name, dict(state["data"]), measured, images, why, None)
    manifest, ends = _manifest(results), _ends(results)
    images = {name: count for name, count in manifest["data"].items() if name in _COUNTS and count}
    end = ends.get(trial)
    study = Study(
        manifest["study"],
        trial,
        end["label"] if end else frozen.cfg.method,
        manifest["rehearsal"],
        manifest["status"],
        end["status"] if end else None,
        _over_seeds(ends, end["point"]) if end and end["status"] == COMPLETED and end["stage"] == CONFIRM else {},
        chosen,
        manifest["git"]["commit"],
    )
    why = "" if images.get("validation") else "the study's manifest does not say how many images there are"
    return Winner(frozen, f"{results.absolute().name}-{trial}", dict(state["data"]), measured, images, why, study)


# --- what was measured of these very weights ---


def _measured(file: Path, state: Mapping[str, Any], epoch: int) -> dict[str, float]:
    """The report of the checkpoint's own epoch: kept in a study's checkpoint, beside a run's; else its evaluation."""
    report = state.get("last_report")
    if report is None and file.parent.name == "checkpoints":
        lines = read_json_lines(file.parent.parent / REPORTS_FILE)
        report = next((line for _, line in reversed(lines) if line.get("epoch") == epoch), None)
    if report is None:
        with checkpoint.foreign_content():
            report = state["evaluator"]["last"]
    return {
        name: float(report[name])
        for name in METRICS
        if isinstance(report.get(name), int | float) and math.isfinite(report[name])
    }


def _images_of(
    frozen: offline.Frozen, state: Mapping[str, Any], say: Callable[[str], None]
) -> tuple[dict[str, int], str]:
    """How many images each split of a run's data has, and why that is not known; nothing is downloaded for it."""
    try:
        data = load_dataset(frozen.cfg.data.model_copy(update={"download": False}), say)
    except (UserError, OSError) as error:
        return {}, f"the run's data are not here ({shorten(str(error).splitlines()[0])})"
    if data.fingerprint != state["data"]["fingerprint"]:
        return {}, "the run's data have changed since"
    return {"classes": data.num_classes, **data.sizes}, ""


# --- a study's trials and points ---


def _manifest(results: Path) -> dict[str, Any]:
    path = results / MANIFEST_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except TOO_MUCH as error:
        raise DamagedFile(f"{path}: not JSON of this program ({shorten(str(error))})") from None
    return _MANIFEST.check(checked(found, str(path)), str(path))


def _ends(results: Path) -> dict[str, dict[str, Any]]:
    """Trial id -> its last end."""
    path = results / TRIALS_FILE
    return {line["trial_id"]: _END.check(line, f"{path}:{number}") for number, line in read_json_lines(path)}


def _confirmed(ends: Mapping[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Point -> the ends of its trials that ran their full budget."""
    found: dict[str, list[dict[str, Any]]] = {}
    for end in ends.values():
        if end["stage"] == CONFIRM and end["status"] == COMPLETED and end["metrics"].get(ACCURACY) is not None:
            found.setdefault(str(end["point"]), []).append(end)
    return found


def _points(results: Path) -> dict[str, list[dict[str, Any]]]:
    return _confirmed(_ends(results))


def _over_seeds(ends: Mapping[str, dict[str, Any]], point: str) -> dict[str, Interval]:
    """Metric -> mean and interval of a point's seeds, as the study's report has them."""
    groups = _confirmed(ends)
    found = {}
    for metric in (ACCURACY, *TEST_METRICS):
        samples: dict[str, Values] = {
            name: {end["seed"]: float(v) for end in group if (v := end["metrics"].get(metric)) is not None}
            for name, group in groups.items()
        }
        if samples.get(point):
            found[metric] = intervals(samples, PERCENT)[point]
    return found


def _of_point(results: Path, point: str) -> tuple[str, str]:
    """The trial of a point (its id or its label) that was best on validation, and why."""
    if not (results / STUDY_FILE).is_file():
        raise UserError(f"--point {shorten(point)}: {results} is not the results folder of a study")
    groups = _points(results)
    labels = {group[0]["label"]: name for name, group in groups.items()}
    group = groups.get(labels.get(point, point))
    if group is None:
        close = close_to(point, [*groups, *labels])
        raise UserError(f"{results}: no confirmed point {shorten(point)}{close} {_known(results)}")
    kept = named.trials_with_checkpoints(results)
    there = [end for end in group if end["trial_id"] in kept]
    if not there:
        raise UserError(
            f"{results}: no checkpoint of point {shorten(point)} here; those of a study with --storage lie there: "
            f"name their folder"
        )
    best = max(there, key=lambda end: end["metrics"][ACCURACY])
    return best["trial_id"], f"of the {len(group)} trials of its point the best on validation"


def _known(results: Path) -> str:
    """What may be named: confirmed points, else trials with a checkpoint."""
    groups = _points(results)
    if not groups:
        there = named.some(named.trials_with_checkpoints(results))
        return f"No point is confirmed yet; trials with a checkpoint: {there}"
    shown = [f"{name} ({group[0]['label']})" for name, group in list(groups.items())[:_MOST_POINTS]]
    more = f", ... ({len(groups)} in all)" if len(groups) > _MOST_POINTS else ""
    return f"Confirmed points: {', '.join(shown)}{more}"
