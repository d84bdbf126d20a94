"""The FIFO queue of embeddings, stored normalised in 32, 16 or 8 bits.

Shape legend: B batch, N queries, R neighbours, Q queue rows, D embedding dimension.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainables.maths.kmeans import best, normalise
from trainables.support.base import Drawn, Keys, SupportSet, SupportSpec
from trainables.support.diagnostics import QueueDiagnostics

CHUNK_BYTES = {"cpu": 1 << 20, "cuda": 64 << 20}
"""Working memory of one chunk of a look-up: its similarities, and its rows in float32 if stored otherwise. On a CPU
the chunk should stay in the cache (98,304 rows, one core: 1 MiB takes 92 ms, 16 MiB 110 ms, one product 131 ms)."""
PLOT_ROWS = 1000
DTYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}


def ring_slices(at: int, size: int, rows: int) -> tuple[int, list[tuple[int, int, int]]]:
    """Where `rows` consecutive rows go in a ring of `size` whose next free place is `at`.

    Returns the next place and up to two (place, first row, number of rows). Of more than `size` rows only the last
    `size` are written, at the places where they would have come to lie: as a deque with maxlen would keep them.
    """
    first = max(0, rows - size)
    place, left, parts = (at + first) % size, rows - first, []
    while left:
        count = min(left, size - place)
        parts.append((place, first, count))
        place, first, left = (place + count) % size, first + count, left - count
    return (at + rows) % size, parts


def ring_write(buffer: Tensor, rows: Tensor, parts: list[tuple[int, int, int]]) -> None:
    """Writes rows into the places found by `ring_slices`."""
    for place, first, count in parts:
        buffer[place : place + count] = rows[first : first + count]


class Queue(SupportSet):
    """The newest `queue_size` keys; a positive is drawn from the rows nearest in cosine (NNCLR, Dwibedi et al. 2021).

    Only rows that were filled take part, so there is never a row of noise. int8 rows are codes of equal step times
    one float32 scale, chosen such that the stored row has unit length.
    """

    def __init__(self, spec: SupportSpec) -> None:
        super().__init__(spec)
        support, dim, device = spec.support, spec.dim, spec.device
        self.size, self.masks = support.queue_size, support.mask_same_image
        self.filled = self.at = 0
        dtype = DTYPES[support.queue_dtype]
        self.register_buffer("rows_QD", torch.zeros(self.size, dim, dtype=dtype, device=device))
        if dtype == torch.int8:
            self.register_buffer("scale_Q", torch.zeros(self.size, device=device))
        if self.masks:
            self.register_buffer("ids_Q", torch.full((self.size,), -1, dtype=torch.int64, device=device))
        self.diagnostics_ = QueueDiagnostics(self.size, not self.masks, device)

    @property
    def ready(self) -> bool:
        return self.filled >= min(self.size, self.neighbours)

    @property
    def vectors(self) -> int:
        return self.size

    def _take_in(self, keys: Keys) -> None:
        """Enqueues the keys, normalised; the oldest rows make room."""
        keys_BD, ids_B, labels_B, _ = keys
        if self.masks and ids_B is None:
            raise ValueError("support.mask_same_image needs image ids: pass ids_B to update")
        rows_BD = normalise(keys_BD)
        self.at, parts = ring_slices(self.at, self.size, len(rows_BD))
        self.filled = min(self.size, self.filled + len(rows_BD))
        if self.rows_QD.dtype == torch.int8:
            rows_BD, scale_B = to_codes(rows_BD)
            ring_write(self.scale_Q, scale_B, parts)
        ring_write(self.rows_QD, rows_BD, parts)
        if ids_B is not None:
            ring_write(self._row_ids, ids_B, parts)
        if labels_B is not None:
            ring_write(self.diagnostics_.labels_Q, labels_B, parts)

    @property
    def _row_ids(self) -> Tensor:
        return self.ids_Q if self.masks else self.diagnostics_.ids_Q

    def _find(self, queries_ND: Tensor, count: int, ids_N: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if self.masks and ids_N is None:
            raise ValueError("support.mask_same_image needs image ids: pass ids_N to look_up")
        units_ND = normalise(queries_ND)
        best_parts = [self._find_in(units_ND, start, stop, count, ids_N) for start, stop in self._chunks(len(units_ND))]
        best_NR, index_NR = best_parts[0]
        if len(best_parts) > 1:
            best_NX, index_NX = (torch.cat(parts, dim=1) for parts in zip(*best_parts, strict=True))
            best_NR, place_NR = best_NX.topk(count, dim=1) if count > 1 else best_NX.max(dim=1, keepdim=True)
            index_NR = index_NX.gather(1, place_NR)
        return index_NR, (best_NR > float("-inf") if self.masks else None)

    def _chunks(self, queries: int) -> list[tuple[int, int]]:
        """Ranges of rows whose similarities (and float32 copies) fit the working memory."""
        budget = CHUNK_BYTES.get(self.rows_QD.device.type, CHUNK_BYTES["cuda"])
        copied = 0 if self.rows_QD.dtype == torch.float32 else self.dim
        rows = max(self.neighbours, budget // (4 * (queries + copied)), 1)
        return [(start, min(start + rows, self.filled)) for start in range(0, self.filled, rows)]

    def _find_in(
        self, units_ND: Tensor, start: int, stop: int, count: int, ids_N: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Best similarities and indices [N, <= count] among rows start..stop."""
        rows_XD = self.rows_QD[start:stop]
        if rows_XD.dtype == torch.float16 and rows_XD.is_cuda:
            # Tensor cores, float32 sums; the product is rounded to 16 bits, so near-ties may be decided otherwise.
            similarity_NX = units_ND.half() @ rows_XD.T
        else:
            similarity_NX = units_ND @ rows_XD.float().T
        if rows_XD.dtype == torch.int8:
            similarity_NX *= self.scale_Q[start:stop]
        if self.masks:
            similarity_NX.masked_fill_(ids_N[:, None] == self.ids_Q[start:stop], float("-inf"))
        if count == 1:
            best_NR, index_NR = (found_N[:, None] for found_N in best(similarity_NX))
        else:
            best_NR, index_NR = similarity_NX.topk(min(count, stop - start), dim=1)
        return best_NR, index_NR + start

    def _unit_rows(self, index: Tensor) -> Tensor:
        rows = self.rows_QD.index_select(0, index.flatten()).view(*index.shape, self.dim)
        if rows.dtype == torch.int8:
            return rows.float() * self.scale_Q[index].unsqueeze(-1)
        return rows if rows.dtype == torch.float32 else normalise(rows.float())

    def _observe(self, drawn: Drawn, ids_N: Tensor | None, labels_N: Tensor | None) -> None:
        index_NR = drawn.nearest_N[:, None] if drawn.index_NR is None else drawn.index_NR
        self.diagnostics_.observe(index_NR, drawn.weights_NR, self._row_ids, ids_N, labels_N)

    def diagnostics(self) -> dict[str, Tensor]:
        """`neighbour_purity`: share of positives with the query's label; `self_hit_rate`: share that came from the
        query's own image. 0-1, over the epoch so far, if labels and ids were passed."""
        return self.diagnostics_.values()

    def end_epoch(self, epoch: int) -> None:
        self.diagnostics_.reset()

    def vectors_for_plot(self) -> Tensor:
        """The newest rows, at most 1,000."""
        count = min(self.filled, PLOT_ROWS)
        index = torch.arange(self.at - count, self.at, device=self.rows_QD.device) % self.size
        return self._unit_rows(index)

    def _counters(self) -> dict[str, Any]:
        return {"filled": self.filled, "at": self.at}


def to_codes(rows_BD: Tensor) -> tuple[Tensor, Tensor]:
    """Unit rows -> int8 codes and the float32 scale that makes `codes * scale` a unit row again.

    The largest entry of a row gets code 127; a zero row stays zero.
    """
    step_B1 = rows_BD.abs().amax(dim=1, keepdim=True).div_(127).clamp_min_(1e-12)
    codes_BD = (rows_BD / step_B1).round_()
    return codes_BD.to(torch.int8), 1 / torch.linalg.vector_norm(codes_BD, dim=1).clamp_min_(1e-12)
