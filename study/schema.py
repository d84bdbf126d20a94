"""Names on disk: the only contract between a study that writes a results folder and an analysis that reads one.

It also hands on what both sides share (the vocabulary, files and places for them, fronts, numbers in words, exit
codes), so that `analysis` imports nothing else of the house and works on a machine without Ray or torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables import command_line as command_line
from trainables import dominance as dominance
from trainables import exit_codes as exit_codes
from trainables import files as files
from trainables import intervals as intervals
from trainables import lines as lines
from trainables import places as places
from trainables import reported as reported
from trainables import shapes
from trainables import wording as wording
from trainables.files import MANIFEST_FILE as MANIFEST_FILE
from trainables.files import RAY_DIR as RAY_DIR
from trainables.files import REPORTS_FILE as REPORTS_FILE
from trainables.files import SCHEMA_VERSION as SCHEMA_VERSION
from trainables.files import STUDY_FILE as STUDY_FILE
from trainables.files import TRIALS_FILE as TRIALS_FILE
from trainables.settings import own_import as own_import
from trainables.settings.needs import acts as acts
from trainables.settings.yaml_text import ConfigError, parse
from trainables.shapes import COLOUR, INSTANT, NUMBER, TEXT, TRUTH, VALUE, WHOLE
from trainables.vocabulary import parts as parts
from trainables.vocabulary.errors import *  # noqa: F403
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import *  # noqa: F403
from trainables.vocabulary.methods_and_support_sets import METHODS
from trainables.vocabulary.metrics_and_objectives import *  # noqa: F403
from trainables.vocabulary.metrics_and_objectives import ACCURACY, METRICS, OBJECTIVES, REPORT_METRICS
from trainables.vocabulary.registry import Live as Live
from trainables.vocabulary.registry import shown_name as shown_name
from trainables.vocabulary.stages_and_statuses import *  # noqa: F403
from trainables.vocabulary.stages_and_statuses import SEARCH, STAGES, STATUSES

# --- files and folders inside results/<study>/ ---
LINES_FILE = lines.COUNTS_FILE  # how many lines each file of lines had when its last one was written
DRAWS_FILE = "draws.jsonl"  # one line per point that the search drew, written before its trial starts, append-only
TURNS_FILE = "turns.jsonl"  # one line per time that a trial began or went on, where trials pause; append-only
LEARNED_FILE = "learned.jsonl"  # one line per trial of an earlier study that this one has learned of
OPTUNA_SUFFIXES = ("-wal", "-shm", "-journal")  # of what SQLite writes beside it
OPTUNA_FILE = "optuna.db"  # the search as optuna-dashboard opens it: a copy of what the lines above say
FIGURES_DIR = "figures"
TABLES_DIR = "tables"
PROJECTIONS_DIR = "projections"  # optional: <trial_id>.jsonl, 2-D pictures of prototypes and embeddings over epochs
REPORT_HTML = "report.html"
BELIEF_FILE = "belief.json"  # what a model makes of the search's trials: newest state, written whole; see BELIEF
NEXT_FILE = "next.yaml"  # the run file of the point that is most worth trying next, if there is one
ABLATION_FILE = "ablation.json"  # the paths of the ablate stage, the newest last, written whole; see ABLATION
LOCK_FILE = ".lock"

_OF_LINES = (DRAWS_FILE, TURNS_FILE, TRIALS_FILE, REPORTS_FILE, LEARNED_FILE)
_FILES = (STUDY_FILE, MANIFEST_FILE, LINES_FILE, OPTUNA_FILE, BELIEF_FILE, NEXT_FILE, ABLATION_FILE, LOCK_FILE,
          *_OF_LINES)  # fmt: skip
_BESIDE = tuple(f"{OPTUNA_FILE}{suffix}" for suffix in OPTUNA_SUFFIXES)
_FOLDERS = (RAY_DIR, FIGURES_DIR, TABLES_DIR, PROJECTIONS_DIR)


def check_entries(folder: Path) -> None:
    """DamagedFile if something else stands where a results folder has a file or a folder: reading a device or a pipe
    may never end. Links to the right kind are fine."""
    for names, is_right, kind in (((*_FILES, *_BESIDE), Path.is_file, "file"), (_FOLDERS, Path.is_dir, "folder")):
        for path in (folder / name for name in names):
            if os.path.lexists(path) and not is_right(path):
                raise files.DamagedFile(
                    f"{path}: expected a {kind}, {files.what_it_is(path)}; put it right or remove it"
                )


# --- each line of a .jsonl file ---
# Beside what follows it carries `line` (its number in the file) and, last, `check` (CRC-32, in hex, of the bytes before
# `, "check"`); `trainables.lines` writes both, and takes them off again. A file that was damaged is kept beside the
# whole one as NAME.damaged-<UTC time>. Files begun by a version before these have lines without them.

# --- one draw of the search (one line of draws.jsonl) ---
DRAW_FIELDS = {
    "schema": WHOLE,
    "number": WHOLE,  # of the trial that the draw is for
    "attempt": WHOLE,  # 0, 1, ...: draws for this number before it, all of them duplicates
    "trial_id": shapes.maybe(TEXT),  # null for a duplicate, which is not trained
    "label": TEXT,
    "params": shapes.mapping(VALUE),
    "point_index": shapes.maybe(WHOLE),  # which of the declared points (baselines, then the grid); null: the sampler's
    "duplicate_of": shapes.maybe(TEXT),  # trial_id that has this point already; null: a new point
    "ended": WHOLE,  # trials of the search that had ended by then: what the sampler knew
}
OPTUNA_DRAW = "trial"  # user attribute of a trial in OPTUNA_FILE: its draw, without what is null

# --- one turn of a trial under a scheduler whose trials pause (one line of turns.jsonl) ---
TURN_FIELDS = {
    "schema": WHOLE,
    "trial_id": TEXT,
    "number": WHOLE,
    "turn": WHOLE,  # 0: it begins; 1, 2, ...: it goes on after it has paused
    "until": WHOLE,  # the epoch at which it pauses, or its last one
}

# --- one report (one line of reports.jsonl, one result of a trial's epoch) ---
REPORT_IDENTITY = {
    "schema": WHOLE,
    "stage": shapes.one_of(STAGES),
    "trial_id": TEXT,
    "number": WHOLE,
    "seed": WHOLE,
    "epoch": WHOLE,
    "time": INSTANT,  # UTC
}
HELD_S = "held_s"  # seconds the trial has held its process so far, all sessions
_VALUES = Live(lambda: dict.fromkeys(METRICS, shapes.maybe(NUMBER)))

# --- one trial end (one line of trials.jsonl) ---
TRIAL_FIELDS = {
    "schema": WHOLE,
    "stage": shapes.one_of(STAGES),
    "trial_id": TEXT,  # unique in the study, all stages
    "number": WHOLE,  # 0, 1, 2, ... in order of creation, per stage
    "status": shapes.one_of(STATUSES),
    "method": shapes.one_of(METHODS),
    "label": TEXT,  # what a person reads: "kmclr k=400 t=0.2"
    "seed": WHOLE,
    "params": shapes.mapping(VALUE),  # flat: {"k": 400, "temperature": 0.2, ...}; only those that apply to the method
    "epochs": WHOLE,  # epochs finished
    "max_epochs": WHOLE,  # full budget
    "metrics": shapes.shape({}, _VALUES),  # of the last report (REPORT_METRICS; after the search also TEST_METRICS)
    "point": shapes.maybe(TEXT),  # id shared by the seeds of one point; null in the search stage
    "baseline": TRUTH,  # true if the point was declared under `baselines:`
    "started": INSTANT,
    "ended": INSTANT,
    "wall_s": shapes.maybe(NUMBER),  # seconds the trial held its process: set-up, epochs, evaluation, all sessions
    "error": shapes.maybe(TEXT),  # one line
    "checkpoint": shapes.maybe(TEXT),  # path relative to the results folder
}

# --- one trial of an earlier study that counts as an observation (one line of learned.jsonl) ---
_SAME = ("status", "method", "label", "seed", "params", "epochs", "max_epochs", "metrics", "started", "ended", "wall_s")
"""Fields as in trials.jsonl; params are those of this study's space."""
_REPORT = shapes.shape({"epoch": WHOLE}, _VALUES)
LEARNED_FIELDS = {
    "schema": WHOLE,
    "trial_id": TEXT,  # its name in this study: learned-0000, ...
    "number": WHOLE,  # 0, 1, 2, ... in the order in which they were learned
    "folder": TEXT,  # results folder that it comes from, as search.learn_from has it
    "study": TEXT,  # that study's name
    "of": TEXT,  # its trial_id there
    **{name: TRIAL_FIELDS[name] for name in _SAME},
    "reports": shapes.Each(_REPORT),  # rising epochs, each with the objectives that it reported
}
OPTUNA_LEARNED = "learned"  # user attribute of such a trial in OPTUNA_FILE: where it comes from

# --- one picture (one line of projections/<trial_id>.jsonl) ---
_POINTS = shapes.Each(shapes.Each(NUMBER))
_PICTURE = shapes.shape(
    {"epoch": WHOLE, "vectors": _POINTS, "sample": _POINTS, "labels": shapes.Each(WHOLE)}, {"variance_shown": NUMBER}
)


def origins(lines: Sequence[dict[str, Any]], own: str) -> dict[str, str]:
    """Learned trial -> the study that it comes from: the name of its results folder, or as much of the path as tells it
    from the others, and from this study's folder, whose name is `own`."""
    folders = {line["trial_id"]: line["folder"] for line in lines}
    paths = {folder: Path(folder).parts for folder in folders.values()}

    def told(folder: str) -> str:
        ends = ("/".join(paths[folder][-count:]) for count in range(1, len(paths[folder])))
        others = [("", own), *(parts for other, parts in paths.items() if other != folder)]
        return next((end for end in ends if all("/".join(o[-end.count("/") - 1 :]) != end for o in others)), folder)

    return {trial: told(folder) for trial, folder in folders.items()}


LINES = {
    LEARNED_FILE: shapes.shape(LEARNED_FIELDS),
    DRAWS_FILE: shapes.shape(DRAW_FIELDS),
    TURNS_FILE: shapes.shape(TURN_FIELDS),
    REPORTS_FILE: shapes.shape(REPORT_IDENTITY, Live(lambda: {HELD_S: NUMBER, **_VALUES})),
    TRIALS_FILE: shapes.shape(TRIAL_FIELDS),
}
"""What a line of these files must be; of any other file of lines, a picture."""


def checked_fields(line: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    """A line of the file `name` of a results folder. Raises DamagedFile, naming `place` and field, if it is no such."""
    LINES.get(name, _PICTURE).check(line, place)
    if name == TRIALS_FILE and line["stage"] != SEARCH and line["point"] is None:
        raise files.DamagedFile(f"{place}: point must be text in the {line['stage']} stage, got None")
    if name == DRAWS_FILE and (line["trial_id"] is None) == (line["duplicate_of"] is None):
        raise files.DamagedFile(f"{place}: one of trial_id and duplicate_of must be text and the other null")
    return line


FILES_OF = {"draws": DRAWS_FILE, "reports": REPORTS_FILE, "ends": TRIALS_FILE}


def check_of_one_study(folder: Path, draws: Any, reports: Any, ends: Any) -> None:
    """DamagedFile if the files of a results folder contradict each other: one of them is of another study.

    draws, reports: all their lines; ends: the last of each trial.
    """
    for kinds, said in reported.contradictions(draws, reports, ends, REPORT_METRICS):
        one, other = (FILES_OF[kind] for kind in kinds.split(" and "))
        why = f"are not of one study ({wording.shorten(said)})"
        raise files.DamagedFile(f"{folder / one} and {other} {why}; restore the files from a backup")


# --- belief.json ---
BAND = ("accuracy", "low_1sd", "high_1sd", "low_95", "high_95")
"""Predicted accuracy (%) of a point, a single run's noise left out: median, and where it lies with 68 % and 95 %."""
TRIAL_STATES = ("finished", "stopped", "paused", "running", "failed")
_BAND = shapes.shape(dict.fromkeys(BAND, NUMBER))
_POINT = {"label": TEXT, "method": shapes.one_of(METHODS), "costs": shapes.mapping(NUMBER)}
"""costs: support_bytes, and the objectives beside accuracy as expected at full budget, where there is a model."""
BELIEF = {
    "schema": WHOLE,
    "time": INSTANT,
    "without": shapes.maybe(TEXT),  # why there is no model; null: there is one
    "trials": shapes.Each(  # of the search, in the order of their numbers
        shapes.shape(
            {
                "trial_id": TEXT,
                "state": shapes.one_of(TRIAL_STATES),
                "epochs": WHOLE,
                "observed": shapes.maybe(NUMBER),  # accuracy (%) at its last epoch
                **_POINT,
            },
            {"believed": _BAND},  # at full budget
        )
    ),
    "curves": shapes.Each(  # of each method, by rising bytes: the point expected to be most accurate at that size
        shapes.shape({"method": _POINT["method"], "sizes": shapes.Each(shapes.shape({**_POINT, "believed": _BAND}))})
    ),
    "choices": shapes.mapping(
        shapes.Each(TEXT)
    ),  # confirm.choose -> the trials it takes, baselines apart; no model: none of it
}
_NEXT = shapes.shape({**_POINT, "params": shapes.mapping(VALUE), "gain": NUMBER, "believed": _BAND}, {"share": NUMBER})
"""gain: expected hypervolume gain in scaled costs; share: of the front's own hypervolume."""


def read_belief(folder: Path) -> dict[str, Any] | None:
    """The folder's belief.json; None where there is none (an earlier version, or a search that has not got so far).

    Raises DamagedFile naming it, and the field, if it is none of this schema version.
    """
    path = folder / BELIEF_FILE
    if not path.exists():
        return None
    return shapes.shape(BELIEF, {"next": _NEXT}).check(
        _read_json(path, "remove it; --resume writes it anew"), str(path)
    )


# --- ablation.json ---
_CHANGE = shapes.shape({"name": TEXT, "before": shapes.maybe(VALUE), "after": shapes.maybe(VALUE)})
_STEP = shapes.shape(
    {
        "points": shapes.Each(TEXT),  # `point` of the trials of this step: those of the confirm stage, its own last
        "label": TEXT,
        "method": shapes.one_of(METHODS),
        "params": shapes.mapping(VALUE),
        "changes": shapes.Each(_CHANGE),  # against the step before; null: the parameter does not apply there
        "support_bytes": NUMBER,
    },
    {"believed": _BAND},  # what the model expected of the search's budget when it chose the path
)
_PATH = shapes.shape(
    {
        "from": shapes.maybe(TEXT),  # as ablate.from asked
        "to": TEXT,  # as ablate.to asked
        "why": TEXT,  # what made its last point the target
        "without": shapes.maybe(TEXT),  # why no model chose the order; null: one did
        "searched": WHOLE,  # trials of the search that had ended when it was chosen
        "seeds": shapes.Each(WHOLE),
        "epochs": WHOLE,  # full budget of its trials
        "steps": shapes.Each(_STEP),  # the baseline first, the target last
    }
)
ABLATION = {"schema": WHOLE, "time": INSTANT, "paths": shapes.Each(_PATH)}


def read_ablation(folder: Path) -> dict[str, Any] | None:
    """The folder's ablation.json; None where there is none. Raises DamagedFile naming it, and the field."""
    path = folder / ABLATION_FILE
    if not path.exists():
        return None
    return shapes.shape(ABLATION).check(_read_json(path, "remove it; --stage ablate writes it anew"), str(path))


# --- manifest.json ---
EARLY = "search_ended_early"  # of a session: why, and the budget then
MANIFEST_FIELDS = {
    "schema": WHOLE,
    "study": TEXT,
    "question": TEXT,
    "rehearsal": TRUTH,  # true: every table and figure must say so
    "status": shapes.one_of(("running", "finished", "interrupted", "failed")),
    "command": TEXT,
    "git": shapes.shape({"commit": shapes.maybe(TEXT), "dirty": shapes.maybe(TRUTH)}),
    "versions": shapes.mapping(TEXT),  # {"python": ..., "torch": ..., "ray": ..., ...}
    "hardware": shapes.shape(
        {
            "cpu": TEXT,
            "cores": WHOLE,
            "memory_bytes": WHOLE,
            "gpus": shapes.Each(shapes.shape({"name": TEXT, "memory_bytes": WHOLE})),
        }
    ),
    "device": TEXT,
    "seeds": shapes.shape({"search": WHOLE, "trial": WHOLE, "confirm": shapes.Each(WHOLE)}),
    "data": shapes.shape(
        {"name": TEXT, "fingerprint": TEXT},
        dict.fromkeys(("classes", "train", "validation", "test", "channels", "image_size"), shapes.maybe(WHOLE)),
    ),
    "score": TEXT,  # name of the metric that `accuracy` copies
    "objectives": shapes.mapping(shapes.one_of(("max", "min"))),  # {"accuracy": "max", "support_bytes": "min"}
    "rungs": shapes.Each(WHOLE),  # epochs at which the scheduler decides
    "started": INSTANT,
    "ended": shapes.maybe(INSTANT),  # null while running
    "sessions": shapes.Each(  # one per start or resume
        shapes.shape(
            {"started": INSTANT, "ended": shapes.maybe(INSTANT), "reason": shapes.maybe(TEXT)},
            {  # where there is something to say
                "command": TEXT,
                "storage": TEXT,
                "damage": shapes.Each(TEXT),
                "retry": shapes.shape({"which": TEXT, "trials": WHOLE}),
                "changed": shapes.Each(TEXT),
                EARLY: shapes.shape({"reason": TEXT, "budget": shapes.shape({})}),
            },
        )
    ),
}

_METRIC = {
    **dict.fromkeys(("meaning", "title", "unit"), TEXT),
    **dict.fromkeys(("log", "known"), TRUTH),
}
OWN = "own"  # where the study has parts of its user's own
_METHOD = {"support": TEXT, "predictor": TRUTH, "loss": TEXT, "momentum": TEXT, "colour": shapes.maybe(COLOUR)}
LEARNED = "learned"  # where the study has learned of earlier ones
MANIFEST_MAY = {
    LEARNED: shapes.Each(  # one per folder
        shapes.shape(
            {
                "folder": TEXT,  # as search.learn_from has it
                "study": TEXT,
                "fingerprint": TEXT,  # of its settings, reports and ends when they were read
                "learned": WHOLE,  # trials
                "left_out": shapes.Each(shapes.shape({"trials": WHOLE, "why": TEXT})),
            }
        )
    ),
    "per_method": TRUTH,  # each method's front is confirmed; an earlier version's folder does not say: no
    OWN: shapes.shape(
        {
            "parts": shapes.mapping(TEXT),  # setting -> name: {"support.name": "mypkg.sets:RandomMemory"}
            "methods": shapes.mapping(shapes.shape(_METHOD)),  # by the name they show
            "support_sets": shapes.mapping(shapes.shape({"size": shapes.maybe(TEXT)})),  # by the name in the settings
        },
        {  # what a measure of one's own is, by the name it shows
            "metrics": shapes.mapping(shapes.shape(_METRIC, {"sense": shapes.one_of(("max", "min")), "worst": NUMBER}))
        },
    ),
}
"""Fields that a manifest may have."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The folder's manifest. Raises DamagedFile naming it, and the field, if it is none of this schema version."""
    path = folder / MANIFEST_FILE
    found = _read_json(path)
    shapes.shape(MANIFEST_FIELDS, MANIFEST_MAY).check(found, str(path))
    parts.learn(found.get(OWN, {}))
    objectives = found["objectives"]
    if next(iter(objectives.items()), None) != (ACCURACY, "max"):
        raise files.DamagedFile(f"{path}: objectives must begin with accuracy: max, got {shapes.shown(objectives)}")
    for name in objectives:
        if name not in OBJECTIVES:
            raise files.DamagedFile(
                f"{path}: objectives.{wording.shorten(name)} is not known; known: {', '.join(OBJECTIVES)}"
            )
    return found


def read_study(folder: Path) -> dict[str, Any]:
    """The folder's study.yaml as plain data. Raises DamagedFile naming it, and the setting that no study has so."""
    path = folder / STUDY_FILE
    try:
        found = files.checked(parse(_text(path), str(path)), str(path))
    except ConfigError as error:
        raise files.DamagedFile(f"{error}; restore the file from a backup") from None
    return _STUDY.check(found, str(path))


_STUDY = shapes.shape({"name": TEXT}, {"device": TEXT, "resources": shapes.shape({}, {"gpu": shapes.maybe(NUMBER)})})
"""What is looked at one by one; the whole is compared with the study that is to go on, or shown as it is."""


def _read_json(path: Path, way_out: str = "restore the file from a backup") -> dict[str, Any]:
    """An object of this schema version; DamagedFile otherwise."""
    try:
        return files.checked(json.loads(_text(path, way_out)), str(path))
    except json.JSONDecodeError as error:
        raise files.DamagedFile(f"{path}:{error.lineno}: not JSON ({error.msg}); {way_out}") from None
    except files.TOO_MUCH as error:
        if isinstance(error, UserError):
            raise
        raise files.DamagedFile(f"{path}: {files.TOO_MUCH_WORDS}; {way_out}") from None


def _text(path: Path, way_out: str = "restore the file from a backup") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise files.DamagedFile(f"{path}: missing, so {path.parent} is not the results folder of a study") from None
    except UnicodeDecodeError as error:
        raise files.DamagedFile(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); {way_out}") from None
