"""Online k-means against scikit-learn, closed forms and slow references."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans

from tests.helpers.dispatch_counter import count_calls
from trainables.maths import kmeans


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(rows: int, dim: int = 8, centres: int = 6, seed: int = 0) -> torch.Tensor:
    g = generator(seed)
    middle = 4 * torch.randn(centres, dim, generator=g)
    return middle[torch.randint(centres, (rows,), generator=g)] + torch.randn(rows, dim, generator=g)


def sklearn_kmeans(centres: torch.Tensor) -> MiniBatchKMeans:
    return MiniBatchKMeans(n_clusters=len(centres), init=centres.numpy(), n_init=1, reassignment_ratio=0)


@pytest.mark.parametrize("k", [1, 5, 100])
def test_assignment_and_update_agree_with_sklearn(k):
    # k = 100 exceeds the batch of 64 (scikit-learn asks only its first batch to be larger than k).
    x = blobs(64 * 20)
    centres, counts = x[torch.randperm(len(x), generator=generator(1))[:k]].clone(), torch.zeros(k)
    theirs = sklearn_kmeans(centres)
    for batch in x.split([128, *[64] * 18]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.partial_fit(batch.numpy())
        kmeans.minibatch_update(centres, counts, batch, kmeans.assign(batch, centres, "euclidean"))
        np.testing.assert_allclose(centres.numpy(), theirs.cluster_centers_, atol=2e-5)
        np.testing.assert_array_equal(kmeans.assign(x, centres, "euclidean").numpy(), theirs.predict(x.numpy()))
    np.testing.assert_allclose(counts.numpy(), theirs._counts, rtol=1e-6)


def test_count_update_is_the_mean_of_all_rows_given():
    x, index = torch.randn(30, 4, generator=generator()), torch.randint(3, (30,), generator=generator(1))
    centres, counts = torch.full((4, 4), 7.0), torch.zeros(4)
    for rows, places in zip(x.split(7), index.split(7), strict=True):
        kmeans.minibatch_update(centres, counts, rows, places)
    for k in range(3):
        torch.testing.assert_close(centres[k], x[index == k].mean(dim=0))
        assert counts[k] == (index == k).sum()
    assert (centres[3] == 7).all()  # an empty cluster does not move
    assert counts[3] == 0


def test_ema_update_is_the_weighted_mean_with_the_given_half_life():
    x = torch.randn(12, 2, 4, generator=generator())
    centres, counts, decay = torch.zeros(1, 4), torch.zeros(1), kmeans.ema_decay(3.0)
    for batch in x:
        kmeans.minibatch_update(centres, counts, batch, torch.zeros(2, dtype=torch.int64), decay=decay)
    age = torch.arange(11, -1, -1.0)
    weight = 0.5 ** (age / 3)
    torch.testing.assert_close(centres[0], (weight[:, None] * x.sum(dim=1)).sum(dim=0) / (2 * weight.sum()))
    torch.testing.assert_close(counts[0], 2 * weight.sum())


def test_ema_forgets_by_half_after_the_half_life():
    assert kmeans.ema_decay(10) ** 10 == pytest.approx(0.5)


def test_cosine_and_euclidean_assignment_by_hand():
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    queries = torch.tensor([[9.0, 1.0], [0.2, 0.3]])
    assert kmeans.assign(queries, centres, "cosine").tolist() == [0, 1]
    far = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    assert kmeans.assign(torch.tensor([[4.9, 3.0], [5.1, 3.0]]), far, "euclidean").tolist() == [0, 1]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_assignment_agrees_with_a_slow_reference(metric):
    queries, centres = blobs(40, seed=2), blobs(17, seed=3)
    if metric == "cosine":
        centres = kmeans.normalise(centres)
        distance = 1 - kmeans.normalise(queries) @ centres.T
    else:
        distance = (queries[:, None] - centres).square().sum(dim=2)
    assert torch.equal(kmeans.assign(queries, centres, metric), distance.argmin(dim=1))


@pytest.mark.parametrize("columns", [1, 999, 1000, 1001, 1999, 2000, 4097])
def test_best_finds_every_place(columns: int):
    scores = torch.zeros(columns, columns).fill_diagonal_(1.0)
    found, index = kmeans.best(scores)
    assert found.tolist() == [1.0] * columns
    assert index.tolist() == list(range(columns))


def test_best_of_wide_rows_is_the_plain_maximum():
    scores = torch.randn(64, 3001, generator=torch.Generator().manual_seed(0))
    scores[0] = float("-inf")
    scores[1] = 2.5  # all tied: any place will do
    scores[2, [7, 2990]] = 9.0
    found, index = kmeans.best(scores)
    assert torch.equal(found, scores.amax(dim=1))
    assert torch.equal(scores.gather(1, index[:, None])[:, 0], found)
    assert torch.equal(index[3:], scores[3:].argmax(dim=1))


def test_normalise_keeps_zero_rows():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    wanted = torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    torch.testing.assert_close(kmeans.normalise(x), wanted)
    torch.testing.assert_close(kmeans.normalise_(x), wanted)
    assert torch.equal(x, kmeans.normalise_(x))


def test_kmeans_plus_plus_draws_distinct_rows_and_is_seeded():
    x = blobs(50)
    drawn = kmeans.kmeans_plus_plus(x, 50, generator(5))
    assert sorted(drawn.tolist()) == list(range(50))
    first = kmeans.kmeans_plus_plus(x, 10, generator(6))
    assert torch.equal(first, kmeans.kmeans_plus_plus(x, 10, generator(6)))
    assert not torch.equal(first, kmeans.kmeans_plus_plus(x, 10, generator(7)))


def test_kmeans_plus_plus_draws_by_squared_distance():
    # From 0, points at distance 1 and 3 are drawn with probabilities 0.1 and 0.9; a copy of 0 never.
    x = torch.tensor([[0.0], [1.0], [3.0]])
    g = generator()
    draws = [kmeans.kmeans_plus_plus(x, 1, g, chosen_MD=torch.zeros(1, 1)).item() for _ in range(2000)]
    assert draws.count(0) == 0
    assert draws.count(2) / 2000 == pytest.approx(0.9, abs=0.03)


def test_kmeans_plus_plus_first_draw_is_uniform():
    x = torch.tensor([[0.0], [1.0], [100.0], [1000.0]])
    g = generator()
    draws = [kmeans.kmeans_plus_plus(x, 1, g).item() for _ in range(2000)]
    assert [draws.count(i) / 2000 for i in range(4)] == pytest.approx([0.25] * 4, abs=0.04)


def test_kmeans_plus_plus_covers_separated_blobs():
    middles = torch.eye(8) * 100
    x = middles.repeat(20, 1) + torch.randn(160, 8, generator=generator())
    drawn = kmeans.kmeans_plus_plus(x, 8, generator(1))
    assert sorted((drawn % 8).tolist()) == list(range(8))


def test_kmeans_plus_plus_refuses_more_rows_than_there_are():
    with pytest.raises(ValueError, match="cannot draw k=4 rows from 3"):
        kmeans.kmeans_plus_plus(torch.zeros(3, 2), 4, generator())


def test_kmeans_plus_plus_of_equal_rows_stays_in_range():
    drawn = kmeans.kmeans_plus_plus(torch.ones(5, 2), 3, generator())
    assert ((drawn >= 0) & (drawn < 5)).all()


def test_sinkhorn_balances_and_agrees_with_a_slow_reference():
    scores = torch.randn(12, 4, generator=generator()) / 4
    slow = np.exp(scores.double().numpy() / 0.5)
    for _ in range(3):
        slow = slow / slow.sum(axis=0, keepdims=True)
        slow = slow / slow.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(kmeans.sinkhorn(scores, epsilon=0.5).numpy(), slow, rtol=1e-4)
    many = kmeans.sinkhorn(scores, epsilon=0.5, iterations=200)
    torch.testing.assert_close(many.sum(dim=1), torch.ones(12))
    torch.testing.assert_close(many.sum(dim=0), torch.full((4,), 3.0))


def test_sinkhorn_survives_extreme_scores():
    weights = kmeans.sinkhorn(torch.tensor([[1000.0, -1000.0], [999.0, -1000.0]]))
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_balanced_assignment_uses_centres_that_the_nearest_rule_ignores(metric):
    x = kmeans.normalise(torch.randn(64, 8, generator=generator()) + 1)
    centres = torch.cat([x[:1], kmeans.normalise(torch.randn(7, 8, generator=generator(1)) - 1)])
    nearest = len(kmeans.assign(x, centres, metric).unique())
    balanced = len(kmeans.balanced_assign(x, centres, metric).unique())
    assert nearest < 4
    assert balanced >= 6


def test_balanced_assignment_ignores_the_scale_of_euclidean_data():
    x, centres = blobs(40), blobs(6, seed=1)
    assert torch.equal(
        kmeans.balanced_assign(x, centres, "euclidean"), kmeans.balanced_assign(50 * x, 50 * centres, "euclidean")
    )


def test_revive_moves_only_dead_centres_onto_distinct_rows():
    centres, counts = torch.zeros(5, 3), torch.full((5,), 9.0)
    usage = torch.tensor([1.0, 0.05, 2.0, 0.0, 0.4])
    x = torch.arange(1, 25).float().view(8, 3)
    slot, row, dead = kmeans.revive(centres, counts, usage, x, threshold=0.1, limit=3, generator=generator())
    assert slot.tolist() == [3, 1, 4]
    assert dead.tolist() == [True, True, False]
    assert len(row.unique()) == 3
    torch.testing.assert_close(centres[[3, 1]], x[row[:2]])
    assert (centres[[0, 2, 4]] == 0).all()
    assert counts.tolist() == [9, 1, 9, 1, 9]
    torch.testing.assert_close(usage, torch.tensor([1.0, 1.0, 2.0, 1.0, 0.4]))


def test_stochastic_rounding_is_unbiased_and_exact_on_halves():
    x = torch.full((20000,), 1 + 0.25 * 2**-10)  # a quarter of the way between two halves
    rounded = kmeans.round_to_half(x, generator())
    assert rounded.dtype == torch.float16
    assert set(rounded.double().unique().tolist()) == {1.0, 1 + 2**-10}
    assert rounded.double().mean().item() == pytest.approx(1 + 0.25 * 2**-10, abs=2e-5)
    exact = torch.randn(1000, generator=generator()).half()
    assert torch.equal(kmeans.round_to_half(exact.float(), generator()), exact)
    assert torch.equal(kmeans.round_to_half(-exact.float(), generator()), -exact)


def test_nothing_waits_for_the_device():
    x, centres = blobs(32), blobs(8, seed=1)
    counts, usage, g = torch.ones(8), torch.ones(8), generator()

    def everything():
        index = kmeans.assign(x, centres, "euclidean")
        kmeans.minibatch_update(centres, counts, x, index, decay=kmeans.ema_decay(5))
        kmeans.balanced_assign(x, centres, "euclidean")
        kmeans.kmeans_plus_plus(x, 4, g, centres)
        kmeans.revive(centres, counts, usage, x, threshold=0.5, limit=2, generator=g)
        kmeans.round_to_half(centres, g)

    assert count_calls(everything).syncs == 0


def test_the_counter_sees_waits():
    x = torch.ones(3)
    assert count_calls(lambda: x.sum().item()).syncs == 1
    assert count_calls(lambda: bool((x > 0).all())).syncs == 1
    assert count_calls(lambda: x[x > 0]).syncs == 1
    for read in (x.tolist, x.numpy, x.cpu, lambda: np.asarray(x)):  # on a CPU these are no calls of kernels
        assert count_calls(read).syncs == 1
    assert count_calls(lambda: x.view(1, 3).expand(2, 3).T[0]).kernels == 0
    assert count_calls(lambda: x + x).kernels == 1
