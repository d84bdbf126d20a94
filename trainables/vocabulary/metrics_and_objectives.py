"""What a trial reports, and which of it a study may optimise. Standard library only.

Accuracies are percentages (0-100), shares and rates are fractions (0-1), sizes are bytes, times are seconds.
An objective must be reported after every epoch: a report without it ends its trial as diverged.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from trainables.vocabulary.errors import UserError
from trainables.vocabulary.registry import Live, Registry, shown_name

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


ACCURACY, SUPPORT_BYTES, METHOD_BYTES = "accuracy", "support_bytes", "method_bytes"
_OF_THE_HOUSE: dict[str, Metric] = {
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
    METHOD_BYTES: Metric(
        "bytes of the support set and of the moving average's networks, if the method keeps one",
        "Method's memory",
        "B",
        "min",
        log=True,
        worst=2.0**40,
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
REPORT_METRICS = Registry("metric")
"""What a trial reports after each epoch (one line of reports.jsonl), and `epoch` itself; a measure of one's own joins
them when it is loaded, or when a results folder says that its study has it."""
for _name, _metric in _OF_THE_HOUSE.items():
    REPORT_METRICS.add(_name, _metric)

TEST_METRICS: dict[str, Metric] = {
    "test_acc1": Metric("offline linear evaluation on test, acc@1, %", "Test acc@1, offline linear", "%"),
    "test_acc5": Metric("offline linear evaluation on test, acc@5, %", "Test acc@5, offline linear", "%"),
    "test_knn_acc1": Metric("weighted kNN on test, acc@1, %", "Test acc@1, kNN", "%"),
    "test_few_shot_acc1": Metric("few-shot linear probe on test, acc@1, %", "Test acc@1, few-shot probe", "%"),
}
"""What the offline evaluation at the end of a confirm trial adds to its last report."""

METRICS = Live(lambda: {**REPORT_METRICS, **TEST_METRICS})
OBJECTIVES = Live(lambda: {name: metric for name, metric in REPORT_METRICS.items() if metric.sense is not None})
"""What a study may name under `objectives:`; accuracy comes first there."""
SCORES = {"probe_acc1": "test_acc1", "knn_acc1": "test_knn_acc1", "few_shot_acc1": "test_few_shot_acc1"}
"""Metrics that `probe.score` may name, and what measures the same on the test split."""

# --- of one's own ---
TAKEN = (
    "schema", "stage", "trial_id", "number", "seed", "epoch", "epochs", "max_epochs", "time", "held_s", "wall_s",
    "gpu_hours", "study", "status", "method", "label", "params", "metrics", "point", "baseline", "started",
    "ended", "error", "checkpoint", "done", "projection", "config", "date", "pid", "hostname", "node_ip",
    "timestamp", "training_iteration", "time_total_s", "time_this_iter_s", "time_since_restore",
    "iterations_since_restore", "should_checkpoint", "line", "check",
)  # fmt: skip
"""Names of other things in a report, a trial's end, or a table."""


def _enrol_measure(name: str, part: Any) -> None:
    """A metric of the name it shows, which a study may optimise if it has a sense."""
    shown = shown_name(part)
    if shown in TAKEN or shown in TEST_METRICS:
        raise UserError(f"{name} is called {shown}, which a report has already: give it another `name`")
    for field in ("title", "unit"):
        if not isinstance(getattr(part, field), str):
            raise UserError(f"{name}.{field} is {getattr(part, field)!r}; write text")
    if part.sense not in ("max", "min", None):
        raise UserError(f"{name}.sense is {part.sense!r}; use 'max', 'min', or None if neither is better")
    worst = getattr(part, "worst", None)
    if isinstance(worst, bool) or not isinstance(worst, int | float | None):
        raise UserError(f"{name}.worst is {worst!r}; write a number, or None")
    log = bool(getattr(part, "log", False))
    REPORT_METRICS.add(shown, Metric(part.title, part.title, part.unit, part.sense, log, worst=worst))


MEASURES = Registry("measure", "kmclr_study.measures", ("title", "unit", "sense", "measure"), _enrol_measure)
"""Name -> class of measures of one's own, made of its options (`trainables.evaluation.own_measure`)."""
