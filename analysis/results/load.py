"""A results folder as tables. Strict about what is on disk, content with a study that is still running.

What `study` writes is described by `study.schema`; nothing else of `study` is known here. A torn last line (a study
that is writing, or was killed while writing) is dropped with a warning; anything else bad is an error that names file
and line.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.results.whole import check_whole
from study import schema
from study.schema import ACCURACY, SUPPORT_BYTES, UserError, files, wording
from study.schema import lines as line_files

NESTED = ("params", "metrics")
PARAM_PREFIX = "p_"
GPU_HOURS = "gpu_hours"
FROM_TRIAL = ("method", "label", "point", "baseline", "status", "max_epochs")
"""Columns of a trial that its reports get too, where the trial has ended or was interrupted."""


@dataclass(frozen=True)
class Results:
    """One study's folder.

    trials: one row per trial that ended (stages in order, then numbers): TRIAL_FIELDS without `params` and `metrics`,
    every metric as a column of its own name (NaN where absent), every parameter as a column `p_<name>`, and `gpu_hours`
    (NaN on a CPU). reports: one row per trial and epoch: REPORT_IDENTITY, all REPORT_METRICS, and FROM_TRIAL.
    """

    folder: Path
    study: dict[str, Any]
    manifest: dict[str, Any]
    trials: pd.DataFrame
    reports: pd.DataFrame
    rehearsal: bool
    name: str
    running: bool
    objectives: dict[str, str]
    """What fronts are over, name -> max | min, accuracy first: the study's own objectives, unless a report is asked
    for another cost (`front.against`). A study with accuracy alone is drawn against the bytes of its support sets."""
    belief: dict[str, Any] | None = None
    """What a model makes of the search (`schema.BELIEF`); None where the folder has no such file."""
    ablation: dict[str, Any] | None = None
    """The paths of the ablate stage (`schema.ABLATION`); None where it was not asked for."""
    paused: frozenset[str] = frozenset()
    """Trials that wait at a rung and have not ended."""
    learned: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Trials of earlier studies that counted as observations: rows as those of `trials` (in the search stage), with
    `origin`, the study that each comes from. None of them is among `trials`."""

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives beside accuracy."""
        return tuple(name for name in self.objectives if name != ACCURACY)

    @property
    def observed(self) -> pd.DataFrame:
        """Trials of the search, and the learned ones; these have an `origin`."""
        own = self.stage(schema.SEARCH)
        return pd.concat([own.assign(origin=""), self.learned], ignore_index=True) if len(self.learned) else own

    def stage(self, name: str) -> pd.DataFrame:
        """Trials of one stage."""
        return self.trials[self.trials["stage"] == name]


def load(folder: Path | str) -> Results:
    """Read a results folder. Raises UserError (files.DamagedFile with file, line and rule) if it cannot be read."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder; give the results folder of a study, for example results/k_sweep")
    schema.check_entries(folder)
    manifest, study = wording.printable([schema.read_manifest(folder), schema.read_study(folder)])
    check_whole(folder)
    ends = _trial_ends(folder / schema.TRIALS_FILE, manifest["objectives"])
    lines = _report_lines(folder / schema.REPORTS_FILE)
    schema.check_of_one_study(folder, _draw_lines(folder / schema.DRAWS_FILE), lines, ends)
    trials, reports = _trial_table(ends), _report_table(lines)
    reports = _join(reports, trials)
    trials[GPU_HOURS] = _gpu_hours(trials, manifest, study)
    own = manifest["objectives"]
    return Results(
        folder=folder,
        study=study,
        manifest=manifest,
        trials=trials,
        reports=reports,
        rehearsal=bool(manifest["rehearsal"]),
        name=wording.printable(folder.resolve().name),
        running=manifest["status"] == "running",
        objectives=own if len(own) > 1 else {**own, SUPPORT_BYTES: "min"},
        belief=wording.printable(schema.read_belief(folder)),
        ablation=wording.printable(schema.read_ablation(folder)),
        paused=_paused(folder / schema.TURNS_FILE, ends, lines),
        learned=_learned(folder / schema.LEARNED_FILE, ends),
    )


def draws(results: Results) -> list[dict[str, Any]]:
    """Lines of `draws.jsonl`, of which `load` has told what is torn; none in a folder of the version before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _draw_lines(results.folder / schema.DRAWS_FILE)


# --- lines ---


def _trial_ends(path: Path, objectives: Mapping[str, str]) -> list[dict[str, Any]]:
    """The last end of each trial; only an `interrupted` end may be followed by another, and any by an `interrupted` one
    (the trial was tried again)."""
    ends: dict[str, dict[str, Any]] = {}
    for number, line in line_files.read_json_lines(path):
        place = f"{path}:{number}"
        schema.checked_fields(line, schema.TRIALS_FILE, place)
        _check_objectives(line, objectives, place)
        earlier = ends.get(line["trial_id"])
        if earlier is not None and schema.INTERRUPTED not in (earlier["status"], line["status"]):
            raise files.DamagedFile(f"{place}: trial {line['trial_id']} has ended before ({earlier['status']})")
        ends[line["trial_id"]] = wording.printable(line)
    return sorted(ends.values(), key=lambda end: (schema.STAGES.index(end["stage"]), end["number"]))


def _check_objectives(end: Mapping[str, Any], objectives: Mapping[str, str], place: str) -> None:
    missing = [name for name in objectives if end["metrics"].get(name) is None]
    if end["status"] == schema.COMPLETED and missing:
        raise files.DamagedFile(f"{place}: completed trial {end['trial_id']} has no metrics.{missing[0]}, an objective")


def _draw_lines(path: Path) -> list[dict[str, Any]]:
    rows = line_files.read_json_lines(path)  # none in a folder of the version before
    checked = [schema.checked_fields(line, schema.DRAWS_FILE, f"{path}:{number}") for number, line in rows]
    printable: list[dict[str, Any]] = wording.printable(checked)
    return printable


def _paused(path: Path, ends: Iterable[Mapping[str, Any]], reports: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Those that have reported the epoch of their last turn and have not ended."""
    until: dict[str, int] = {}
    reached: dict[str, int] = {}
    for number, line in line_files.read_json_lines(path):  # none where trials do not pause
        turn = schema.checked_fields(line, schema.TURNS_FILE, f"{path}:{number}")
        until[turn["trial_id"]] = turn["until"]
    for report in reports:
        reached[report["trial_id"]] = max(report["epoch"], reached.get(report["trial_id"], 0))
    ended = {end["trial_id"] for end in ends}
    return frozenset(name for name, epoch in until.items() if name not in ended and reached.get(name, 0) >= epoch)


def _report_lines(path: Path) -> list[dict[str, Any]]:
    seen: dict[tuple[str, int], int] = {}
    lines = []
    for number, line in line_files.read_json_lines(path):
        place = f"{path}:{number}"
        schema.checked_fields(line, schema.REPORTS_FILE, place)
        key = (line["trial_id"], line["epoch"])
        if key in seen:
            raise files.DamagedFile(f"{place}: epoch {key[1]} of trial {key[0]} is there before, in line {seen[key]}")
        seen[key] = number
        lines.append(wording.printable(line))
    return lines


def _learned(path: Path, ends: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Those that stand for baselines are known by what was confirmed of them."""
    baselines = {end["point"] for end in ends if end["baseline"]}
    rows = line_files.read_json_lines(path)  # none where nothing was learned
    checked = [schema.checked_fields(line, schema.LEARNED_FILE, f"{path}:{number}") for number, line in rows]
    lines = wording.printable(checked)
    if not lines:
        return pd.DataFrame()
    given = {"stage": schema.SEARCH, "point": None, "error": None, "checkpoint": None}
    ended = [{**given, "baseline": one["trial_id"] in baselines, **one} for one in lines]
    table = _trial_table([{name: value for name, value in row.items() if name != "reports"} for row in ended])
    origin = schema.origins(lines, wording.printable(path.parent.resolve().name))
    return table.assign(**{GPU_HOURS: float("nan"), "origin": table["trial_id"].map(origin)})


# --- tables ---


def _floats(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    for name in names:
        values = table[name] if name in table else pd.Series(float("nan"), index=table.index)
        table[name] = pd.to_numeric(values).astype(float)
    return table


def _trial_table(ends: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [
        {
            **{name: value for name, value in end.items() if name not in NESTED},
            **end["metrics"],
            **{PARAM_PREFIX + name: value for name, value in end["params"].items()},
        }
        for end in ends
    ]
    columns = [name for name in schema.TRIAL_FIELDS if name not in NESTED]
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
    table = table[columns + [name for name in table.columns if name not in columns]]
    table["baseline"] = table["baseline"].astype(bool)
    return _floats(table.copy(), ("wall_s", *schema.METRICS))


def _report_table(lines: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(lines) if lines else pd.DataFrame(columns=list(schema.REPORT_IDENTITY))
    table = _floats(table.copy(), schema.REPORT_METRICS)
    return table.sort_values(["stage", "number", "epoch"], key=_stage_order, ignore_index=True)


def _stage_order(column: pd.Series) -> pd.Series:
    return column.map(schema.STAGES.index) if column.name == "stage" and len(column) else column


def _join(reports: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    wanted = [name for name in FROM_TRIAL if name not in reports]
    return reports.merge(trials[["trial_id", *wanted]], on="trial_id", how="left")


def _gpu_hours(trials: pd.DataFrame, manifest: Mapping[str, Any], study: Mapping[str, Any]) -> pd.Series:
    """Hours a trial held its process (`wall_s`: set-up, epochs, evaluation) times its share of a GPU; NaN on a CPU."""
    if str(manifest["device"]).startswith("cpu"):
        return pd.Series(float("nan"), index=trials.index, dtype=float)
    share = (study.get("resources") or {}).get("gpu")
    return trials["wall_s"] * (1.0 if share is None else float(share)) / 3600
