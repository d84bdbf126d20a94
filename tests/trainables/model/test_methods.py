"""Methods: which positive meets which prediction, what carries gradient, and the order of look-up and update."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from tests.helpers.trial_helpers import tiny
from trainables.maths import losses
from trainables.model import methods
from trainables.model.networks import Embedded
from trainables.settings.config import RunConfig
from trainables.vocabulary.methods_and_support_sets import METHODS

CPU = torch.device("cpu")
IDS, LABELS = torch.arange(6), torch.tensor([0, 1, 2, 0, 1, 2])
BOTH = (IDS.repeat(2), LABELS.repeat(2))  # of the rows of both views


def build(cfg: RunConfig) -> methods.Learner:
    torch.manual_seed(0)
    return methods.Learner(cfg, channels=1, num_classes=3, device=CPU)


def rows(seed: int, n: int = 12, d: int = 8) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def embedded(seed: int = 0) -> Embedded:
    return Embedded(rows(seed, d=16), rows(seed + 1).requires_grad_(), rows(seed + 2).requires_grad_())


def targets(projections: torch.Tensor, seed: int = 7) -> Embedded:
    """What a moving average makes of a batch."""
    return Embedded(rows(seed, d=16), projections.detach(), None)


def fill(method: methods.Learner) -> None:
    for seed in range(10):
        method.support.update(rows(100 + seed, 6), ids_B=IDS + 100, labels_B=LABELS)
    assert method.support.ready


def test_every_loss_of_the_vocabulary_has_a_function():
    assert {method.loss for method in METHODS.values()} == methods.LOSSES.keys()


@pytest.mark.parametrize("symmetric", [True, False])
def test_none_takes_the_other_views_projection(symmetric: bool):
    method, views = build(tiny("none", loss={"symmetric": symmetric})), embedded()
    (z1, z2), (p1, p2) = views.projections.chunk(2), views.predictions.chunk(2)
    loss = method.loss(views, targets(views.projections), *BOTH).loss
    expected = losses.neighbour_nce(z1, p2, 0.2)
    if symmetric:
        expected = (expected + losses.neighbour_nce(z2, p1, 0.2)) / 2
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("kind", ["nnclr", "kmclr"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_positives_come_from_the_support_set(kind: str, symmetric: bool):
    method, views = build(tiny(kind, loss={"symmetric": symmetric})), embedded()
    fill(method)
    queries = views.projections.detach()
    stored = method.support.vectors_for_plot()
    nearest = stored[(normalize(queries, dim=1) @ stored.T).argmax(1)]
    (n1, n2), (p1, p2) = nearest.chunk(2), views.predictions.chunk(2)
    expected = losses.neighbour_nce(n1, p2, 0.2)
    if symmetric:
        expected = (expected + losses.neighbour_nce(n2, p1, 0.2)) / 2
    torch.testing.assert_close(method.loss(views, targets(queries), *BOTH).loss, expected)


@pytest.mark.parametrize("kind", ["nnclr", "kmclr"])
def test_an_empty_support_set_is_the_none_arm(kind: str):
    views = embedded()
    losses_of = [build(tiny(name)).loss(views, targets(views.projections), *BOTH).loss for name in (kind, "none")]
    assert torch.equal(*losses_of)


def test_simclr_is_nt_xent_on_projections():
    views = embedded()
    z1, z2 = views.projections.chunk(2)
    method = build(tiny("simclr"))
    assert method.networks.predictor is None
    torch.testing.assert_close(method.loss(views, targets(views.projections), *BOTH).loss, losses.nt_xent(z1, z2, 0.2))


def test_byol_predicts_the_moving_averages_view_of_the_other_image():
    views, aims = embedded(), rows(9)
    (t1, t2), (p1, p2) = aims.chunk(2), views.predictions.chunk(2)
    expected = (losses.byol_loss(p1, t2) + losses.byol_loss(p2, t1)) / 2
    torch.testing.assert_close(build(tiny("byol")).loss(views, targets(aims), *BOTH).loss, expected)
    one_way = build(tiny("byol", loss={"symmetric": False})).loss(views, targets(aims), *BOTH).loss
    torch.testing.assert_close(one_way, losses.byol_loss(p1, t2))


@pytest.mark.parametrize("symmetric", [True, False])
def test_resa_predicts_the_other_view_in_the_shares_of_view_1s_features(symmetric: bool):
    method, views, aims = build(tiny("resa", loss={"symmetric": symmetric})), embedded(), targets(rows(9))
    shares = torch.exp(normalize(views.features[:6], dim=1) @ normalize(aims.features[:6], dim=1).T / 0.05)
    for _ in range(3):
        shares = shares / shares.sum(0)
        shares = shares / shares.sum(1, keepdim=True)

    def one_way(predictions: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        logits = normalize(predictions, dim=1) @ normalize(other, dim=1).T / 0.2
        return -(shares * logits.log_softmax(1)).sum(1).mean()

    (t1, t2), (p1, p2) = aims.projections.chunk(2), views.predictions.chunk(2)
    expected = (one_way(p1, t2) + one_way(p2, t1)) / 2 if symmetric else one_way(p1, t2)
    loss = method.loss(views, aims, *BOTH).loss
    torch.testing.assert_close(loss, expected)
    assert (method.target is not None, method.support.nbytes) == (True, 0)


@pytest.mark.parametrize("kind", ["nnclr", "kmclr"])
def test_look_up_then_one_update_with_view_1(kind: str, monkeypatch: pytest.MonkeyPatch):
    method, views = build(tiny(kind)), embedded()
    fill(method)
    calls = []
    look_up, update = method.support.look_up, method.support.update

    def spy_look_up(queries: torch.Tensor, **keywords: torch.Tensor):
        calls.append(("look_up", queries.clone()))
        return look_up(queries, **keywords)

    def spy_update(keys: torch.Tensor, **keywords: torch.Tensor) -> None:
        calls.append(("update", keys.clone()))
        update(keys, **keywords)

    monkeypatch.setattr(method.support, "look_up", spy_look_up)
    monkeypatch.setattr(method.support, "update", spy_update)
    queries = views.projections.detach()
    result = method.loss(views, targets(queries), *BOTH)
    method.after_step(result, IDS, LABELS, step=0, total_steps=10)
    assert [name for name, _ in calls] == ["look_up", "update"]
    assert torch.equal(calls[0][1], queries)  # both views in one search
    assert torch.equal(calls[1][1], queries[:6])  # the first view alone is stored


def test_a_search_never_finds_the_sample_itself_in_its_own_step():
    method = build(tiny("nnclr"))
    fill(method)
    for step in range(3):
        views = embedded(10 * step)
        ids = IDS + 1000 * (step + 1)
        result = method.loss(views, targets(views.projections), ids.repeat(2), BOTH[1])
        method.after_step(result, ids, LABELS, step, total_steps=10)
    assert float(method.support.diagnostics()["self_hit_rate"]) == 0.0
    again = method.loss(views, targets(views.projections), ids.repeat(2), BOTH[1])  # now stored: the counter works
    assert again.assignment_B is not None
    assert float(method.support.diagnostics()["self_hit_rate"]) > 0.1


@pytest.mark.parametrize("one_forward", [True, False])
def test_embedding_puts_view_1_first(one_forward: bool):
    method = build(tiny("nnclr", train={"one_forward": one_forward})).eval()
    images = torch.randn(4, 1, 8, 8)
    views, (features, queries, _) = method.embed(images)
    alone = method.networks(images[:2])
    torch.testing.assert_close(views.projections[:2], alone.projections)
    torch.testing.assert_close(queries, views.projections.detach())
    torch.testing.assert_close(features, views.features.detach())
    assert not queries.requires_grad
    assert not features.requires_grad


def test_one_forward_changes_only_batch_norms_statistics():
    images = torch.randn(8, 1, 8, 8)
    two = build(tiny("none")).embed(images)[0]
    one = build(tiny("none", train={"one_forward": True})).embed(images)[0]
    assert two.projections.shape == one.projections.shape
    assert not torch.allclose(two.projections, one.projections)
    both_alike = torch.cat((images[:4], images[:4]))
    two, one = build(tiny("none")), build(tiny("none", train={"one_forward": True}))
    torch.testing.assert_close(two.embed(both_alike)[0].features, one.embed(both_alike)[0].features)


@pytest.mark.parametrize("kind", ["byol", "kmclr"])
def test_queries_of_the_moving_average_and_its_update(kind: str):
    method = build(tiny(kind, positives={"momentum_encoder": True, "momentum": 0.9}))
    images = torch.randn(4, 1, 8, 8)
    _, (features, queries, _) = method.embed(images)
    with torch.no_grad():
        expected = [method.target(view) for view in images.chunk(2)]
    torch.testing.assert_close(queries, torch.cat([view.projections for view in expected]))
    torch.testing.assert_close(features, torch.cat([view.features for view in expected]))
    before = [p.clone() for p in method.target.parameters()]
    with torch.no_grad():
        for p in method.networks.parameters():
            p.add_(1.0)
    method.after_step(methods.StepResult(torch.zeros(()), queries[:2], None), IDS[:2], LABELS[:2], 0, 10)
    for now, then in zip(method.target.parameters(), before, strict=True):
        torch.testing.assert_close(now, then + 0.1)  # 0.9 then + 0.1 (then + 1)


def test_the_moving_average_starts_equal_and_is_not_trained():
    method = build(tiny("byol"))
    assert torch.equal(method.target.encoder.layers[0].weight, method.networks.encoder.layers[0].weight)
    assert not any(p.requires_grad for p in method.target.parameters())
    assert build(tiny("kmclr")).target is None


@pytest.mark.parametrize("kind", ["nnclr", "byol"])
@pytest.mark.parametrize("momentum_encoder", [False, True])
def test_a_method_s_bytes_are_its_support_set_s_and_its_moving_average_s(kind: str, momentum_encoder: bool):
    method = build(tiny(kind, positives={"momentum_encoder": momentum_encoder}))
    kept = [method.networks.encoder, method.networks.projector]
    copy = sum(t.nbytes for net in kept for t in (*net.parameters(), *net.buffers()))
    averages = kind == "byol" or momentum_encoder
    assert method.nbytes == method.support.nbytes + averages * copy
    assert (method.support.nbytes > 0) == (kind == "nnclr")


def test_networks_of_equal_seed_are_equal_across_methods():
    weights = [build(tiny(kind)).networks.encoder.state_dict() for kind in METHODS]
    for other in weights[1:]:
        assert all(torch.equal(weights[0][name], other[name]) for name in weights[0])
