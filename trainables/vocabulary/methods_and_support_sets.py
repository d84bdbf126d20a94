"""What tells the kinds of support set, and the methods, from one another. Standard library only.

The code behind a kind is a class in `trainables/support/`, that behind a loss a function in
`trainables/model/methods.py`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class SupportKind(NamedTuple):
    """A kind of support set: the settings of the section `support` that act on it alone."""

    size: str | None = None
    """The setting that says how many vectors it holds; None: it holds none."""
    settings: dict[str, str] = {}
    """All of them, the size among them: the name that a search space uses -> the setting."""
    needs: dict[str, dict[str, tuple[str, ...]]] = {}
    """Settings that act only where another has one of these values."""


SUPPORT_KINDS: dict[str, SupportKind] = {
    "none": SupportKind(),
    "prototypes": SupportKind(
        "k",
        {
            "k": "k",
            "prototype_update": "update",
            "forget_every": "forget_every",
            "half_life": "half_life",
            "prototype_metric": "metric",
            "prototype_dtype": "prototype_dtype",
            "revive_after": "revive_after",
            "balance": "balance",
        },
        {"forget_every": {"update": ("count",)}, "half_life": {"update": ("ema",)}},
    ),
    "queue": SupportKind(
        "queue_size",
        {"queue_size": "queue_size", "queue_dtype": "queue_dtype", "mask_same_image": "mask_same_image"},
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
