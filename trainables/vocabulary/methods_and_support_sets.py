"""What tells the kinds of support set, and the methods, from one another. Standard library only.

The code behind a kind is a class in `trainables/support/`, that behind a loss a function in
`trainables/model/methods.py`; they join SUPPORT_SETS and LOSSES there. A part of one's own is loaded into
these two, and what follows from it into the tables SUPPORT_KINDS and METHODS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from trainables.vocabulary.errors import UserError
from trainables.vocabulary.registry import Registry, shown_name

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
    """The setting that says how many vectors it holds, by its name in a search space; None: there is none."""
    settings: dict[str, str] = {}
    """All of them, the size among them: the name that a search space uses -> the setting."""
    needs: dict[str, dict[str, tuple[str, ...]]] = {}
    """Settings that act only where another has one of these values."""
    vector_bytes: Callable[[Any, int], int] = lambda support, dim: 0
    """(section `support`, embedding dimension) -> bytes of each vector and of what the method needs beside it."""
    own_bytes: Callable[[Any, int], int] | None = None
    """(section `support`, embedding dimension) -> bytes of all of it; None: size times `vector_bytes`."""

    def count(self, support: Any) -> int | None:
        """Vectors that it holds by the section `support`; None if no setting says it."""
        if self.size is None:
            return None
        *inside, name = self.settings[self.size].split(".")
        return support.options[name] if inside else getattr(support, name)


SUPPORT_KINDS = Registry("kind of support set")
SUPPORT_KINDS.add("none", SupportKind())
SUPPORT_KINDS.add(
    "prototypes",
    SupportKind(
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
)
SUPPORT_KINDS.add(
    "queue",
    SupportKind(
        "queue_size",
        {"queue_size": "queue_size", "queue_dtype": "queue_dtype", "mask_same_image": "mask_same_image"},
        vector_bytes=_queue_row_bytes,
    ),
)


class Method(NamedTuple):
    """What tells one method from another; everything that depends on the method asks for one of these."""

    support: str
    """The kind of support set that a view's positive is drawn from; `none`: the positive is the other view."""
    predictor: bool
    """Whether a predictor follows the projector."""
    loss: str
    """nt_xent: contrast of both views' projections; cosine: predictions against the moving average's projections;
    neighbours: cross-entropy of predictions over the batch's positives; self_assignment: over soft targets made of the
    batch's own similarities; else the name of a method of one's own."""
    momentum: Literal["always", "optional", "never"]
    """Whether a moving average of the encoder makes the keys; optional: if positives.momentum_encoder says so."""
    colour: str | None = None
    """#rrggbb in every figure, of a method of one's own; None: the next one free."""


METHODS = Registry("method")
METHODS.add("kmclr", Method("prototypes", True, "neighbours", "optional"))
METHODS.add("nnclr", Method("queue", True, "neighbours", "optional"))
METHODS.add("none", Method("none", True, "neighbours", "never"))
METHODS.add("simclr", Method("none", False, "nt_xent", "never"))
METHODS.add("byol", Method("none", True, "cosine", "always"))
METHODS.add("resa", Method("none", True, "self_assignment", "always"))
HOUSE_METHODS = tuple(METHODS)
"""Those that are not a user's own."""


def support_bytes(method: str, support: Any, dim: int) -> int:
    """Bytes that a method's support set takes, from the settings alone (`support`: their section; `dim`: embedding
    dimension): what `trainables.support.base.SupportSet.nbytes` counts."""
    kind = SUPPORT_KINDS[METHODS[method].support]
    if kind.own_bytes is not None:
        return kind.own_bytes(support, dim)
    return 0 if kind.size is None else kind.count(support) * kind.vector_bytes(support, dim)


SHORT_NAMES = {
    "positives": "positives.kind",
    "top_k": "positives.top_k",
    "soft_temperature": "positives.soft_temperature",
    "mix": "positives.mix",
    "momentum_encoder": "positives.momentum_encoder",
    "momentum": "positives.momentum",
    "temperature": "loss.temperature",
    "crop_min": "augment.crop_min",
    "colour": "augment.colour",
    "learning_rate": "optimizer.learning_rate",
    "weight_decay": "optimizer.weight_decay",
    "batch_size": "train.batch_size",
    "embedding_dim": "heads.embedding_dim",
}
"""Names that a search space uses -> settings of a run, beside those of support sets."""


def searchable() -> dict[str, str]:
    """All names that a search space uses -> settings of a run; options of parts of one's own are not among them."""
    of_support_sets = {
        name: f"support.{setting}" for kind in SUPPORT_KINDS.values() for name, setting in kind.settings.items()
    }
    return {"method": "method", **of_support_sets, **SHORT_NAMES}


# --- of one's own ---
OPTIONS = "support.options."
"""Begins the names that a search space uses for the options of a support set of one's own."""
MOMENTA = ("always", "optional", "never")


def _enrol_support_set(name: str, part: Any) -> None:
    """A kind of support set, and a method of the name it shows: the loss of nnclr over what it remembers."""
    fields = getattr(getattr(part, "Options", None), "model_fields", {})
    settings = {f"{OPTIONS}{field}": f"options.{field}" for field in fields}
    size = getattr(part, "size_option", None)
    if size is not None and size not in fields:
        raise UserError(f"{name}.size_option is {size!r}, none of its options: {', '.join(fields)}")
    kind = SupportKind(size and f"{OPTIONS}{size}", settings, own_bytes=part.bytes_of)
    method = Method(name, True, "neighbours", "optional", getattr(part, "colour", None))
    METHODS.add(shown_name(part), method)
    SUPPORT_KINDS.add(name, kind)


def _enrol_method(name: str, part: Any) -> None:
    if part.support not in SUPPORT_KINDS:
        raise UserError(f"{name}.support is {part.support!r}; use one of {', '.join(SUPPORT_KINDS)}")
    if part.momentum not in MOMENTA:
        raise UserError(f"{name}.momentum is {part.momentum!r}; use one of {', '.join(MOMENTA)}")
    facts = Method(part.support, bool(part.predictor), name, part.momentum, getattr(part, "colour", None))
    METHODS.add(shown_name(part), facts)


SUPPORT_SETS = Registry(
    "support set",
    "kmclr_study.support_sets",
    ("bytes_of", "vectors", "ready", "_take_in", "_find", "_unit_rows"),
    _enrol_support_set,
)
"""Kind -> class."""
LOSSES = Registry("method", "kmclr_study.methods", ("support", "predictor", "momentum", "loss"), _enrol_method)
"""Name of a loss -> its function; name of a method of one's own -> its class."""
