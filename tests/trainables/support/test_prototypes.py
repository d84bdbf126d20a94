"""Prototypes: start, updates, forgetting, revival, storage, diagnostics, and agreement with scikit-learn."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans

from tests.helpers.support_helpers import BATCH, CLASSES, DIM, make, step, stream, unit
from trainables.maths import kmeans


def run(support, batches):
    for keys, ids, labels in batches:
        step(support, keys, ids, labels)
    return support


def test_agrees_with_sklearn_from_its_own_start():
    support = make("kmclr", {"metric": "euclidean", "forget_every": 0})
    batches = stream(30)
    support.update(batches[0][0])
    assert support.ready
    theirs = MiniBatchKMeans(n_clusters=12, init=support.centres_KD.numpy().copy(), n_init=1, reassignment_ratio=0)
    for i, (keys, _, _) in enumerate(batches[1:]):
        if i > 0:
            found = support.look_up(keys)
            np.testing.assert_array_equal(found.index_B.numpy(), theirs.predict(keys.numpy()))
        support.update(keys)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if i == 0:  # make its counts start at 1 too, as each of our first prototypes stands for one embedding
                theirs.partial_fit(np.asarray(theirs.init))
            theirs.partial_fit(keys.numpy())
        np.testing.assert_allclose(support.centres_KD.numpy(), theirs.cluster_centers_, atol=2e-5)


@pytest.mark.parametrize("k", [1, 5, 16, 17, 100])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_starts_from_distinct_embeddings_even_if_k_exceeds_the_batch(k, metric):
    support, batches = make("kmclr", {"k": k, "metric": metric}), stream(8)
    steps = math.ceil(k / BATCH)
    for i, (keys, ids, labels) in enumerate(batches[:steps]):
        assert not support.ready
        found = support.look_up(keys)
        assert not found.valid
        assert (found.index_B == 0).all()
        torch.testing.assert_close(found.positives_BD, unit(keys))
        support.update(keys, ids_B=ids, labels_B=labels)
        assert support.vectors_for_plot().shape == (min(k, (i + 1) * BATCH), DIM)
    assert support.ready
    seen = torch.cat([keys for keys, _, _ in batches[:steps]])
    seen = unit(seen) if metric == "cosine" else seen
    nearest, index = torch.cdist(support.centres_KD, seen, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    assert nearest.max().item() < 1e-6
    assert len(index.unique()) == k
    assert (support.counts_K == 1).all()


@pytest.mark.parametrize("before", [0, 1])
def test_the_last_missing_prototypes_are_drawn_by_kmeans_plus_plus(before):
    # Rows of one heap and, as the last of all, one far away: by squared distance it is drawn, by order or chance not.
    heap = 0.01 * torch.randn(BATCH - 1, DIM, generator=torch.Generator().manual_seed(0))
    batch = torch.cat([heap, 100 * torch.ones(1, DIM)])
    for seed in range(5):
        support = make("kmclr", {"k": 2 + before, "metric": "euclidean"}, seed=seed)
        if before:
            support.update(heap[:1])
        support.update(batch)
        assert support.ready
        assert (support.centres_KD.sum(dim=1) > 700).sum() == 1


@pytest.mark.parametrize("update", ["count", "ema"])
def test_cosine_prototypes_stay_on_the_sphere(update):
    support = run(make("kmclr", {"update": update, "forget_every": 0}), stream(30))
    torch.testing.assert_close(support.centres_KD.norm(dim=1), torch.ones(12))


def test_cosine_update_slow_reference():
    support, batches = make("kmclr", {"forget_every": 0}), stream(5)
    support.update(batches[0][0])
    centres, counts = support.centres_KD.clone().double(), [1.0] * 12
    for keys, _, _ in batches[1:]:
        rows = unit(keys).double()
        index = (rows @ centres.T).argmax(dim=1)
        support.update(keys)
        for k in range(12):
            mine = rows[index == k]
            centres[k] = unit((counts[k] * centres[k] + mine.sum(dim=0)) / (counts[k] + len(mine)))
            counts[k] += len(mine)
    torch.testing.assert_close(support.centres_KD.double(), centres, atol=1e-6, rtol=1e-5)
    assert support.counts_K.tolist() == counts


def test_passing_the_look_up_s_assignment_changes_nothing():
    given, searched = make("kmclr"), make("kmclr")
    for keys, _, _ in stream(10):
        found = given.look_up(torch.cat([keys, -keys]))
        given.update(keys, assignment_B=found.index_B[:BATCH] if found.valid else None)
        searched.update(keys)
    assert torch.equal(given.centres_KD, searched.centres_KD)


def test_ema_follows_a_drift_that_count_does_not():
    errors = {}
    for update in ("count", "ema"):
        support = make("kmclr", {"k": 1, "metric": "euclidean", "update": update, "half_life": 5.0, "forget_every": 0})
        for i in range(200):
            support.update(torch.full((4, DIM), float(i)))
        errors[update] = (199 - support.centres_KD).abs().max().item()
    assert errors["count"] == pytest.approx(99.5, rel=0.02)
    b = 0.5 ** (1 / 5)
    assert errors["ema"] == pytest.approx(b / (1 - b), rel=0.01)  # the mean age of a geometric weighting


def test_forgetting_reseeds_from_the_newest_embeddings():
    support, batches = make("kmclr", {"k": 20, "forget_every": 2}), stream(6)
    run(support, batches)
    before = support.centres_KD.clone()
    support.end_epoch(1)
    assert torch.equal(support.centres_KD, before)
    support.end_epoch(2)
    newest = unit(torch.cat([keys for keys, _, _ in batches])[-20:])
    distance = torch.cdist(support.centres_KD, newest, compute_mode="donot_use_mm_for_euclid_dist")
    assert sorted(distance.argmin(dim=1).tolist()) == list(range(20))
    assert distance.amin(dim=1).max().item() < 1e-6
    assert (support.counts_K == 1).all()
    labels = torch.cat([labels for _, _, labels in batches])[-20:]
    found = support.diagnostics_.labels_KC[distance.argmin(dim=0)]
    assert torch.equal(found, torch.nn.functional.one_hot(labels, CLASSES).float())


@pytest.mark.parametrize("support", [{"forget_every": 0}, {"update": "ema", "forget_every": 1}])
def test_no_forgetting_when_switched_off_or_with_ema(support):
    prototypes = run(make("kmclr", support), stream(6))
    before = prototypes.centres_KD.clone()
    prototypes.end_epoch(1)
    assert torch.equal(prototypes.centres_KD, before)
    assert not hasattr(prototypes, "recent_KD")


def test_an_unready_set_forgets_nothing():
    prototypes = run(make("kmclr", {"k": 100, "forget_every": 1}), stream(2))
    prototypes.end_epoch(1)
    assert prototypes.vectors_for_plot().shape == (32, DIM)
    torch.testing.assert_close(prototypes.centres_KD[:16], unit(stream(2)[0][0]))


def far_start(revive_after: float):
    """Prototypes of which all but one start far from where the stream goes on."""
    support = make("kmclr", {"metric": "euclidean", "forget_every": 0, "revive_after": revive_after})
    support.update(torch.cat([torch.zeros(1, DIM), 1000 + 10 * torch.eye(15, DIM) * torch.arange(1, 16)[:, None]]))
    return support


def test_revival_brings_dead_prototypes_into_use():
    batches = stream(60)
    used = {}
    for revive_after in (0.0, 0.2):
        support = run(far_start(revive_after), batches)
        support.end_epoch(1)
        run(support, stream(30, seed=0))
        used[revive_after] = support.diagnostics()["prototypes_used"].item()
    assert used[0.0] <= 3 / 12
    assert used[0.2] >= 10 / 12


def test_a_revived_prototype_stands_for_its_new_row_alone():
    support = far_start(0.5)
    support.diagnostics_.labels_KC.fill_(7.0)
    support.usage_K[3] = 0  # the least used: it is moved at the next step
    row = torch.ones(1, DIM)
    support.update(row, labels_B=torch.tensor([2]))
    torch.testing.assert_close(support.centres_KD[3], row[0])
    assert support.counts_K[3] == 1
    assert support.diagnostics_.labels_KC[3].tolist() == [0, 0, 1, 0, 0]
    assert (support.diagnostics_.labels_KC.sum(dim=1) >= 7 * CLASSES).sum() == 11  # of no other


def test_forgetting_starts_the_count_of_uses_anew():
    support = run(make("kmclr", {"revive_after": 1e-9, "forget_every": 1}), stream(8))
    assert (support.usage_K != 1).any()
    support.end_epoch(1)
    assert (support.usage_K == 1).all()


def test_usage_has_mean_one_whatever_the_batch():
    support = make("kmclr", {"revive_after": 1e-9})
    for batch in (16, 5, 1, 40):
        run(support, stream(3, batch=batch))
        assert support.usage_K.mean().item() == pytest.approx(1.0, rel=1e-5)


def test_sinkhorn_balances_the_update_only():
    plain, balanced = (run(make("kmclr", {"balance": b, "forget_every": 0}), stream(40)) for b in ("none", "sinkhorn"))
    spread = [s.counts_K.std().item() for s in (plain, balanced)]
    assert spread[1] < 0.7 * spread[0]
    keys = stream(1, seed=9)[0][0]
    nearest = (unit(keys) @ balanced.centres_KD.T).argmax(dim=1)
    assert torch.equal(balanced.look_up(keys).index_B, nearest)


@pytest.mark.parametrize("update", ["count", "ema"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_half_precision_stays_close(metric, update):
    settings = {"metric": metric, "update": update, "forget_every": 0}
    full, half = (
        run(make("kmclr", {**settings, "prototype_dtype": dtype}), stream(50)) for dtype in ("float32", "float16")
    )
    assert half.centres_KD.dtype == torch.float16
    cosine = (full.vectors_for_plot() * half.vectors_for_plot()).sum(dim=1)
    assert cosine.median().item() > 0.999
    positives = half.look_up(torch.randn(6, DIM)).positives_BD
    assert positives.dtype == torch.float32
    torch.testing.assert_close(positives.norm(dim=1), torch.ones(6), atol=1e-6, rtol=0)


def test_half_precision_prototypes_move_by_less_than_they_can_hold():
    # A rate of 1e-4 towards 1 from 0.5: 5e-5 a step, where a float16 near 0.5 holds steps of 4.9e-4.
    support = make("kmclr", {"k": 1, "metric": "euclidean", "prototype_dtype": "float16", "forget_every": 0})
    support.update(torch.full((1, DIM), 0.5))
    support.counts_K.fill_(1e4)
    for _ in range(400):
        support.update(torch.ones(1, DIM))
    assert support.centres_KD.float().mean().item() == pytest.approx(1 - 0.5 * 1e4 / 10400, abs=0.004)


def test_half_precision_does_not_stall_at_small_rates():
    # 2,000 steps of 1e-5 each towards 1: every one is below half a unit in the last place of a float16 near 0.5.
    centre = torch.full((4, 64), 0.5).half()
    generator = torch.Generator().manual_seed(0)
    for _ in range(2000):
        centre = kmeans.round_to_half(centre.float() + 1e-5, generator)
    assert centre.float().mean().item() == pytest.approx(0.52, abs=0.002)


def test_empty_clusters_and_a_batch_of_one():
    support = make("kmclr", {"k": 3, "forget_every": 0})
    support.update(torch.eye(3, DIM))
    support.update(torch.eye(3, DIM)[:1] * 5)
    assert sorted(support.counts_K.tolist()) == [1, 1, 2]
    assert torch.isfinite(support.centres_KD).all()
    assert support.look_up(torch.eye(3, DIM)[:1]).positives_BD.shape == (1, DIM)


def test_purity_used_and_entropy_by_hand():
    support = make("kmclr", {"k": 2, "forget_every": 0})
    keys = torch.eye(2, DIM)
    support.update(keys, labels_B=torch.tensor([0, 1]))
    first = int((support.centres_KD @ keys[0]).argmax())
    assert support.diagnostics() == {}
    # Prototype `first` gets rows of labels 0 and 2: its members are then {0, 0, 2}, shares 2/3 and 1/3.
    support.update(keys[[0, 0]], labels_B=torch.tensor([0, 2]), assignment_B=torch.tensor([first, first]))
    support.look_up(keys[[0, 0, 0, 0]], labels_N=torch.tensor([0, 0, 2, 1]))
    values = support.diagnostics()
    assert values["neighbour_purity"].item() == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 0) / 4)
    assert values["prototypes_used"].item() == 0.5
    assert values["prototype_entropy"].item() == 0
    support.look_up(keys[[1, 1, 1, 1]], labels_N=torch.tensor([1, 1, 1, 1]))
    values = support.diagnostics()
    assert values["neighbour_purity"].item() == pytest.approx((5 / 3 + 4) / 8)
    assert values["prototypes_used"].item() == 1
    assert values["prototype_entropy"].item() == pytest.approx(1)
    support.end_epoch(1)
    assert support.diagnostics() == {}


def test_entropy_of_a_single_prototype_is_one():
    support = run(make("kmclr", {"k": 1}), stream(2))
    assert support.diagnostics()["prototype_entropy"].item() == 1


def test_ema_label_histogram_decays_with_the_counts():
    support = run(make("kmclr", {"update": "ema", "half_life": 4.0}), stream(20))
    torch.testing.assert_close(support.diagnostics_.labels_KC.sum(dim=1), support.counts_K)


def test_purity_of_a_prototype_outlives_its_weight():
    support = make("kmclr", {"k": 2, "update": "ema", "half_life": 1.0})
    keys, labels = torch.eye(2, DIM), torch.tensor([3, 1])
    support.update(keys, labels_B=labels)
    for _ in range(60):  # the second prototype alone is given rows: the first one's weight fades to 1e-18
        support.update(keys[1:], labels_B=labels[1:])
    support.look_up(keys[:1], labels_N=labels[:1])
    assert support.diagnostics()["neighbour_purity"].item() == 1


@pytest.mark.parametrize(
    ("support", "nbytes"),
    [
        ({"forget_every": 0}, 12 * (DIM * 4 + 4)),
        ({}, 12 * (2 * DIM * 4 + 4)),
        ({"prototype_dtype": "float16"}, 12 * (2 * DIM * 2 + 4)),
        ({"update": "ema"}, 12 * (DIM * 4 + 4)),
        ({"update": "ema", "revive_after": 0.1}, 12 * (DIM * 4 + 4 + 4)),
    ],
)
def test_nbytes(support, nbytes):
    prototypes = make("kmclr", support)
    assert prototypes.nbytes == nbytes
    assert prototypes.vectors == 12
