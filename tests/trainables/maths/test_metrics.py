"""Metrics against torchmetrics, scikit-learn, slow references and closed forms."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import top_k_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from trainables.maths import metrics
from trainables.maths.metrics import effective_rank, embedding_std, knn_accuracy, topk_correct


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_topk_correct_by_hand():
    logits = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    labels = torch.tensor([1, 1, 0])
    assert topk_correct(logits, labels, (1, 2, 3)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_topk_correct_agrees_with_sklearn_and_torchmetrics(k):
    from torchmetrics.functional.classification import multiclass_accuracy

    logits = torch.randn(200, 10, generator=generator())
    labels = torch.randint(10, (200,), generator=generator(1))
    ours = topk_correct(logits, labels, (k,)).item() / 200
    assert ours == pytest.approx(top_k_accuracy_score(labels, logits.numpy(), k=k, labels=np.arange(10)))
    theirs = multiclass_accuracy(logits, labels, num_classes=10, top_k=k, average="micro")
    assert ours == pytest.approx(theirs.item())


def test_topk_correct_is_pessimistic_for_ties_and_nan():
    labels = torch.tensor([0, 1, 2, 3])
    assert topk_correct(torch.zeros(4, 4), labels, (1, 3, 4)).tolist() == [0, 0, 4]
    assert topk_correct(torch.full((4, 4), float("nan")), labels, (1, 3)).tolist() == [0, 0]
    one_nan = torch.tensor([[1.0, 0.0, float("nan"), -1.0]])
    assert topk_correct(one_nan, torch.tensor([0]), (1, 2)).tolist() == [0, 1]


def test_topk_correct_of_an_empty_batch_and_k_above_the_classes():
    assert topk_correct(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), (1, 5)).tolist() == [0, 0]
    assert topk_correct(torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2]), (5,)).tolist() == [6]


def slow_knn(train, train_labels, test, test_labels, k, temperature, num_classes, ks):
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    hits = [0] * len(ks)
    for row, label in zip(test, test_labels.tolist(), strict=True):
        similarity = [float(row @ other) for other in train]
        nearest = sorted(range(len(train)), key=lambda j: -similarity[j])[:k]
        votes = [0.0] * num_classes
        for j in nearest:
            votes[int(train_labels[j])] += math.exp(similarity[j] / temperature)
        ranked = sorted(range(num_classes), key=lambda c: -votes[c])
        for i, top in enumerate(ks):
            hits[i] += votes[label] > 0 and label in ranked[:top]
    return [hit / len(test) for hit in hits]


@pytest.mark.parametrize(("k", "chunk"), [(1, 10**7), (7, 100), (50, 100)])
def test_knn_agrees_with_a_slow_reference(k, chunk, monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK_ELEMENTS", chunk)
    train, test = torch.randn(40, 6, generator=generator()), torch.randn(25, 6, generator=generator(1))
    train_labels = torch.randint(4, (40,), generator=generator(2))
    test_labels = torch.randint(4, (25,), generator=generator(3))
    ours = knn_accuracy(train, train_labels, test, test_labels, k, 0.07, 4, ks=(1, 2))
    wanted = slow_knn(train, train_labels, test, test_labels, min(k, 40), 0.07, 4, (1, 2))
    assert ours.tolist() == pytest.approx(wanted)


def test_knn_agrees_with_sklearn():
    train, test = torch.randn(300, 8, generator=generator()), torch.randn(100, 8, generator=generator(1))
    train_labels, test_labels = (train[:, 0] > 0).long(), (test[:, 0] > 0).long()
    units = F.normalize(train, dim=1).numpy()
    vote = KNeighborsClassifier(20, algorithm="brute", weights=lambda d: np.exp((1 - d**2 / 2) / 0.07))
    score = vote.fit(units, train_labels).score(F.normalize(test, dim=1).numpy(), test_labels)
    assert knn_accuracy(train, train_labels, test, test_labels, 20, 0.07, 2, ks=(1,)).item() == pytest.approx(score)


def test_knn_small_temperature_does_not_overflow():
    x = torch.randn(10, 4, generator=generator())
    labels = torch.arange(10)
    assert knn_accuracy(x, labels, x, labels, 3, 0.001, 10).tolist() == [1.0, 1.0]


def test_knn_at_a_vanishing_temperature_is_the_nearest_rows_label():
    # Similarities far below 1: exp((s - 1) / t) would be 0 for every row, and no class would have a vote.
    train, test = torch.randn(60, 8, generator=generator()), torch.randn(40, 8, generator=generator(1))
    labels, wanted = torch.arange(60) % 3, torch.randint(3, (40,), generator=generator(2))
    nearest, coldest = (knn_accuracy(train, labels, test, wanted, k, 1e-4, 3, ks=(1,)).item() for k in (1, 20))
    assert nearest > 0.2
    assert coldest == pytest.approx(nearest)


def test_knn_without_rows_is_refused():
    rows, labels = torch.randn(3, 4), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="needs train and test rows, got 0 and 3"):
        knn_accuracy(rows[:0], labels[:0], rows, labels, 1, 0.1, 2)


def test_effective_rank_of_known_spectra():
    basis = torch.linalg.qr(torch.randn(50, 8, generator=generator()))[0]
    assert effective_rank(basis).item() == pytest.approx(8, rel=1e-4)
    assert effective_rank(basis[:, :1] @ torch.ones(1, 8)).item() == pytest.approx(1, rel=1e-4)
    two = basis * torch.tensor([3.0, 1, 0, 0, 0, 0, 0, 0])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(two).item() == pytest.approx(math.exp(entropy), rel=1e-4)
    assert effective_rank(two * 100).item() == pytest.approx(math.exp(entropy), rel=1e-4)


def test_effective_rank_of_zeros_and_nan():
    assert effective_rank(torch.zeros(5, 3)).item() == pytest.approx(1, abs=1e-4)
    assert effective_rank(torch.tensor([[1.0, float("nan")]])).isnan()


def test_embedding_std_of_spread_and_collapsed_rows():
    assert embedding_std(torch.randn(5000, 64, generator=generator())).item() == pytest.approx(1, abs=0.02)
    assert embedding_std(torch.ones(10, 64)).item() == pytest.approx(0, abs=1e-6)
    assert embedding_std(torch.randn(1, 64)).item() == 0


def test_embedding_std_by_hand():
    # Unit rows (1, 0) and (0, 1): each dimension has population std 1/2; times sqrt(2).
    assert embedding_std(torch.tensor([[5.0, 0.0], [0.0, 2.0]])).item() == pytest.approx(math.sqrt(2) / 2)
