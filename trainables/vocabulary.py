"""The words of the house, each said once: methods, stages, statuses, metrics, objectives, and the user's errors.

Standard library only. Everything else reads this file; `study.schema` hands it on to `analysis`.
Accuracies are percentages (0-100), shares and rates are fractions (0-1), sizes are bytes, times are seconds.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

SCHEMA_VERSION = 1
"""Of every JSON object and YAML file that a run or a study writes."""


class UserError(ValueError):
    """Something that the user can put right: the message says what was found, what is allowed and the way out.

    The entry points print it as one line; any other exception is a fault of this program and keeps its traceback.
    """


# --- support sets and methods ---


class SupportKind(NamedTuple):
    """A kind of support set, by the settings of the section `support` that act on it alone."""

    size: str | None
    """The setting that says how many vectors it holds; None: it holds none."""
    settings: tuple[str, ...] = ()
    """The other ones."""


SUPPORT_KINDS: dict[str, SupportKind] = {
    "none": SupportKind(None),
    "queue": SupportKind("queue_size", ("queue_dtype", "mask_same_image")),
    "prototypes": SupportKind(
        "k", ("prototype_dtype", "update", "metric", "revive_after", "balance", "forget_every", "half_life")
    ),
}


class Method(NamedTuple):
    """What tells one method from another; everything that depends on the method asks for one of these."""

    support: str
    """The kind of support set that a view's positive is drawn from; `none`: the positive is the other view."""
    predictor: bool
    """Whether a predictor follows the projector."""
    loss: Literal["nt_xent", "cosine", "neighbours"]
    """nt_xent: contrast of both views' projections; cosine: predictions against the moving average's projections;
    neighbours: cross-entropy of predictions over the batch's positives."""
    momentum: Literal["always", "optional", "never"]
    """Whether a moving average of the encoder makes the keys; optional: if positives.momentum_encoder says so."""


METHODS: dict[str, Method] = {
    "kmclr": Method("prototypes", True, "neighbours", "optional"),
    "nnclr": Method("queue", True, "neighbours", "optional"),
    "none": Method("none", True, "neighbours", "never"),
    "simclr": Method("none", False, "nt_xent", "never"),
    "byol": Method("none", True, "cosine", "always"),
}

# --- stages and statuses ---

SEARCH, CONFIRM = STAGES = ("search", "confirm")

COMPLETED = "completed"  # ran its full budget
STOPPED = "stopped"  # the scheduler stopped it at a rung
FAILED = "failed"  # an error of its own
DIVERGED = "diverged"  # NaN or infinite loss
OUT_OF_MEMORY = "out_of_memory"
TIMED_OUT = "timed_out"
INTERRUPTED = "interrupted"  # the study was stopped while it ran, or its disk was full; a resume continues it
STATUSES = (COMPLETED, STOPPED, FAILED, DIVERGED, OUT_OF_MEMORY, TIMED_OUT, INTERRUPTED)

# --- metrics and objectives ---

Sense = Literal["max", "min"]


class Metric(NamedTuple):
    """One number of an epoch's report. Those with a `sense` may be objectives of a study."""

    meaning: str
    """One phrase, with the unit."""
    title: str = ""
    """What stands at an axis or above a column, without the unit."""
    unit: str = ""
    """%, B (worded as kB, MB, ...), s, images/s; empty: a plain number."""
    sense: Sense | None = None
    """Which way is better; None: no objective."""
    log: bool = False
    """Whether differences count in decades: it is drawn, and measured in hypervolumes, as log10(1 + value)."""
    known: bool = False
    """Whether the value follows from the settings, before any training."""
    worst: float | None = None
    """Bounds hypervolumes; None: 1.1 times the worst value at hand."""

    def scaled(self, value: float) -> float:
        """The value as differences count: log10(1 + value) if `log`, else itself; NaN stays NaN."""
        return math.log10(1.0 + value) if self.log else float(value)


ACCURACY, SUPPORT_BYTES = "accuracy", "support_bytes"
REPORT_METRICS: dict[str, Metric] = {
    ACCURACY: Metric(
        "validation accuracy that the study optimises, % (a copy of the metric named by probe.score)",
        "Accuracy",
        "%",
        "max",
        worst=0.0,
    ),
    "loss": Metric("training loss, mean over samples", "Training loss"),
    "probe_acc1": Metric("online linear probe, validation acc@1, %", "Validation acc@1, online linear probe", "%"),
    "probe_acc5": Metric("online linear probe, validation acc@5, %", "Validation acc@5, online linear probe", "%"),
    "knn_acc1": Metric("weighted kNN on validation, acc@1, %", "Validation acc@1, kNN", "%"),
    "few_shot_acc1": Metric(
        "linear probe on a few labels per class, validation acc@1, %", "Validation acc@1, few-shot probe", "%"
    ),
    SUPPORT_BYTES: Metric(
        "bytes of every persistent buffer the support set owns",
        "Support set",
        "B",
        "min",
        log=True,
        known=True,
        worst=2.0**30,
    ),
    "support_vectors": Metric("vectors the support set can hold", "Vectors"),
    "peak_memory_bytes": Metric(
        "peak device memory of the trial (host RSS on a CPU)", "Peak memory", "B", "min", log=True, worst=2.0**40
    ),
    "images_per_s": Metric(
        "training throughput, images (not views) per second, evaluation excluded", "Throughput", "images/s"
    ),
    "epoch_s": Metric("seconds of the epoch, training and evaluation", "Time per epoch", "s", "min"),
    "train_s": Metric("seconds of the epoch's training part", "Training time per epoch", "s"),
    "learning_rate": Metric("learning rate at the epoch's last step", "Learning rate"),
    "neighbour_purity": Metric(
        "share of positives that carry the query's label, 0-1 (absent without a support set)", "Neighbour purity"
    ),
    "self_hit_rate": Metric(
        "share of queries whose positive came from the same image, 0-1 (queue only)", "Self-hit rate"
    ),
    "prototypes_used": Metric(
        "share of prototypes chosen at least once in the epoch, 0-1 (prototypes only)", "Prototypes used"
    ),
    "prototype_entropy": Metric(
        "entropy of the assignment histogram divided by log K, 0-1 (prototypes only)", "Assignment entropy"
    ),
    "embedding_std": Metric(
        "mean std of L2-normalised embeddings times sqrt(D): 1 = spread, 0 = collapse", "Embedding std"
    ),
    "effective_rank": Metric("RankMe of the encoder's validation features", "Effective rank"),
}
"""What a trial reports after each epoch (one line of reports.jsonl), and `epoch` itself."""

TEST_METRICS: dict[str, Metric] = {
    "test_acc1": Metric("offline linear evaluation on test, acc@1, %", "Test acc@1, offline linear", "%"),
    "test_acc5": Metric("offline linear evaluation on test, acc@5, %", "Test acc@5, offline linear", "%"),
    "test_knn_acc1": Metric("weighted kNN on test, acc@1, %", "Test acc@1, kNN", "%"),
    "test_few_shot_acc1": Metric("few-shot linear probe on test, acc@1, %", "Test acc@1, few-shot probe", "%"),
}
"""What the offline evaluation at the end of a confirm trial adds to its last report."""

METRICS = REPORT_METRICS | TEST_METRICS
OBJECTIVES = {name: metric for name, metric in REPORT_METRICS.items() if metric.sense is not None}
"""What a study may name under `objectives:`; accuracy comes first there."""
SCORES = {"probe_acc1": "test_acc1", "knn_acc1": "test_knn_acc1", "few_shot_acc1": "test_few_shot_acc1"}
"""Metrics that `probe.score` may name, and what measures the same on the test split."""
