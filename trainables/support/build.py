"""Support sets: what a positive is drawn from. The entry is `build`.

None, a FIFO queue of embeddings or prototypes by online k-means, behind one interface: `look_up` both views, then
`update` once with the first view, `end_epoch` after each epoch.
"""

from __future__ import annotations

import torch

from trainables.settings.config import PositivesConfig, SupportConfig
from trainables.support.base import LookUp, SupportSet, SupportSpec, options_of
from trainables.support.prototypes import Prototypes
from trainables.support.queue import Queue
from trainables.vocabulary.methods_and_support_sets import SUPPORT_SETS

__all__ = ["LookUp", "Prototypes", "Queue", "SupportSet", "build"]

SUPPORT_SETS.add("none", SupportSet)
SUPPORT_SETS.add("queue", Queue)
SUPPORT_SETS.add("prototypes", Prototypes)


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
    """The support set of a kind (a key of `SUPPORT_KINDS`), empty, on `device`.

    `dim`: embedding dimension; `num_classes`: for the purity diagnostics; `seed`: of the set's own generator. Every
    size works with every batch.
    """
    part = SUPPORT_SETS[kind]
    return part(SupportSpec(support, positives, dim, num_classes, device, seed, options_of(part, support)))
