"""Measures of representations and predictions.

Shape legend: B batch, C classes, D feature dimension, N train rows, M test rows. Fractions are 0-1, higher is better.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_ELEMENTS = 8_000_000  # similarities held at once by the kNN: 32 MB


def topk_correct(logits_BC: Tensor, labels_B: Tensor, ks: Sequence[int]) -> Tensor:
    """Number of rows whose label is among the k largest logits, for each k: int64 [len(ks)], on the device.

    Pessimistic: a class tied with the label, or a NaN, ranks before it, so constant or NaN logits score 0 for
    every k below C. k may exceed C. An empty batch gives zeros.
    """
    own_B1 = logits_BC.gather(1, labels_B[:, None])
    rank_B = (~(logits_BC < own_B1)).sum(dim=1)  # 1 = best; NaN is never smaller
    return torch.stack([(rank_B <= k).sum() for k in ks])


def top_accuracies(logits_BC: Tensor, labels_B: Tensor) -> tuple[float, float]:
    """acc@1 and acc@5 in % over samples (acc@C with fewer than 5 classes), as `topk_correct` counts them."""
    hits = topk_correct(logits_BC, labels_B, (1, min(5, logits_BC.shape[1])))
    acc1, acc5 = (100.0 * float(hit) / len(labels_B) for hit in hits)
    return acc1, acc5


def knn_accuracy(
    train_ND: Tensor,
    train_labels: Tensor,
    test_MD: Tensor,
    test_labels: Tensor,
    k: int,
    temperature: float,
    num_classes: int,
    ks: Sequence[int] = (1, 5),
) -> Tensor:
    """Weighted k-nearest-neighbour accuracy at each of `ks`: float64 fractions [len(ks)].

    Cosine similarity s; each of the k nearest train rows votes exp(s / temperature) for its label (Wu et al. 2018,
    section 3.4), at any temperature. k above N uses all rows. Classes without votes tie at 0 and so never count as a
    hit (see `topk_correct`). Features in chunks: memory stays near 32 MB. Raises ValueError if there is no train or
    test row.
    """
    if len(train_ND) == 0 or len(test_MD) == 0:
        raise ValueError(f"kNN needs train and test rows, got {len(train_ND)} and {len(test_MD)}")
    train_ND, test_MD = F.normalize(train_ND.float(), dim=1), F.normalize(test_MD.float(), dim=1)
    k, rows = min(k, len(train_ND)), max(1, CHUNK_ELEMENTS // len(train_ND))
    correct = torch.zeros(len(ks), dtype=torch.int64, device=test_MD.device)
    for chunk_MD, labels_M in zip(test_MD.split(rows), test_labels.split(rows), strict=True):
        similarity_Mk, index_Mk = (chunk_MD @ train_ND.T).topk(k, dim=1)
        # relative to the nearest: keeps the ratio of votes, cannot overflow, and the nearest's vote cannot vanish
        votes_Mk = ((similarity_Mk - similarity_Mk[:, :1]) / temperature).exp()
        votes_MC = torch.zeros(len(chunk_MD), num_classes, device=test_MD.device)
        votes_MC.scatter_add_(1, train_labels[index_Mk], votes_Mk)
        correct += topk_correct(votes_MC, labels_M, ks)
    return correct.double() / len(test_MD)


def effective_rank(features_ND: Tensor, epsilon: float = 1e-7) -> Tensor:
    """RankMe: exp of the entropy of the normalised singular values, a scalar from 1 to min(N, D); higher is better.

    Garrido et al. 2023, equation 3, with its epsilon. All-zero features give about 1, non-finite ones NaN.
    Waits for the device (once an evaluation, not in a training step).
    """
    if not bool(torch.isfinite(features_ND).all()):
        return torch.tensor(float("nan"), device=features_ND.device)
    sigma = torch.linalg.svdvals(features_ND.float())
    p = sigma / sigma.sum().clamp_min(torch.finfo(sigma.dtype).tiny) + epsilon
    return torch.exp(-(p * p.log()).sum())


def embedding_std(z_ND: Tensor) -> Tensor:
    """Mean over dimensions of the std of L2-normalised rows, times sqrt(D): near 1 when spread, 0 when collapsed.

    Population std (a single row gives 0). Chen & He 2021, section 4.1.
    """
    z_ND = F.normalize(z_ND.detach().float(), dim=1)
    return z_ND.std(dim=0, correction=0).mean() * z_ND.shape[1] ** 0.5
