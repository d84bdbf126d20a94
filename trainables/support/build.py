"""Support sets: what a positive is drawn from. The entry is `build`.

None, a FIFO queue of embeddings or prototypes by online k-means, behind one interface: `look_up` both views, then
`update` once with the first view, `end_epoch` after each epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainables.support.base import LookUp, SupportSet, SupportSpec
from trainables.support.prototypes import Prototypes
from trainables.support.queue import Queue

if TYPE_CHECKING:
    from trainables.settings.config import PositivesConfig, SupportConfig

__all__ = ["LookUp", "Prototypes", "Queue", "SupportSet", "build"]

CLASSES: dict[str, type[SupportSet]] = {"none": SupportSet, "queue": Queue, "prototypes": Prototypes}
"""The kinds of `trainables.vocabulary.methods_and_support_sets.SUPPORT_KINDS`."""


def build(
    kind: str,
    support: SupportConfig,
    positives: PositivesConfig,
    *,
    dim: int,
    num_classes: int,
    device: torch.device | str,
    seed: int,
) -> SupportSet:
    """The support set of a kind (a key of `CLASSES`), empty, on `device`.

    `dim`: embedding dimension; `num_classes`: for the purity diagnostics; `seed`: of the set's own generator. Every
    size works with every batch.
    """
    return CLASSES[kind](SupportSpec(support, positives, dim, num_classes, device, seed))
