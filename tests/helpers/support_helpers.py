"""Shared by the tests of support sets: small builders and a stream of embeddings."""

import torch
import torch.nn.functional as F

from trainables.settings.config import PositivesConfig, SupportConfig
from trainables.support.build import SupportSet, build
from trainables.vocabulary.methods_and_support_sets import METHODS

DIM, CLASSES, BATCH = 8, 5, 16


def make(method: str, support: dict | None = None, positives: dict | None = None, seed: int = 0) -> SupportSet:
    """The support set of a method on the CPU; small defaults."""
    settings = {"queue_size": 50, "k": 12, **(support or {})}
    return build(
        METHODS[method].support,
        SupportConfig(**settings),
        PositivesConfig(**(positives or {})),
        dim=DIM,
        num_classes=CLASSES,
        device="cpu",
        seed=seed,
    )


def stream(batches: int, batch: int = BATCH, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """(keys [B, D], ids [B], labels [B]) per batch; classes differ in their mean; ids run on."""
    generator = torch.Generator().manual_seed(seed)
    middles = 3 * torch.randn(CLASSES, DIM, generator=generator)
    out = []
    for i in range(batches):
        labels = torch.randint(CLASSES, (batch,), generator=generator)
        keys = middles[labels] + torch.randn(batch, DIM, generator=generator)
        out.append((keys, torch.arange(i * batch, (i + 1) * batch), labels))
    return out


def step(support: SupportSet, keys: torch.Tensor, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """One training step's use of a support set with two views (the second: rows turned round); returns positives."""
    found = support.look_up(torch.cat([keys, keys.flip(1)]), ids_N=ids.repeat(2), labels_N=labels.repeat(2))
    assignment = found.index_B[: len(keys)] if found.valid else None
    support.update(keys, ids_B=ids, labels_B=labels, assignment_B=assignment)
    return found.positives_BD


def unit(x: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, dim=-1)
