"""What all support sets share: the interface, drawing positives, exact byte count and checkpoint.

Shape legend: B batch, N queries (both views: 2B), R neighbours of a query, D embedding dimension.
The rule: look up first, then `update` once a step with the first view only.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainables.maths.kmeans import normalise
from trainables.settings.config import PositivesConfig, SupportConfig
from trainables.support.positives import mix, weigh
from trainables.vocabulary.registry import to_fill_in


class SupportSpec(NamedTuple):
    """What a support set is built from."""

    support: SupportConfig
    positives: PositivesConfig
    dim: int
    """Embedding dimension."""
    num_classes: int
    """For the purity diagnostics."""
    device: torch.device | str
    seed: int
    """Of the set's own generator."""
    options: Any = None
    """Of a support set of one's own: its class's `Options`, checked; None if it has none."""


class Keys(NamedTuple):
    """What a support set takes in at a step: the first view's rows."""

    keys_BD: Tensor
    """float32, detached, of any length."""
    ids_B: Tensor | None
    labels_B: Tensor | None
    assignment_B: Tensor | None
    """Row nearest to each key, if a look-up of this step has found it."""


class Drawn(NamedTuple):
    """Which rows a look-up drew from: the nearest [N]; all with their weights [N, R], or None if that one alone."""

    nearest_N: Tensor
    index_NR: Tensor | None
    weights_NR: Tensor | None


class LookUp(NamedTuple):
    """What a look-up found."""

    positives_BD: Tensor
    """Unit rows, float32, detached; the queries themselves while not valid."""
    index_B: Tensor
    """Row of the support set nearest to each query (int64); zeros while not valid."""
    valid: bool
    """False until the support set is ready: then take the other view as the positive."""


class SupportSet(nn.Module):
    """A support set without rows (kind `none`), and the base of those with rows.

    Buffers outside `diagnostics_` are what the method needs; `nbytes` counts exactly them. Python counters and the
    random generator travel in `state_dict` as extra state, so that a resumed run equals an uninterrupted one bit for
    bit. Nothing in `look_up` and `update` waits for the device. Both detach what they are given, and no buffer requires
    a gradient: nothing is recorded for autograd. At small sizes a step is mostly Python and launches, so its path is
    short (benchmarks/kmeans_step.py).
    """

    diagnostics_: nn.Module
    masks = False
    """Whether rows of the query's own image are left out."""

    def __init__(self, spec: SupportSpec) -> None:
        super().__init__()
        positives = spec.positives
        self.dim = spec.dim
        self.kind, self.soft_temperature, self.mixes = positives.kind, positives.soft_temperature, positives.mix
        self.neighbours = 1 if self.kind == "nearest" else positives.top_k
        sketch = torch.device(spec.device).type == "meta"  # buffers without memory, of which the size is asked alone
        self.generator = torch.Generator("cpu" if sketch else spec.device).manual_seed(spec.seed)
        self.device_type = self.generator.device.type
        self.seed = spec.seed

    # --- what a subclass fills in ---
    @property
    @to_fill_in
    def ready(self) -> bool:
        """True once there are rows to draw positives from (a Python bool, no sync)."""
        return False

    @property
    @to_fill_in
    def vectors(self) -> int:
        """Vectors that it can hold."""
        return 0

    @to_fill_in
    def _take_in(self, keys: Keys) -> None:
        """What `update` does to the rows; never under autocast."""

    def end_epoch(self, epoch: int) -> None:
        """To be called after each epoch (`epoch` = finished epochs, from 1): forgetting; resets the diagnostics."""

    def diagnostics(self) -> dict[str, Tensor]:
        """Device scalars over the epoch so far; only those that something was recorded for."""
        return {}

    def vectors_for_plot(self) -> Tensor:
        """Unit rows [<= K, D], float32, for pictures."""
        return torch.empty(0, self.dim, device=self.generator.device)

    @to_fill_in
    def _find(self, queries_ND: Tensor, count: int, ids_N: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Indices [N, count] of the nearest rows, best first, and which of them may be used (None: all)."""
        raise NotImplementedError

    @to_fill_in
    def _unit_rows(self, index: Tensor) -> Tensor:
        """Rows [*index.shape, D] as float32 unit vectors."""
        raise NotImplementedError

    def _nearest(self, queries_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Index [N] of each query's nearest row, and that row as a unit vector [N, D]: `_find` of one neighbour
        where all rows may be used. A step looks up once, so this is short on calls."""
        nearest_N = self._find(queries_ND, 1, None)[0][:, 0]
        return nearest_N, self._unit_rows(nearest_N)

    def _observe(self, drawn: Drawn, ids_N: Tensor | None, labels_N: Tensor | None) -> None:
        """Records diagnostics of a look-up."""

    def _counters(self) -> dict[str, Any]:
        """Python attributes that belong to the state."""
        return {}

    # --- shared ---
    def look_up(self, queries_ND: Tensor, *, ids_N: Tensor | None = None, labels_N: Tensor | None = None) -> LookUp:
        """Positives of raw projections (both views concatenated: N = 2B); any float dtype, any length of row.

        `ids_N` (image ids) are needed for mask_same_image, and with `labels_N` serve the diagnostics; both are
        optional otherwise.
        """
        if torch.is_autocast_enabled(self.device_type):  # in full precision, then
            with torch.autocast(self.device_type, enabled=False):
                return self.look_up(queries_ND, ids_N=ids_N, labels_N=labels_N)
        queries_ND = queries_ND.detach().float()
        if not self.ready:
            zeros_N = torch.zeros(len(queries_ND), dtype=torch.int64, device=queries_ND.device)
            return LookUp(normalise(queries_ND), zeros_N, False)
        if self.neighbours == 1 and not self.masks:
            nearest_N, positives_ND = self._nearest(queries_ND)
            self._observe(Drawn(nearest_N, None, None), ids_N, labels_N)
        else:
            index_NR, allowed_NR = self._find(queries_ND, self.neighbours, ids_N)
            positives_ND, weights_NR = weigh(
                self._unit_rows(index_NR), normalise(queries_ND), self.kind, self.soft_temperature, allowed_NR
            )
            if self.neighbours > 1:
                positives_ND = normalise(positives_ND)
            nearest_N = index_NR[:, 0]
            self._observe(Drawn(nearest_N, index_NR, weights_NR), ids_N, labels_N)
        if self.mixes == "random":
            positives_ND = mix(positives_ND, normalise(queries_ND), self.generator)
        return LookUp(positives_ND, nearest_N, True)

    def update(
        self,
        keys_BD: Tensor,
        *,
        ids_B: Tensor | None = None,
        labels_B: Tensor | None = None,
        assignment_B: Tensor | None = None,
    ) -> None:
        """Takes in the first view's raw projections, once a step and after `look_up`.

        `assignment_B`: the keys' part of this step's `look_up(...).index_B`, which may save a search.
        """
        if torch.is_autocast_enabled(self.device_type):  # in full precision, then
            with torch.autocast(self.device_type, enabled=False):
                return self.update(keys_BD, ids_B=ids_B, labels_B=labels_B, assignment_B=assignment_B)
        self._take_in(Keys(keys_BD.detach().float(), ids_B, labels_B, assignment_B))

    @property
    def nbytes(self) -> int:
        """Bytes of every persistent buffer that the method needs (vectors, scales, counts, ids if masking, the
        recent embeddings that forgetting re-seeds from); diagnostics are not counted."""
        return sum(b.nbytes for name, b in self.named_buffers() if not name.startswith("diagnostics_."))

    @classmethod
    def bytes_of(cls, support: SupportConfig, dim: int) -> int:
        """What `nbytes` will be with these settings (anything with those of the section `support`): the set is sketched
        on torch's meta device, and takes no memory."""
        return _sketched_bytes(cls, json.dumps(vars(support), default=str), dim)

    def get_extra_state(self) -> dict[str, Any]:
        return {**self._counters(), "generator": self.generator.get_state(), "device": self.generator.device.type}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        for name in self._counters():
            if not 0 <= state[name] <= self.vectors:
                raise ValueError(f"{name} is {state[name]}, of {self.vectors} vectors")
            setattr(self, name, state[name])
        if torch.device(state["device"]).type == self.generator.device.type:
            self.generator.set_state(state["generator"].cpu())
        else:  # a generator's state has no meaning on another kind of device: go on from the seed
            self.generator.manual_seed(self.seed)


@lru_cache(maxsize=4096)
def _sketched_bytes(kind: type[SupportSet], support: str, dim: int) -> int:
    settings = SupportConfig.model_construct(**json.loads(support))
    options = options_of(kind, settings)
    with torch.device("meta"):
        return kind(SupportSpec(settings, PositivesConfig(), dim, 2, "meta", 0, options)).nbytes


def options_of(kind: type[SupportSet], support: SupportConfig) -> Any:
    """The options of a support set of one's own as its class's `Options`; None if it has none."""
    model = getattr(kind, "Options", None)
    return None if model is None else model.model_validate_json(json.dumps(support.options), strict=True)
