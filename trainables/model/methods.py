"""The methods: which networks are trained, what a view's positive is, and what happens after a step.

Shapes: B images, 2B both views concatenated (view 1 first), C channels, D embedding size.

| method | positive of view 1 (view 2 alike) | predicted by | loss |
|---|---|---|---|
| simclr | the other view's projection | projection | NT-Xent |
| byol | the other view's projection by the moving average | predictor | 2 - 2 cos |
| resa | the other view's projections by the moving average, in shares | predictor | cross-entropy over the batch |
| none | view 1's own projection, no gradient | predictor of view 2 | cross-entropy over the batch |
| nnclr, kmclr | view 1's neighbour in the support set | predictor of view 2 | cross-entropy over the batch |

The shares of resa are a balanced assignment of the batch's features to the moving average's features of the same views
(`losses.self_assignment`): soft positives without a support set.
So `none` is nnclr with an empty support set: the same heads, the same loss, the other view as positive.
What tells them apart stands in `METHODS` of `trainables/vocabulary/methods_and_support_sets.py`; a loss of that table
is added to `LOSSES` here.
The order of a step is fixed: look up (both views at once), loss, then one update with the first view's projections,
so that a search never finds the sample itself. No gradient flows into a support set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from trainables.maths import losses
from trainables.maths.schedules import cosine_momentum
from trainables.model.networks import Embedded, Networks, copy_without_gradient, move_towards
from trainables.settings import own_code
from trainables.settings.config import RunConfig
from trainables.support import build as support_sets
from trainables.support.base import SupportSet
from trainables.vocabulary.methods_and_support_sets import LOSSES, METHODS, Method
from trainables.vocabulary.parts import LOSS


class StepResult(NamedTuple):
    """A step's loss, and what the support set's update needs: view 1's keys [B, D] and their assignment [B] or None."""

    loss: Tensor
    keys_BD: Tensor
    assignment_B: Tensor | None


class Views(NamedTuple):
    """What a loss is made of: rows of both views of a batch, view 1 first.

    `queries_2BD` and `target_features_2BF`, the features they are projections of, carry no gradient: both of the moving
    average where there is one. Image ids and labels serve diagnostics and masking only.
    """

    embedded: Embedded
    queries_2BD: Tensor
    ids_2B: Tensor
    labels_2B: Tensor
    target_features_2BF: Tensor


def stack_views(parts: list[Embedded]) -> Embedded:
    """Several batches' embeddings as one, rows in the order given."""
    if len(parts) == 1:
        return parts[0]
    return Embedded(*(None if rows[0] is None else torch.cat(rows) for rows in zip(*parts, strict=True)))


def swap_views(rows_2B: Tensor) -> Tensor:
    """Exchange the two halves of the rows: what belonged to view 1 stands where view 2 was."""
    return torch.cat(rows_2B.chunk(2)[::-1])


# --- losses: (run, support set, views) -> loss and view 1's assignment [B], None if nothing was looked up ---

Loss = tuple[Tensor, Tensor | None]


def nt_xent(cfg: RunConfig, support: SupportSet, views: Views) -> Loss:
    """Contrast of both views' projections."""
    z1_BD, z2_BD = views.embedded.projections.chunk(2)
    return losses.nt_xent(z1_BD, z2_BD, cfg.loss.temperature), None


def cosine(cfg: RunConfig, support: SupportSet, views: Views) -> Loss:
    """Predictions against the moving average's projections of the other view."""
    targets_2BD = swap_views(views.queries_2BD)
    rows = len(targets_2BD) if cfg.loss.symmetric else len(targets_2BD) // 2
    return losses.byol_loss(views.embedded.predictions[:rows], targets_2BD[:rows]), None


def self_assignment(cfg: RunConfig, support: SupportSet, views: Views) -> Loss:
    """Predictions against the moving average's projections of the other view, in the shares that view 1's features
    have in its features. ReSA (Weng et al. 2025)."""
    (features1_BF, _), (targets1_BF, _) = views.embedded.features.chunk(2), views.target_features_2BF.chunk(2)
    shares_BB = losses.self_assignment(features1_BF, targets1_BF)
    predictions, targets = views.embedded.predictions.chunk(2), views.queries_2BD.chunk(2)[::-1]
    ways = range(2 if cfg.loss.symmetric else 1)
    each = [losses.shared_nce(predictions[i], targets[i], shares_BB, cfg.loss.temperature) for i in ways]
    return sum(each) / len(each), None


def neighbours(cfg: RunConfig, support: SupportSet, views: Views) -> Loss:
    """Predictions of view 2 against the positives of view 1, and the other way round if symmetric."""
    predictions_2BD, batch = views.embedded.predictions, len(views.queries_2BD) // 2
    rows = 2 * batch if cfg.loss.symmetric else batch
    positives, assignment = _positives(support, *(part[:rows] for part in views[1:4]))
    assignment_B = None if assignment is None else assignment[:batch]
    if cfg.loss.symmetric:
        return losses.both_directions(positives, predictions_2BD, cfg.loss.temperature), assignment_B
    return losses.neighbour_nce(positives, predictions_2BD[batch:], cfg.loss.temperature), assignment_B


def _positives(
    support: SupportSet, queries_ND: Tensor, ids_N: Tensor, labels_N: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Positives of the queries as unit rows [N, D], and their assignment [N]; while the support set is not ready the
    queries themselves, normalised, and None."""
    if not support.ready:
        return normalize(queries_ND.detach().float(), dim=1), None
    drawn = support.look_up(queries_ND, ids_N=ids_N, labels_N=labels_N)
    return drawn.positives_BD, drawn.index_B


LOSSES.add("nt_xent", nt_xent)
LOSSES.add("cosine", cosine)
LOSSES.add("neighbours", neighbours)
LOSSES.add("self_assignment", self_assignment)


def _loss_of(method: Method, cfg: RunConfig) -> Callable[[RunConfig, SupportSet, Views], Loss]:
    """The function of a loss of the house, or the `loss` of a method of one's own, made of its options."""
    part = LOSSES[method.loss]
    return part(own_code.options(LOSS, cfg.loss)).loss if method.loss in LOSSES.loaded else part


class Learner(nn.Module):
    """Networks, moving average (if any) and support set of one run, and the loss between them.

    Everything that must survive a restart is in `state_dict` (the support set's counters through its extra state).
    """

    def __init__(self, cfg: RunConfig, *, channels: int, num_classes: int, device: torch.device) -> None:
        super().__init__()
        self.cfg = cfg
        method = METHODS[cfg.method]
        self._loss = _loss_of(method, cfg)
        self.networks = Networks(cfg.encoder, cfg.heads, channels, predictor=method.predictor)
        averages = {"always": True, "optional": cfg.positives.momentum_encoder, "never": False}[method.momentum]
        self.target = self._moving_average(channels) if averages else None
        self.support = support_sets.build(
            method.support,
            cfg.support,
            cfg.positives,
            dim=cfg.heads.embedding_dim,
            num_classes=num_classes,
            device=device,
            seed=cfg.seed,
        )
        self.to(device)

    def _moving_average(self, channels: int) -> Networks:
        target = Networks(self.cfg.encoder, self.cfg.heads, channels, predictor=False)
        copy_without_gradient(self.networks.encoder, target.encoder)
        copy_without_gradient(self.networks.projector, target.projector)
        return target

    @property
    def nbytes(self) -> int:
        """Bytes of all that the method keeps beside what is trained: support set, and the moving average's networks."""
        copies = () if self.target is None else (*self.target.parameters(), *self.target.buffers())
        return self.support.nbytes + sum(tensor.nbytes for tensor in copies)

    def embed(self, views_2BCHW: Tensor) -> tuple[Embedded, Embedded]:
        """Run the networks on both views: [2B] rows in float32, and the targets' rows without gradient.

        Targets come from the moving average where there is one, else they are the same rows. Call this under
        autocast; with `train.one_forward` both views share one forward and so one set of BatchNorm statistics.
        """
        batches = (views_2BCHW,) if self.cfg.train.one_forward else views_2BCHW.chunk(2)
        embedded = stack_views([self.networks(views) for views in batches])
        embedded = Embedded(*(None if rows is None else rows.float() for rows in embedded))
        if self.target is None:
            return embedded, Embedded(embedded.features.detach(), embedded.projections.detach(), None)
        with torch.no_grad():
            targets = stack_views([self.target(views) for views in batches])
        return embedded, Embedded(targets.features.float(), targets.projections.float(), None)

    def loss(self, embedded: Embedded, targets: Embedded, ids_2B: Tensor, labels_2B: Tensor) -> StepResult:
        """The step's loss (float32, outside autocast). Labels and image ids (of the rows of both views) serve
        diagnostics and masking only."""
        views = Views(embedded, targets.projections, ids_2B, labels_2B, targets.features)
        loss, assignment_B = self._loss(self.cfg, self.support, views)
        return StepResult(loss, targets.projections.chunk(2)[0], assignment_B)

    def after_step(self, result: StepResult, ids_B: Tensor, labels_B: Tensor, step: int, total_steps: int) -> None:
        """Update the support set with view 1's keys, and the moving average with the networks just updated.

        The average's momentum rises from `positives.momentum` to 1 by a cosine over `total_steps`.
        """
        self.support.update(result.keys_BD, ids_B=ids_B, labels_B=labels_B, assignment_B=result.assignment_B)
        if self.target is not None:
            momentum = cosine_momentum(step, total_steps, self.cfg.positives.momentum)
            source = [*self.networks.encoder.parameters(), *self.networks.projector.parameters()]
            move_towards(list(self.target.parameters()), source, momentum)
