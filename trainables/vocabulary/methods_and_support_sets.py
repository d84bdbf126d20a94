"""What tells the kinds of support set, and the methods, from one another. Standard library only.

The code behind a kind is a class in `trainables/support/`, that behind a loss a function in
`trainables/model/methods.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

ITEM_BYTES = {"float32": 4, "float16": 2, "int8": 1}
COUNT_BYTES = SCALE_BYTES = 4
"""float32: of a prototype's assignments, of a row of int8 codes."""
ID_BYTES = 8


def _queue_row_bytes(support: Any, dim: int) -> int:
    """The embedding, the scale of its codes, and the image's id where it is masked."""
    scale = SCALE_BYTES * (support.queue_dtype == "int8")
    return dim * ITEM_BYTES[support.queue_dtype] + scale + ID_BYTES * support.mask_same_image


def _prototype_bytes(support: Any, dim: int) -> int:
    """The centre, the newest embedding that forgetting re-seeds from, and the counts of averaging and revival."""
    vectors = 1 + (support.update == "count" and support.forget_every > 0)
    return vectors * dim * ITEM_BYTES[support.prototype_dtype] + COUNT_BYTES * (1 + (support.revive_after > 0))


class SupportKind(NamedTuple):
    """A kind of support set: the settings of the section `support` that act on it alone."""

    size: str | None = None
    """The setting that says how many vectors it holds; None: it holds none."""
    settings: dict[str, str] = {}
    """All of them, the size among them: the name that a search space uses -> the setting."""
    needs: dict[str, dict[str, tuple[str, ...]]] = {}
    """Settings that act only where another has one of these values."""
    vector_bytes: Callable[[Any, int], int] = lambda support, dim: 0
    """(section `support`, embedding dimension) -> bytes of each vector and of what the method needs beside it."""


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
        _prototype_bytes,
    ),
    "queue": SupportKind(
        "queue_size",
        {"queue_size": "queue_size", "queue_dtype": "queue_dtype", "mask_same_image": "mask_same_image"},
        vector_bytes=_queue_row_bytes,
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


def support_bytes(method: str, support: Any, dim: int) -> int:
    """Bytes that a method's support set takes, from the settings alone (`support`: their section; `dim`: embedding
    dimension): what `trainables.support.base.SupportSet.nbytes` counts."""
    kind = SUPPORT_KINDS[METHODS[method].support]
    return 0 if kind.size is None else getattr(support, kind.size) * kind.vector_bytes(support, dim)
