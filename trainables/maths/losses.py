"""Losses on batches of embeddings.

Shape legend: B batch, D embedding dimension. Rows are normalised here, so raw embeddings may be passed. All losses
are means over samples, in float32 even under autocast; lower is better; a NaN or infinite input gives a NaN loss.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.maths.kmeans import sinkhorn


def nt_xent(z1_BD: Tensor, z2_BD: Tensor, temperature: float) -> Tensor:
    """SimCLR's normalised temperature-scaled cross-entropy over the 2B embeddings of two views (scalar, >= 0).

    Each embedding's positive is the other view of its image, its negatives are the 2B - 2 embeddings of the other
    images; a batch of 1 has no negatives and gives 0. Chen et al. 2020, equation 1.
    """
    with torch.autocast(z1_BD.device.type, enabled=False):
        batch = z1_BD.shape[0]
        z_ND = F.normalize(torch.cat([z1_BD, z2_BD]).float(), dim=1)
        logits_NN = z_ND @ z_ND.T / temperature
        logits_NN = logits_NN.masked_fill(torch.eye(2 * batch, dtype=torch.bool, device=z_ND.device), float("-inf"))
        target_N = torch.arange(2 * batch, device=z_ND.device).roll(batch)
        return F.cross_entropy(logits_NN, target_N)


def neighbour_nce(positives_BD: Tensor, predictions_BD: Tensor, temperature: float) -> Tensor:
    """InfoNCE with drawn positives: softmax over the batch's predictions for each positive (scalar, >= 0).

    Row i holds positive i against every prediction; the right column is i. No gradient reaches the positives.
    Dwibedi et al. 2021, equation 3; a batch of 1 gives 0.
    """
    with torch.autocast(predictions_BD.device.type, enabled=False):
        positives_BD = F.normalize(positives_BD.detach().float(), dim=1)
        predictions_BD = F.normalize(predictions_BD.float(), dim=1)
        logits_BB = positives_BD @ predictions_BD.T / temperature
        return F.cross_entropy(logits_BB, torch.arange(len(logits_BB), device=logits_BB.device))


@functools.lru_cache(maxsize=8)
def _own_column(batch: int, device: torch.device) -> Tensor:
    """0, 1, ..., batch - 1 twice: where each row's own prediction stands, for both directions."""
    return torch.arange(batch, device=device).repeat(2)


def both_directions(positives_2BD: Tensor, predictions_2BD: Tensor, temperature: float) -> Tensor:
    """Mean of neighbour_nce(view 1's positives, view 2's predictions) and of the same the other way round.

    Equal to two calls of `neighbour_nce`, in half the kernels: both directions are one batched product.
    The positives must be unit rows, as a look-up gives them; predictions of any length are normalised.
    """
    views = (2, len(positives_2BD) // 2, -1)
    positives = (positives_2BD.detach() / temperature).view(views)
    predictions = F.normalize(predictions_2BD.float(), dim=1).view(views)
    logits = torch.bmm(positives.flip(0), predictions.transpose(1, 2)).flatten(0, 1)
    return F.cross_entropy(logits, _own_column(views[1], logits.device))


def self_assignment(features_BF: Tensor, targets_BF: Tensor) -> Tensor:
    """Shares [B, B] of the batch's targets in each of its samples: rows sum to 1, no target is left out.

    Sinkhorn-Knopp on the cosines of the encoder's features with the targets', no gradient; a batch of 1 gives 1. ReSA,
    Weng et al. 2025, "Clustering Properties of Self-Supervised Learning", section 4.
    """
    with torch.autocast(features_BF.device.type, enabled=False), torch.no_grad():
        return sinkhorn(F.normalize(features_BF.float(), dim=1) @ F.normalize(targets_BF.float(), dim=1).T)


def shared_nce(predictions_BD: Tensor, targets_BD: Tensor, shares_BB: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each prediction's softmax over the targets with its shares (scalar, at least the shares'
    entropy). No gradient reaches the targets. Weng et al. 2025, section 4."""
    with torch.autocast(predictions_BD.device.type, enabled=False):
        predictions_BD = F.normalize(predictions_BD.float(), dim=1)
        logits_BB = predictions_BD @ F.normalize(targets_BD.detach().float(), dim=1).T / temperature
        return F.cross_entropy(logits_BB, shares_BB)


def byol_loss(predictions_BD: Tensor, targets_BD: Tensor) -> Tensor:
    """Mean of 2 - 2 cos(prediction, target): the squared distance of unit vectors (scalar, 0 to 4).

    No gradient reaches the targets. Grill et al. 2020, equation 2.
    """
    with torch.autocast(predictions_BD.device.type, enabled=False):
        cosine_B = F.cosine_similarity(predictions_BD.float(), targets_BD.detach().float(), dim=1)
        return (2 - 2 * cosine_B).mean()
