"""Names on disk: the only contract between a study that writes a results folder and an analysis that reads one.

It also hands on what both sides share (the vocabulary, files and places for them, fronts, numbers in words, exit
codes), so that `analysis` imports nothing else of the house and works on a machine without Ray or torch.
"""

from __future__ import annotations

from trainables import dominance as dominance
from trainables import exit_codes as exit_codes
from trainables import files as files
from trainables import places as places
from trainables import wording as wording
from trainables.files import SCHEMA_VERSION as SCHEMA_VERSION
from trainables.vocabulary.errors import *  # noqa: F403
from trainables.vocabulary.methods_and_support_sets import *  # noqa: F403
from trainables.vocabulary.metrics_and_objectives import *  # noqa: F403
from trainables.vocabulary.stages_and_statuses import *  # noqa: F403

# --- files and folders inside results/<study>/ ---
STUDY_FILE = "study.yaml"  # the fully resolved study
MANIFEST_FILE = "manifest.json"  # git commit, versions, hardware, seeds, start and end
DRAWS_FILE = "draws.jsonl"  # one line per point that the search drew, written before its trial starts, append-only
TRIALS_FILE = "trials.jsonl"  # one line per trial end, append-only
REPORTS_FILE = "reports.jsonl"  # one line per trial and epoch, append-only
OPTUNA_FILE = "optuna.db"  # the search as optuna-dashboard opens it: a copy of what the lines above say
RAY_DIR = "ray"  # Tune's own state and checkpoints
FIGURES_DIR = "figures"
TABLES_DIR = "tables"
PROJECTIONS_DIR = "projections"  # optional: <trial_id>.jsonl, 2-D pictures of prototypes and embeddings over epochs
REPORT_HTML = "report.html"
LOCK_FILE = ".lock"

# --- one draw of the search (one line of draws.jsonl) ---
DRAW_FIELDS = (
    "schema",
    "number",  # of the trial that the draw is for
    "attempt",  # 0, 1, ...: draws for this number before it, all of them duplicates
    "trial_id",  # null for a duplicate, which is not trained
    "label",
    "params",
    "point_index",  # which of the declared points (baselines, then the grid) it is; null: the sampler's own
    "duplicate_of",  # trial_id that has this point already; null: a new point
    "ended",  # trials of the search that had ended by then: what the sampler knew
)
OPTUNA_DRAW = "trial"  # user attribute of a trial in OPTUNA_FILE: its draw, without what is null

# --- one report (one line of reports.jsonl, one result of a trial's epoch) ---
REPORT_IDENTITY = ("schema", "stage", "trial_id", "number", "seed", "epoch", "time")  # `time`: UTC, ISO 8601
HELD_S = "held_s"  # seconds the trial has held its process so far, all sessions

# --- one trial end (one line of trials.jsonl) ---
TRIAL_FIELDS = (
    "schema",
    "stage",
    "trial_id",  # unique in the study, all stages
    "number",  # 0, 1, 2, ... in order of creation, per stage
    "status",  # one of STATUSES
    "method",
    "label",  # what a person reads: "kmclr k=400 t=0.2"
    "seed",
    "params",  # flat search-space parameters: {"k": 400, "temperature": 0.2, ...}; only those that apply to the method
    "epochs",  # epochs finished
    "max_epochs",  # full budget
    "metrics",  # the last report's metrics (REPORT_METRICS, and TEST_METRICS in the confirm stage)
    "point",  # confirm only: id shared by the seeds of one point; null in the search stage
    "baseline",  # true if the point was declared under `baselines:`
    "started",
    "ended",
    "wall_s",  # seconds the trial held its process: set-up, epochs, evaluation, over all sessions
    "error",  # null or one line
    "checkpoint",  # null or path relative to the results folder
)

# --- manifest.json ---
MANIFEST_FIELDS = (
    "schema",
    "study",
    "question",
    "rehearsal",  # true: every table and figure must say so
    "status",  # running | finished | interrupted | failed
    "command",
    "git",  # {"commit": str | null, "dirty": bool | null}
    "versions",  # {"python": ..., "torch": ..., "ray": ..., ...}
    "hardware",  # {"cpu": str, "cores": int, "memory_bytes": int, "gpus": [{"name": str, "memory_bytes": int}]}
    "device",
    "seeds",  # {"search": int, "trial": int, "confirm": [int, ...]}
    "data",  # {"name", "fingerprint", "classes", "train", "validation", "test", "channels", "image_size"}
    "score",  # name of the metric that `accuracy` copies
    "objectives",  # {"accuracy": "max", "support_bytes": "min"}
    "rungs",  # epochs at which the scheduler decides
    "started",
    "ended",  # null while running
    "sessions",  # [{"started", "ended", "reason"}], one per start or resume
)
