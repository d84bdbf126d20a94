"""Named sets of differences from the defaults of `trainables.settings.config`, in one place.

A preset is a flat mapping from a dotted setting to its value; a file's own settings come on top of it.
"""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # What public recipes show to work on CIFAR-sized data: the defaults themselves.
    "strong": {},
    # The recipe of the original KMCLR study, its no-op blur included, for replication.
    "seed": {
        "encoder.stem_padding": 2,
        "train.epochs": 500,
        "train.batch_size": 64,
        "train.drop_last": False,
        "optimizer.name": "lars",
        "optimizer.learning_rate": 0.2,
        "optimizer.weight_decay": 1e-6,
        "optimizer.lars_eta": 0.001,
        "optimizer.lars_clip": False,
        "optimizer.warmup_epochs": 10,
        "loss.temperature": 0.1,
        "support.queue_size": 98304,
        "support.k": 400,
        "support.update": "count",
        "support.forget_every": 3,
        "support.metric": "euclidean",
        "augment.view1.blur": 1.0,
        "augment.view1.blur_sigma_min": 0.1,
        "augment.view1.blur_sigma_max": 0.2,
        "augment.view1.solarise": 0.0,
        "augment.view2.blur": 0.1,
        "augment.view2.blur_sigma_min": 0.1,
        "augment.view2.blur_sigma_max": 0.2,
        "augment.view2.solarise": 0.2,
        "probe.learning_rate": 0.01,
    },
}
