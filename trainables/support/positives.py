"""How a positive is drawn from neighbours that were found: nearest, top-k mean, soft, and mixing with oneself.

Shape legend: N queries, R neighbours of a query, D embedding dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.maths.kmeans import normalise


def weigh(
    rows_NRD: Tensor, units_ND: Tensor, kind: str, temperature: float, allowed_NR: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Weighted mean [N, D] of a query's neighbours (of R > 1: not normalised), and the weights [N, R].

    `nearest`, `topk`: equal weights; `soft`: softmax(cosine / temperature), SNCLR's weighting without learned
    parameters. Rows not `allowed` get weight 0; a query without any allowed row is its own positive (weights all 0).
    """
    if rows_NRD.shape[1] == 1:
        allowed_N1 = rows_NRD.new_ones(len(rows_NRD), 1, dtype=torch.bool) if allowed_NR is None else allowed_NR
        return torch.where(allowed_N1, rows_NRD[:, 0], units_ND), allowed_N1.float()
    if kind == "soft":
        logits_NR = torch.linalg.vecdot(rows_NRD, units_ND[:, None]) / temperature
    else:
        logits_NR = rows_NRD.new_zeros(rows_NRD.shape[:2])
    if allowed_NR is None:
        weights_NR = logits_NR.softmax(dim=1)
        return torch.einsum("nr,nrd->nd", weights_NR, rows_NRD), weights_NR
    # A row without any allowed neighbour would be 0/0: NaN there becomes 0, and the query itself takes its place.
    weights_NR = logits_NR.masked_fill(~allowed_NR, float("-inf")).softmax(dim=1).nan_to_num(nan=0.0)
    mean_ND = torch.einsum("nr,nrd->nd", weights_NR, rows_NRD)
    return torch.where(allowed_NR.any(dim=1, keepdim=True), mean_ND, units_ND), weights_NR


def mix(positives_ND: Tensor, units_ND: Tensor, generator: torch.Generator) -> Tensor:
    """lambda * positive + (1 - lambda) * own embedding, lambda ~ U(0, 1) per sample, as unit rows (MNN).

    In the loss of view 1 -> 2 the "own" embedding is the view whose neighbour was drawn, i.e. the other view of the
    prediction.
    """
    share_N1 = torch.rand(len(positives_ND), 1, generator=generator, device=positives_ND.device)
    return normalise(torch.lerp(units_ND, positives_ND, share_N1))
