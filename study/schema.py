"""Names on disk: the only contract between a study that writes a results folder and an analysis that reads one.

Standard library only, so that `analysis` can import it on a machine without Ray or torch.
Every JSON object and YAML file of a results folder carries `schema: SCHEMA_VERSION`.
Accuracies are percentages (0-100, higher is better); shares and rates are fractions (0-1); sizes are bytes;
times are seconds.
"""

from __future__ import annotations

SCHEMA_VERSION = 1

# --- files and folders inside results/<study>/ ---
STUDY_FILE = "study.yaml"  # the fully resolved study
MANIFEST_FILE = "manifest.json"  # git commit, versions, hardware, seeds, start and end
TRIALS_FILE = "trials.jsonl"  # one line per trial end, append-only
REPORTS_FILE = "reports.jsonl"  # one line per trial and epoch, append-only
OPTUNA_FILE = "optuna.db"  # SQLite storage that optuna-dashboard opens
RAY_DIR = "ray"  # Tune's own state and checkpoints
FIGURES_DIR = "figures"
TABLES_DIR = "tables"
PROJECTIONS_DIR = "projections"  # optional: <trial_id>.jsonl, 2-D pictures of prototypes and embeddings over epochs
REPORT_HTML = "report.html"
LOCK_FILE = ".lock"

# --- vocabulary ---
METHODS = ("kmclr", "nnclr", "none", "simclr", "byol")
STAGES = ("search", "confirm")
SUPPORT_KIND = {"kmclr": "prototypes", "nnclr": "queue", "none": "none", "simclr": "none", "byol": "none"}

COMPLETED = "completed"  # ran its full budget
STOPPED = "stopped"  # the scheduler stopped it at a rung
FAILED = "failed"  # an error of its own
DIVERGED = "diverged"  # NaN or infinite loss
OUT_OF_MEMORY = "out_of_memory"
TIMED_OUT = "timed_out"
INTERRUPTED = "interrupted"  # the study was stopped while it ran, or its disk was full; a resume continues it
STATUSES = (COMPLETED, STOPPED, FAILED, DIVERGED, OUT_OF_MEMORY, TIMED_OUT, INTERRUPTED)

# --- one report (one line of reports.jsonl, one result of a trial's epoch) ---
REPORT_IDENTITY = ("schema", "stage", "trial_id", "number", "seed", "epoch", "time")  # `time`: UTC, ISO 8601
HELD_S = "held_s"  # seconds the trial has held its process so far, all sessions (absent in folders of older versions)
ACCURACY = "accuracy"  # the study's score: a copy of the metric that probe.score names
SUPPORT_BYTES = "support_bytes"
REPORT_METRICS = {
    "accuracy": "validation accuracy that the study optimises, % (a copy of the metric named by probe.score)",
    "loss": "training loss, mean over samples",
    "probe_acc1": "online linear probe, validation acc@1, %",
    "probe_acc5": "online linear probe, validation acc@5, %",
    "knn_acc1": "weighted kNN on validation, acc@1, %",
    "few_shot_acc1": "linear probe on a few labels per class, validation acc@1, %",
    "support_bytes": "bytes of every persistent buffer the support set owns",
    "support_vectors": "vectors the support set can hold",
    "peak_memory_bytes": "peak device memory of the trial (host RSS on a CPU)",
    "images_per_s": "training throughput, images (not views) per second, evaluation excluded",
    "epoch_s": "seconds of the epoch, training and evaluation",
    "train_s": "seconds of the epoch's training part",
    "learning_rate": "learning rate at the epoch's last step",
    "neighbour_purity": "share of positives that carry the query's label, 0-1 (absent without a support set)",
    "self_hit_rate": "share of queries whose positive came from the same image, 0-1 (queue only)",
    "prototypes_used": "share of prototypes chosen at least once in the epoch, 0-1 (prototypes only)",
    "prototype_entropy": "entropy of the assignment histogram divided by log K, 0-1 (prototypes only)",
    "embedding_std": "mean std of L2-normalised embeddings times sqrt(D): 1 = spread, 0 = collapse",
    "effective_rank": "RankMe of the encoder's validation features",
}
# A confirm trial's line in trials.jsonl adds, inside `metrics`, the offline evaluation on the test split:
TEST_METRICS = {
    "test_acc1": "offline linear evaluation on test, acc@1, %",
    "test_acc5": "offline linear evaluation on test, acc@5, %",
    "test_knn_acc1": "weighted kNN on test, acc@1, %",
    "test_few_shot_acc1": "few-shot linear probe on test, acc@1, %",
}

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
