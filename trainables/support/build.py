"""Support sets: what a positive is drawn from. The entry is `build`.

`none` (simclr, byol, none), a FIFO `queue` of embeddings (nnclr) or `prototypes` by online k-means (kmclr), behind one
interface: `look_up` both views, then `update` once with the first view, `end_epoch` after each epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainables.support.base import LookUp, SupportSet
from trainables.support.prototypes import Prototypes
from trainables.support.queue import Queue

if TYPE_CHECKING:
    from trainables.settings.config import PositivesConfig, SupportConfig

__all__ = ["LookUp", "Prototypes", "Queue", "SupportSet", "build"]


def build(
    method: str,
    support: SupportConfig,
    positives: PositivesConfig,
    *,
    dim: int,
    num_classes: int,
    device: torch.device | str,
    seed: int,
) -> SupportSet:
    """The support set of a method, empty, on `device`.

    `dim`: embedding dimension; `num_classes`: for the purity diagnostics; `seed`: of the set's own generator. Every
    size works with every batch.
    """
    if method == "nnclr":
        return Queue(support, positives, dim=dim, device=device, seed=seed)
    if method == "kmclr":
        return Prototypes(support, positives, dim=dim, num_classes=num_classes, device=device, seed=seed)
    if method in ("simclr", "byol", "none"):
        return SupportSet(positives, dim, device, seed)
    raise ValueError(f"method must be one of kmclr, nnclr, none, simclr, byol, got {method!r}")
