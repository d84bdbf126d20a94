"""Online k-means as plain functions on tensors, without a host sync.

Shape legend: B batch, K prototypes, D embedding dimension, N candidates, M rows chosen before.
`metric` is "cosine" (rows and centres on the unit sphere: the caller normalises them) or "euclidean" (raw rows).
"""

from __future__ import annotations

import torch
from torch import Tensor

SINKHORN_EPSILON = 0.05  # SwAV's
SINKHORN_ITERATIONS = 3  # SwAV's
EPSILON = 1e-12
WINDOW = 250
"""Least length of a window of `best`: shorter ones gain nothing."""


def normalise(x_ND: Tensor) -> Tensor:
    """Rows scaled to unit L2 norm; a zero row stays zero."""
    return x_ND / torch.linalg.vector_norm(x_ND, dim=-1, keepdim=True).clamp_min_(EPSILON)


def normalise_(x_ND: Tensor) -> Tensor:
    """`normalise` in place."""
    return x_ND.div_(torch.linalg.vector_norm(x_ND, dim=-1, keepdim=True).clamp_min_(EPSILON))


def scores(queries_BD: Tensor, centres_KD: Tensor, metric: str) -> Tensor:
    """Scores [B, K] whose largest entry of a row marks the nearest centre.

    `cosine`: q . c (for unit centres the ranking does not depend on the query's length); `euclidean`:
    q . c - |c|^2 / 2, which is -|q - c|^2 / 2 up to a constant of the row.
    """
    if metric == "cosine":
        return torch.mm(queries_BD, centres_KD.t())
    square_K = torch.linalg.vector_norm(centres_KD, dim=1).square_()  # without a temporary of K x D
    return torch.addmm(square_K, queries_BD, centres_KD.t(), beta=-0.5)


def best(scores_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Largest score [B] of each row and its index [B] (int64); of tied ones one is returned.

    A CPU finds a maximum 3 to 4 times faster than its place, so wide rows are cut into overlapping windows of equal
    length. First the largest over the windows, then its column, then the window that holds it.
    """
    columns = scores_BK.shape[1]
    windows = columns // WINDOW
    if windows < 4 or scores_BK.device.type != "cpu":
        return scores_BK.max(dim=1)
    stride = columns // windows
    windows_BGW = scores_BK.unfold(1, columns - (windows - 1) * stride, stride)  # a view
    column_B = windows_BGW.amax(dim=1).argmax(dim=1)
    candidates_BG = windows_BGW.gather(2, column_B[:, None, None].expand(-1, windows, 1))[..., 0]
    best_B, window_B = candidates_BG.max(dim=1)
    return best_B, column_B.add_(window_B, alpha=stride)


def assign(queries_BD: Tensor, centres_KD: Tensor, metric: str) -> Tensor:
    """Index [B] (int64) of each query's nearest centre; of tied centres one is returned."""
    return best(scores(queries_BD, centres_KD, metric))[1]


def minibatch_update(
    centres_KD: Tensor, counts_K: Tensor, x_BD: Tensor, index_B: Tensor, *, decay: float = 1.0
) -> None:
    """Moves centres (float32) and counts in place: each centre becomes the weighted mean of all it was given.

    With decay 1 the mean over every row so far, i.e. the rate 1/n of scikit-learn's MiniBatchKMeans (Sculley 2010),
    whatever the order inside the batch: c <- (n_old c + sum x) / (n_old + n). Centres without a row do not move.
    With decay b < 1 counts become decayed weights: n <- b n_old + new, c <- (b n_old c + sum x) / n, the moving average
    of VQ-VAE (van den Oord et al. 2017, appendix A.1).
    """
    if decay != 1.0:
        counts_K.mul_(decay)
    counts_K.scatter_(0, index_B, 1.0, reduce="add")
    step_BD = centres_KD.index_select(0, index_B).sub_(x_BD)
    step_BD.div_(counts_K.index_select(0, index_B).unsqueeze(1))
    centres_KD.index_add_(0, index_B, step_BD, alpha=-1)


def ema_decay(half_life: float) -> float:
    """The decay per step by which a weight halves in `half_life` steps."""
    return 0.5 ** (1 / half_life)


def kmeans_plus_plus(x_ND: Tensor, k: int, generator: torch.Generator, chosen_MD: Tensor | None = None) -> Tensor:
    """Indices [k] of rows drawn by k-means++: each with probability proportional to its squared distance to the
    nearest row drawn so far, or to `chosen_MD`, rows that are centres already.

    Without `chosen_MD` the first is uniform. Distinct rows as long as the data has k distinct ones; then duplicates.
    Raises ValueError if k exceeds N. Arthur & Vassilvitskii 2007.
    """
    if k > len(x_ND):
        raise ValueError(f"k-means++ cannot draw k={k} rows from {len(x_ND)}: pass more rows or lower k")
    drawn_k = torch.empty(k, dtype=torch.int64, device=x_ND.device)
    if chosen_MD is None or len(chosen_MD) == 0:
        weight_N, distance_N = x_ND.new_ones(len(x_ND)), x_ND.new_full((len(x_ND),), float("inf"))
    else:
        weight_N = distance_N = _squared_distance_to_nearest(x_ND, chosen_MD)
    for i in range(k):
        # An exponential race picks row j with probability weight_j / sum; torch.multinomial would wait for the device.
        race_N = torch.empty_like(weight_N).exponential_(generator=generator)
        index_1 = (weight_N / race_N).argmax(dim=0, keepdim=True)
        drawn_k[i : i + 1] = index_1
        distance_N = torch.minimum(distance_N, (x_ND - x_ND.index_select(0, index_1)).square().sum(dim=1))
        weight_N = distance_N
    return drawn_k


def _squared_distance_to_nearest(x_ND: Tensor, centres_MD: Tensor) -> Tensor:
    best_N = scores(x_ND, centres_MD, "euclidean").amax(dim=1)
    return (x_ND.square().sum(dim=1) - 2 * best_N).clamp_min_(0)


def sinkhorn(scores_BK: Tensor, epsilon: float = SINKHORN_EPSILON, iterations: int = SINKHORN_ITERATIONS) -> Tensor:
    """Soft assignment [B, K] with rows summing to 1 and, the more iterations, columns nearing B / K.

    Sinkhorn-Knopp on exp(scores / epsilon) in the log domain, so that no score over- or underflows. SwAV (Caron et
    al. 2020, section 3.1).
    """
    log_BK = scores_BK / epsilon
    for _ in range(iterations):
        log_BK = log_BK - log_BK.logsumexp(dim=0, keepdim=True)
        log_BK = log_BK - log_BK.logsumexp(dim=1, keepdim=True)
    return log_BK.exp()


def balanced_assign(x_BD: Tensor, centres_KD: Tensor, metric: str) -> Tensor:
    """Index [B] of each row's largest Sinkhorn weight. Euclidean scores are divided by half the batch's mean squared
    distance, so that epsilon means the same for data of any scale."""
    if metric == "cosine":
        return sinkhorn(x_BD @ centres_KD.T).argmax(dim=1)
    scores_BK = scores(x_BD, centres_KD, metric) - x_BD.square().sum(dim=1, keepdim=True) / 2
    return sinkhorn(scores_BK / scores_BK.mean().abs().clamp_min(EPSILON)).argmax(dim=1)


def revive(
    centres_KD: Tensor,
    counts_K: Tensor,
    usage_K: Tensor,
    x_BD: Tensor,
    *,
    threshold: float,
    limit: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Puts little-used centres onto random distinct rows of the batch, in place and without a sync.

    The `limit` centres of least usage (mean usage is 1) are looked at; those below `threshold` take a row, count 1
    and usage 1. Returns (slot [R], row [R], dead [R] bool): what was looked at and which of them moved.
    """
    limit = min(limit, len(centres_KD), len(x_BD))
    low_R, slot_R = usage_K.topk(limit, largest=False)
    row_R = torch.rand(len(x_BD), generator=generator, device=x_BD.device).topk(limit).indices
    dead_R = low_R < threshold
    old_RD, new_RD = centres_KD.index_select(0, slot_R), x_BD.index_select(0, row_R)
    centres_KD.index_copy_(0, slot_R, torch.where(dead_R[:, None], new_RD, old_RD))
    counts_K.index_copy_(0, slot_R, counts_K.index_select(0, slot_R).masked_fill_(dead_R, 1.0))
    usage_K.index_copy_(0, slot_R, low_R.masked_fill(dead_R, 1.0))
    return slot_R, row_R, dead_R


def round_to_half(x_KD: Tensor, generator: torch.Generator) -> Tensor:
    """float32 -> float16 with stochastic rounding: unbiased, so that steps smaller than half a unit in the last place
    still move a stored centre in the mean. Exact for values that float16 holds."""
    noise_KD = torch.randint(0, 1 << 13, x_KD.shape, generator=generator, device=x_KD.device, dtype=torch.int32)
    bits_KD = (x_KD.view(torch.int32) + noise_KD) & ~0x1FFF  # float16 keeps 10 of float32's 23 mantissa bits
    return bits_KD.view(torch.float32).half()
