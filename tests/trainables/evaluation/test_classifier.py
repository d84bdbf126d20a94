"""The linear classifier on features: against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from trainables.evaluation import classifier


def blobs(n: int, seed: int, apart: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % 3
    centres = apart * torch.randn(3, 5, generator=torch.Generator().manual_seed(99))
    return centres[labels] + torch.randn(n, 5, generator=torch.Generator().manual_seed(seed)), labels


def test_the_classifier_nears_the_optimum_that_scikit_learn_finds():
    features, labels = blobs(300, seed=0, apart=0.5)
    weights, bias = classifier.fit_linear(
        features.double()[None], labels, 3, rates=(0.2, 1e-9), epochs=200, seed=0, batch_size=300
    )
    exact = LogisticRegression(C=1e6, tol=1e-10, max_iter=5000).fit(features.numpy(), labels.numpy())
    ours = torch.softmax(features.double() @ weights[0] + bias[0], dim=1)
    np.testing.assert_allclose(ours.numpy(), exact.predict_proba(features.numpy()), atol=5e-3)
    assert weights[1].abs().max() < 1e-6  # rates do not mix


def test_the_rate_is_chosen_on_validation_and_nan_never_wins():
    features, labels = blobs(200, seed=0)
    validation = blobs(100, seed=1)
    chosen = classifier.fit_and_choose(
        features[None], labels, validation, 3, epochs=20, seed=0, rates=(1e-7, 0.1, float("nan"))
    )
    assert chosen.rate == 0.1
    assert chosen.validation_acc1 == classifier.accuracies(chosen.classifier, *validation)[0] > 60


def test_accuracies_are_over_samples():
    eye = torch.eye(3)
    linear = classifier.Classifier(eye, torch.zeros(3), torch.zeros(3), torch.ones(()))
    features = torch.tensor([[3.0, 2, 1], [3, 2, 1], [1, 2, 3]])
    acc1, acc5 = classifier.accuracies(linear, features, torch.tensor([0, 1, 2]))
    assert acc1 == pytest.approx(200 / 3)
    assert acc5 == 100.0


def test_epochs_go_through_the_views_in_turn():
    views, labels = torch.stack([blobs(30, seed=0)[0], blobs(30, seed=1)[0]]).double(), blobs(30, seed=0)[1]
    weights, _ = classifier.fit_linear(views, labels, 3, rates=(0.2,), epochs=3, seed=0, batch_size=30)
    by_hand, bias, moving = torch.zeros(5, 3).double(), torch.zeros(3).double(), [0.0, 0.0]
    for epoch, view in enumerate((views[0], views[1], views[0])):
        error = torch.softmax(view @ by_hand + bias, dim=1) - torch.eye(3)[labels]
        moving = [0.9 * moving[0] + view.T @ error / 30, 0.9 * moving[1] + error.mean(0)]
        rate = 0.2 * (1 + np.cos(np.pi * epoch / 3)) / 2
        by_hand, bias = by_hand - rate * moving[0], bias - rate * moving[1]
    torch.testing.assert_close(weights[0], by_hand)
