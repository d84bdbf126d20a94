"""What a trial reports, and which of it a study may optimise. Standard library only.

Accuracies are percentages (0-100), shares and rates are fractions (0-1), sizes are bytes, times are seconds.
An objective must be reported after every epoch: a report without it ends its trial as diverged.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

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
