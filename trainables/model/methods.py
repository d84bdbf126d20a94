"""The methods: which networks are trained, what a view's positive is, and what happens after a step.

Shapes: B images, 2B both views concatenated (view 1 first), C channels, D embedding size.

| method | positive of view 1 (view 2 alike) | predicted by | loss |
|---|---|---|---|
| simclr | the other view's projection | projection | NT-Xent |
| byol | the other view's projection by the moving average | predictor | 2 - 2 cos |
| none | view 1's own projection, no gradient | predictor of view 2 | cross-entropy over the batch |
| nnclr, kmclr | view 1's neighbour in the support set | predictor of view 2 | cross-entropy over the batch |

So `none` is nnclr with an empty support set: the same heads, the same loss, the other view as positive.
The order of a step is fixed: look up (both views at once), loss, then one update with the first view's projections,
so that a search never finds the sample itself. No gradient flows into a support set.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from trainables.maths import losses
from trainables.maths.schedules import cosine_momentum
from trainables.model.networks import Embedded, Networks, copy_without_gradient, move_towards
from trainables.settings.config import RunConfig
from trainables.support import build as support_sets


class StepResult(NamedTuple):
    """A step's loss, and what the support set's update needs: view 1's keys [B, D] and their assignment [B] or None."""

    loss: Tensor
    keys_BD: Tensor
    assignment_B: Tensor | None


def stack_views(parts: list[Embedded]) -> Embedded:
    """Several batches' embeddings as one, rows in the order given."""
    if len(parts) == 1:
        return parts[0]
    return Embedded(*(None if rows[0] is None else torch.cat(rows) for rows in zip(*parts, strict=True)))


def swap_views(rows_2B: Tensor) -> Tensor:
    """Exchange the two halves of the rows: what belonged to view 1 stands where view 2 was."""
    return torch.cat(rows_2B.chunk(2)[::-1])


@functools.lru_cache(maxsize=8)
def _own_column(batch: int, device: torch.device) -> Tensor:
    """0, 1, ..., batch - 1 twice: where each row's own prediction stands, for both directions."""
    return torch.arange(batch, device=device).repeat(2)


def both_directions(positives_2BD: Tensor, predictions_2BD: Tensor, temperature: float) -> Tensor:
    """Mean of neighbour_nce(view 1's positives, view 2's predictions) and of the same the other way round.

    Equal to two calls of `losses.neighbour_nce`, in half the kernels: both directions are one batched product.
    The positives must be unit rows, as a look-up gives them; predictions of any length are normalised.
    """
    views = (2, len(positives_2BD) // 2, -1)
    positives = (positives_2BD.detach() / temperature).view(views)
    predictions = normalize(predictions_2BD.float(), dim=1).view(views)
    logits = torch.bmm(positives.flip(0), predictions.transpose(1, 2)).flatten(0, 1)
    return cross_entropy(logits, _own_column(views[1], logits.device))


class Method(nn.Module):
    """Networks, moving average (if any) and support set of one run, and the loss between them.

    Everything that must survive a restart is in `state_dict` (the support set's counters through its extra state).
    """

    def __init__(self, cfg: RunConfig, *, channels: int, num_classes: int, device: torch.device) -> None:
        super().__init__()
        self.cfg = cfg
        self.kind = cfg.method
        self.networks = Networks(cfg.encoder, cfg.heads, channels, predictor=cfg.method != "simclr")
        self.target = self._moving_average(channels)
        self.support = support_sets.build(
            cfg.method,
            cfg.support,
            cfg.positives,
            dim=cfg.heads.embedding_dim,
            num_classes=num_classes,
            device=device,
            seed=cfg.seed,
        )
        self.to(device)

    def _moving_average(self, channels: int) -> Networks | None:
        if self.kind != "byol" and not self.cfg.positives.momentum_encoder:
            return None
        target = Networks(self.cfg.encoder, self.cfg.heads, channels, predictor=False)
        copy_without_gradient(self.networks.encoder, target.encoder)
        copy_without_gradient(self.networks.projector, target.projector)
        return target

    def embed(self, views_2BCHW: Tensor) -> tuple[Embedded, Tensor]:
        """Run the networks on both views: ([2B] rows in float32, queries [2B, D] without gradient).

        Queries come from the moving average where there is one, else they are the projections. Call this under
        autocast; with `train.one_forward` both views share one forward and so one set of BatchNorm statistics.
        """
        batches = (views_2BCHW,) if self.cfg.train.one_forward else views_2BCHW.chunk(2)
        embedded = stack_views([self.networks(views) for views in batches])
        embedded = Embedded(*(None if rows is None else rows.float() for rows in embedded))
        if self.target is None:
            return embedded, embedded.projections.detach()
        with torch.no_grad():
            queries = [self.target(views).projections for views in batches]
        return embedded, (torch.cat(queries) if len(queries) > 1 else queries[0]).float()

    def loss(self, embedded: Embedded, queries_2BD: Tensor, ids_2B: Tensor, labels_2B: Tensor) -> StepResult:
        """The step's loss (float32, outside autocast). Labels and image ids (of the rows of both views) serve
        diagnostics and masking only."""
        keys = queries_2BD.chunk(2)[0]
        if self.kind == "simclr":
            z1, z2 = embedded.projections.chunk(2)
            return StepResult(losses.nt_xent(z1, z2, self.cfg.loss.temperature), keys, None)
        if self.kind == "byol":
            targets = swap_views(queries_2BD)
            rows = len(targets) if self.cfg.loss.symmetric else len(targets) // 2
            return StepResult(losses.byol_loss(embedded.predictions[:rows], targets[:rows]), keys, None)
        temperature = self.cfg.loss.temperature
        if self.cfg.loss.symmetric:
            positives, assignment = self._positives(queries_2BD, ids_2B, labels_2B)
            return StepResult(both_directions(positives, embedded.predictions, temperature), keys, assignment)
        positives, assignment = self._positives(keys, ids_2B[: len(keys)], labels_2B[: len(keys)])
        predictions = embedded.predictions.chunk(2)[1]
        return StepResult(losses.neighbour_nce(positives, predictions, temperature), keys, assignment)

    def _positives(self, queries_ND: Tensor, ids_N: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor | None]:
        """Positives of the queries [N, D] (N = B or 2B) as unit rows, and view 1's assignment; queries themselves,
        normalised, at first."""
        if not self.support.ready:
            return normalize(queries_ND.detach().float(), dim=1), None
        found = self.support.look_up(queries_ND, ids_N=ids_N, labels_N=labels_N)
        batch = len(queries_ND) // 2 if self.cfg.loss.symmetric else len(queries_ND)
        return found.positives_BD, found.index_B[:batch]

    def after_step(self, result: StepResult, ids_B: Tensor, labels_B: Tensor, step: int, total_steps: int) -> None:
        """Update the support set with view 1's keys, and the moving average with the networks just updated.

        The average's momentum rises from `positives.momentum` to 1 by a cosine over `total_steps`.
        """
        self.support.update(result.keys_BD, ids_B=ids_B, labels_B=labels_B, assignment_B=result.assignment_B)
        if self.target is not None:
            momentum = cosine_momentum(step, total_steps, self.cfg.positives.momentum)
            source = [*self.networks.encoder.parameters(), *self.networks.projector.parameters()]
            move_towards(list(self.target.parameters()), source, momentum)
