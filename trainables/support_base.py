"""What all support sets share: the interface, drawing positives, exact byte count and checkpoint.

Shape legend: B batch, N queries (both views: 2B), R neighbours of a query, D embedding dimension.
The rule: look up first, then `update` once a step with the first view only.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from trainables.kmeans import normalise
from trainables.support_positives import mix, weigh

if TYPE_CHECKING:
    from trainables.config import PositivesConfig


class LookUp(NamedTuple):
    """What a look-up found."""

    positives_BD: Tensor
    """Unit rows, float32, detached; the queries themselves while not valid."""
    index_B: Tensor
    """Row of the support set nearest to each query (int64); zeros while not valid."""
    valid: bool
    """False until the support set is ready: then take the other view as the positive."""


def full_precision(device_type: str) -> AbstractContextManager:
    """Switches autocast off where it is on."""
    return torch.autocast(device_type, enabled=False) if torch.is_autocast_enabled(device_type) else nullcontext()


class SupportSet(nn.Module):
    """A support set without rows (simclr, byol, none), and the base of those with rows.

    Buffers outside `diagnostics_` are what the method needs; `nbytes` counts exactly them. Python counters and the
    random generator travel in `state_dict` as extra state, so that a resumed run equals an uninterrupted one bit for
    bit. Nothing in `look_up` and `update` waits for the device.
    """

    diagnostics_: nn.Module

    def __init__(self, positives: PositivesConfig, dim: int, device: torch.device | str, seed: int) -> None:
        super().__init__()
        self.dim = dim
        self.kind, self.soft_temperature, self.mixes = positives.kind, positives.soft_temperature, positives.mix
        self.neighbours = 1 if self.kind == "nearest" else positives.top_k
        self.generator = torch.Generator(device).manual_seed(seed)
        self.seed = seed

    # --- what a subclass fills in ---
    @property
    def ready(self) -> bool:
        """True once there are rows to draw positives from (a Python bool, no sync)."""
        return False

    @property
    def vectors(self) -> int:
        """Vectors that it can hold."""
        return 0

    def update(
        self,
        keys_BD: Tensor,
        *,
        ids_B: Tensor | None = None,
        labels_B: Tensor | None = None,
        assignment_B: Tensor | None = None,
    ) -> None:
        """Takes in the first view's raw projections, once a step and after `look_up`."""

    def end_epoch(self, epoch: int) -> None:
        """To be called after each epoch (`epoch` = finished epochs, from 1): forgetting; resets the diagnostics."""

    def diagnostics(self) -> dict[str, Tensor]:
        """Device scalars over the epoch so far; only those that something was recorded for."""
        return {}

    def vectors_for_plot(self) -> Tensor:
        """Unit rows [<= K, D], float32, for pictures."""
        return torch.empty(0, self.dim, device=self.generator.device)

    def _find(self, queries_ND: Tensor, count: int, ids_N: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Indices [N, count] of the nearest rows, best first, and which of them may be used (None: all)."""
        raise NotImplementedError

    def _unit_rows(self, index: Tensor) -> Tensor:
        """Rows [*index.shape, D] as float32 unit vectors."""
        raise NotImplementedError

    def _observe(
        self, index_NR: Tensor, weights_NR: Tensor | None, ids_N: Tensor | None, labels_N: Tensor | None
    ) -> None:
        """Records diagnostics of a look-up."""

    def _counters(self) -> dict[str, Any]:
        """Python attributes that belong to the state."""
        return {}

    # --- shared ---
    @torch.no_grad()
    def look_up(self, queries_ND: Tensor, *, ids_N: Tensor | None = None, labels_N: Tensor | None = None) -> LookUp:
        """Positives of raw projections (both views concatenated: N = 2B); any float dtype, any length of row.

        `ids_N` (image ids) are needed for mask_same_image, and with `labels_N` serve the diagnostics; both are
        optional otherwise.
        """
        with full_precision(queries_ND.device.type):
            queries_ND = queries_ND.detach().float()
            if not self.ready:
                zeros_N = torch.zeros(len(queries_ND), dtype=torch.int64, device=queries_ND.device)
                return LookUp(normalise(queries_ND), zeros_N, False)
            index_NR, allowed_NR = self._find(queries_ND, self.neighbours, ids_N)
            nearest_N, weights_NR = index_NR.select(1, 0), None
            if self.neighbours == 1 and allowed_NR is None:
                positives_ND = self._unit_rows(nearest_N)
            else:
                positives_ND, weights_NR = weigh(
                    self._unit_rows(index_NR), normalise(queries_ND), self.kind, self.soft_temperature, allowed_NR
                )
                positives_ND = normalise(positives_ND) if self.neighbours > 1 else positives_ND
            if self.mixes == "random":
                positives_ND = mix(positives_ND, normalise(queries_ND), self.generator)
            self._observe(index_NR, weights_NR, ids_N, labels_N)
            return LookUp(positives_ND, nearest_N, True)

    @property
    def nbytes(self) -> int:
        """Bytes of every persistent buffer that the method needs (vectors, scales, counts, ids if masking, the
        recent embeddings that forgetting re-seeds from); diagnostics are not counted."""
        return sum(b.nbytes for name, b in self.named_buffers() if not name.startswith("diagnostics_."))

    def get_extra_state(self) -> dict[str, Any]:
        return {**self._counters(), "generator": self.generator.get_state(), "device": self.generator.device.type}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        for name in self._counters():
            setattr(self, name, state[name])
        if state["device"] == self.generator.device.type:
            self.generator.set_state(state["generator"].cpu())
        else:  # a generator's state has no meaning on another kind of device: go on from the seed
            self.generator.manual_seed(self.seed)
