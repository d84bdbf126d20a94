"""A few prototypes kept up by online k-means (KMCLR).

Shape legend: B batch, N queries, R neighbours, K prototypes, D embedding dimension.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from trainables.maths import kmeans
from trainables.support.base import Drawn, Keys, SupportSet, SupportSpec
from trainables.support.diagnostics import PrototypeDiagnostics
from trainables.support.queue import DTYPES, ring_slices, ring_write

USAGE_HORIZON = 10
"""Revival looks at about this many samples per prototype (as scikit-learn, which checks every 10 K samples)."""


class Prototypes(SupportSet):
    """K centroids of online k-means; a positive is drawn from the nearest centroids.

    metric cosine: rows are normalised and centres are kept on the sphere (normalised after each update). metric
    euclidean: raw projections, as the original study; only the positives are normalised.

    Start: the first embeddings are kept as they come until the batch that brings them to K or more; the last
    missing ones are drawn from that batch by k-means++ (so with K below the batch size all are). Until then
    the set is not `ready`; K may thus exceed the batch, or the data set (it then takes several epochs).
    float16 centres are rounded stochastically at each update, or small steps would never add up.
    """

    def __init__(self, spec: SupportSpec) -> None:
        super().__init__(spec)
        support, dim, device = spec.support, spec.dim, spec.device
        self.k, self.metric, self.balance = support.k, support.metric, support.balance
        self.decay = kmeans.ema_decay(support.half_life) if support.update == "ema" else 1.0
        self.forget_every = support.forget_every if support.update == "count" else 0
        self.revive_below = support.revive_after
        self.collected = self.at = 0
        dtype = DTYPES[support.prototype_dtype]
        self.register_buffer("centres_KD", torch.zeros(self.k, dim, dtype=dtype, device=device))
        self.register_buffer("counts_K", torch.zeros(self.k, device=device))
        if self.forget_every:
            self.register_buffer("recent_KD", torch.zeros(self.k, dim, dtype=dtype, device=device))
        if self.revive_below:
            self.register_buffer("usage_K", torch.ones(self.k, device=device))
        self.diagnostics_ = PrototypeDiagnostics(self.k, spec.num_classes, bool(self.forget_every), device)

    @property
    def ready(self) -> bool:
        return self.collected >= self.k

    @property
    def vectors(self) -> int:
        return self.k

    def _take_in(self, keys: Keys) -> None:
        """One mini-batch k-means step. The assignment saves a search, as the centres have not moved since the look-up;
        balance=sinkhorn makes its own."""
        x_BD, _, labels_B, assignment_B = keys
        if self.metric == "cosine":
            x_BD = kmeans.normalise(x_BD)
        if self.forget_every:
            self._remember(x_BD, labels_B)
        if self.ready:
            self._step(x_BD, labels_B, assignment_B)
        else:
            self._collect(x_BD, labels_B)

    def _remember(self, x_BD: Tensor, labels_B: Tensor | None) -> None:
        self.at, parts = ring_slices(self.at, self.k, len(x_BD))
        ring_write(self.recent_KD, x_BD, parts)
        if labels_B is not None:
            ring_write(self.diagnostics_.recent_labels_K, labels_B, parts)

    def _collect(self, x_BD: Tensor, labels_B: Tensor | None) -> None:
        """Takes first embeddings: all of a batch while there is room, else the missing ones by k-means++."""
        start, stop = self.collected, min(self.k, self.collected + len(x_BD))
        if stop - start < len(x_BD):
            stored_MD = self.centres_KD[:start].float()
            drawn = kmeans.kmeans_plus_plus(x_BD, stop - start, self.generator, stored_MD)
            x_BD = x_BD.index_select(0, drawn)
            labels_B = None if labels_B is None else labels_B.index_select(0, drawn)
        self.centres_KD[start:stop] = x_BD
        self.counts_K[start:stop] = 1
        if labels_B is not None:
            self.diagnostics_.replace(torch.arange(start, stop, device=x_BD.device), labels_B)
        self.collected = stop

    def _step(self, x_BD: Tensor, labels_B: Tensor | None, assignment_B: Tensor | None) -> None:
        stored_KD = self.centres_KD
        centres_KD = stored_KD.float()  # itself if it is in float32, a working copy in float16
        if self.balance == "sinkhorn":
            assignment_B = kmeans.balanced_assign(x_BD, centres_KD, self.metric)
        elif assignment_B is None:
            assignment_B = kmeans.assign(x_BD, centres_KD, self.metric)
        kmeans.minibatch_update(centres_KD, self.counts_K, x_BD, assignment_B, decay=self.decay)
        if self.metric == "cosine":
            kmeans.normalise_(centres_KD)
        if labels_B is not None:
            self.diagnostics_.add(assignment_B, labels_B, self.decay)
        if self.revive_below:
            self._revive(centres_KD, x_BD, labels_B, assignment_B)
        if centres_KD is not stored_KD:
            stored_KD.copy_(kmeans.round_to_half(centres_KD, self.generator))

    def _revive(self, centres_KD: Tensor, x_BD: Tensor, labels_B: Tensor | None, assignment_B: Tensor) -> None:
        """Tracks each prototype's share of assignments (mean 1) over a sliding window and moves the unused."""
        batch = len(x_BD)
        keep = math.exp(-batch / (USAGE_HORIZON * self.k))
        self.usage_K.mul_(keep)
        self.usage_K.scatter_(0, assignment_B, (1 - keep) * self.k / batch, reduce="add")
        slot_R, row_R, dead_R = kmeans.revive(
            centres_KD,
            self.counts_K,
            self.usage_K,
            x_BD,
            threshold=self.revive_below,
            limit=max(1, self.k // 10),
            generator=self.generator,
        )
        if labels_B is not None:
            self.diagnostics_.replace(slot_R, labels_B.index_select(0, row_R), dead_R)

    @torch.no_grad()
    def end_epoch(self, epoch: int) -> None:
        """Every `forget_every` epochs the prototypes become the newest K embeddings, each of count 1."""
        if self.forget_every and epoch % self.forget_every == 0 and self.ready:
            self.centres_KD.copy_(self.recent_KD)
            self.counts_K.fill_(1)
            if self.revive_below:
                self.usage_K.fill_(1)
            every_K = torch.arange(self.k, device=self.counts_K.device)
            self.diagnostics_.replace(every_K, self.diagnostics_.recent_labels_K)
        self.diagnostics_.reset()

    def _find(self, queries_ND: Tensor, count: int, ids_N: Tensor | None) -> tuple[Tensor, Tensor | None]:
        scores_NK = kmeans.scores(queries_ND, self.centres_KD.float(), self.metric)
        return scores_NK.topk(count, dim=1).indices, None

    def _unit_rows(self, index: Tensor) -> Tensor:
        return self._units(self.centres_KD.index_select(0, index.flatten())).view(*index.shape, self.dim)

    def _nearest(self, queries_ND: Tensor) -> tuple[Tensor, Tensor]:
        centres_KD = self.centres_KD
        nearest_N = kmeans.assign(queries_ND, centres_KD.float(), self.metric)
        return nearest_N, self._units(centres_KD.index_select(0, nearest_N))

    def _units(self, rows_ND: Tensor) -> Tensor:
        """Copies of centres as float32 unit vectors; the copies themselves may be changed for it."""
        exact = self.metric == "cosine" and rows_ND.dtype == torch.float32
        return rows_ND if exact else kmeans.normalise_(rows_ND.float())

    def _observe(self, drawn: Drawn, ids_N: Tensor | None, labels_N: Tensor | None) -> None:
        self.diagnostics_.observe(*drawn, labels_N)

    def diagnostics(self) -> dict[str, Tensor]:
        """neighbour_purity, prototypes_used, prototype_entropy, 0-1, over the epoch so far."""
        return self.diagnostics_.values()

    def vectors_for_plot(self) -> Tensor:
        """All prototypes that there are."""
        return self._unit_rows(torch.arange(self.collected, device=self.counts_K.device))

    def _counters(self) -> dict[str, Any]:
        return {"collected": self.collected, "at": self.at}
