"""Diagnostics of support sets: companions that the method does not need and that `nbytes` does not count.

Shape legend: B batch, N queries, R neighbours, Q queue rows, K prototypes, C classes. Sums stay on the device.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

TINY = torch.finfo(torch.float32).tiny
"""Lower bound on a label histogram's sum before dividing by it; under ema such sums halve every half-life."""


class Diagnostics(nn.Module):
    """What both kinds of support set record: the sum of neighbour purity, and what it is a mean of."""

    pure: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()  # by what was known of queries; setting a module's attribute is slow

    def values(self) -> dict[str, Tensor]:
        """neighbour_purity, 0-1, sample-weighted; absent if no labels were passed."""
        labelled = self.counts["labelled"]
        return {"neighbour_purity": self.pure / labelled} if labelled else {}

    def reset(self) -> None:
        """Forget the epoch."""
        self.pure.zero_()
        self.counts.clear()

    def get_extra_state(self) -> dict[str, Any]:
        return dict(self.counts)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.counts = Counter(state)


class QueueDiagnostics(Diagnostics):
    """Label and image id behind each row, and the sums of neighbour purity and self-hits."""

    def __init__(self, size: int, keep_ids: bool, device: torch.device | str) -> None:
        super().__init__()
        self.register_buffer("labels_Q", torch.full((size,), -1, dtype=torch.int64, device=device))
        if keep_ids:
            self.register_buffer("ids_Q", torch.full((size,), -1, dtype=torch.int64, device=device))
        self.register_buffer("pure", torch.zeros((), dtype=torch.float64, device=device))
        self.register_buffer("self_hits", torch.zeros((), dtype=torch.float64, device=device))

    def observe(
        self,
        index_NR: Tensor,
        weights_NR: Tensor | None,
        row_ids_Q: Tensor,
        ids_N: Tensor | None,
        labels_N: Tensor | None,
    ) -> None:
        """Adds a look-up; a query's neighbours count by their weight (equal if None)."""
        if labels_N is not None:
            self.pure += _weighted_share(self.labels_Q[index_NR] == labels_N[:, None], weights_NR)
            self.counts["labelled"] += len(labels_N)
        if ids_N is not None:
            self.self_hits += _weighted_share(row_ids_Q[index_NR] == ids_N[:, None], weights_NR)
            self.counts["identified"] += len(ids_N)

    def values(self) -> dict[str, Tensor]:
        """neighbour_purity and self_hit_rate, 0-1, sample-weighted."""
        values = super().values()
        if self.counts["identified"]:
            values["self_hit_rate"] = self.self_hits / self.counts["identified"]
        return values

    def reset(self) -> None:
        super().reset()
        self.self_hits.zero_()


class PrototypeDiagnostics(Diagnostics):
    """Histogram of the labels each prototype stands for, the epoch's use of prototypes, and the purity sum.

    A prototype's neighbour purity for a query is the share of the samples it was made of that carry the query's
    label: what a random member would give.
    """

    def __init__(self, k: int, num_classes: int, keep_recent: bool, device: torch.device | str) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("labels_KC", torch.zeros(k, num_classes, device=device))
        if keep_recent:
            self.register_buffer("recent_labels_K", torch.full((k,), -1, dtype=torch.int64, device=device))
        self.register_buffer("chosen_K", torch.zeros(k, dtype=torch.float64, device=device))
        self.register_buffer("pure", torch.zeros((), dtype=torch.float64, device=device))

    def observe(
        self, nearest_N: Tensor, index_NR: Tensor | None, weights_NR: Tensor | None, labels_N: Tensor | None
    ) -> None:
        """Adds a look-up: the use of each query's nearest prototype, and the purity of what it drew (`index_NR`; the
        nearest alone if None)."""
        self.chosen_K.scatter_(0, nearest_N, 1.0, reduce="add")
        self.counts["queries"] += len(nearest_N)
        if labels_N is not None:
            index_NR = nearest_N[:, None] if index_NR is None else index_NR
            counts_NRC = self.labels_KC[index_NR]
            own_NR = counts_NRC.gather(2, labels_N[:, None, None].expand(-1, index_NR.shape[1], 1))[:, :, 0]
            self.pure += _weighted_share(own_NR / counts_NRC.sum(dim=2).clamp_min(TINY), weights_NR)
            self.counts["labelled"] += len(labels_N)

    def add(self, index_B: Tensor, labels_B: Tensor, decay: float) -> None:
        """Adds the labels of rows that an update gave to prototypes."""
        if decay != 1.0:
            self.labels_KC.mul_(decay)
        self.labels_KC.view(-1).scatter_(0, index_B * self.num_classes + labels_B, 1.0, reduce="add")

    def replace(self, slot_R: Tensor, labels_R: Tensor, moved_R: Tensor | None = None) -> None:
        """Starts prototypes anew as single samples of the given labels (where `moved`); label -1: unknown."""
        fresh_RC = (labels_R[:, None] == torch.arange(self.num_classes, device=labels_R.device)).float()
        if moved_R is not None:
            fresh_RC = torch.where(moved_R[:, None], fresh_RC, self.labels_KC.index_select(0, slot_R))
        self.labels_KC.index_copy_(0, slot_R, fresh_RC)

    def values(self) -> dict[str, Tensor]:
        """neighbour_purity; `prototypes_used`: share chosen at least once in the epoch; `prototype_entropy`: of the
        choices, divided by log K (1 = all equally often; a single prototype counts as 1). All 0-1."""
        values = super().values()
        if self.counts["queries"]:
            share_K = self.chosen_K / self.counts["queries"]
            values["prototypes_used"] = (share_K > 0).double().mean()
            entropy = torch.special.entr(share_K).sum()
            k = len(share_K)
            values["prototype_entropy"] = entropy / math.log(k) if k > 1 else torch.ones_like(entropy)
        return values

    def reset(self) -> None:
        super().reset()
        self.chosen_K.zero_()


def _weighted_share(value_NR: Tensor, weights_NR: Tensor | None) -> Tensor:
    """Sum over queries of the weighted mean over their neighbours (weights sum to 1, or to 0 for no neighbour)."""
    if weights_NR is None:
        return value_NR.double().mean(dim=1).sum()
    return (value_NR * weights_NR).sum(dtype=torch.float64)
