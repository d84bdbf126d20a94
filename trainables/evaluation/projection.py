"""A small 2-D picture of a support set and of a fixed sample of embeddings, comparable from epoch to epoch.

Shapes: K support vectors, S sampled validation images, D embedding size.
The axes are the two first principal components of the sample's unit embeddings, turned and mirrored (orthogonal
Procrustes) so that the sample lies as near as possible to where it lay in the picture before: what moves in the
pictures then moves in the embedding, not in the choice of axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

MAX_VECTORS = 500


def project(vectors_KD: Tensor, sample_SD: Tensor, before_S2: Tensor | None) -> tuple[Tensor, Tensor, float]:
    """2-D positions of support vectors [K, 2] and sample [S, 2], and the share of variance shown (0-1).

    `before_S2` is the sample's last picture, or None for the first. Both inputs are normalised to unit rows.
    """
    sample = normalize(sample_SD.double(), dim=1)
    vectors = normalize(vectors_KD.double(), dim=1)
    centre = sample.mean(0)
    _, singular, axes = torch.linalg.svd(sample - centre, full_matrices=False)
    plane_D2 = axes[:2].T
    if before_S2 is not None:
        left, _, right = torch.linalg.svd(((sample - centre) @ plane_D2).T @ before_S2.double().to(sample.device))
        plane_D2 = plane_D2 @ left @ right
    shown = float(singular[:2].square().sum() / singular.square().sum().clamp_min(1e-30))
    return (vectors - centre) @ plane_D2, (sample - centre) @ plane_D2, shown


def picture(
    epoch: int, vectors_KD: Tensor, sample_SD: Tensor, labels_S: Tensor, before_S2: Tensor | None
) -> tuple[dict[str, Any], Tensor]:
    """One epoch's picture as plain lists (the line of projections/<trial_id>.jsonl), and the sample's positions.

    Of more than MAX_VECTORS support vectors an even spread by index is kept.
    """
    keep = np.linspace(0, len(vectors_KD) - 1, min(len(vectors_KD), MAX_VECTORS)).round().astype(int)
    vectors, sample, shown = project(vectors_KD[torch.as_tensor(keep, device=vectors_KD.device)], sample_SD, before_S2)
    line = {
        "epoch": epoch,
        "vectors": [[round(x, 4), round(y, 4)] for x, y in vectors.tolist()],
        "sample": [[round(x, 4), round(y, 4)] for x, y in sample.tolist()],
        "labels": labels_S.tolist(),
        "variance_shown": round(shown, 4),
    }
    return line, sample.cpu()
