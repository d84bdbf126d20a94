"""Evaluation during training: against scikit-learn, closed forms, and what must not leak."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from trainables.evaluation import probe
from trainables.settings.config import ProbeConfig

CPU = torch.device("cpu")


def blobs(n: int, classes: int = 4, features: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, features, generator=torch.Generator().manual_seed(99)) * 1.5
    return centres[labels] + torch.randn(n, features, generator=generator), labels


def test_logistic_regression_agrees_with_scikit_learn_for_every_draw():
    features, labels = blobs(60)
    draws = torch.stack([torch.randperm(60, generator=torch.Generator().manual_seed(s))[:30] for s in range(3)])
    weights = probe.logistic_regression(features[draws].double(), labels[draws], 4)
    for draw, ours in zip(draws, weights, strict=True):
        theirs = LogisticRegression(tol=1e-8, max_iter=1000).fit(features[draw].double().numpy(), labels[draw].numpy())
        np.testing.assert_allclose(ours[:-1].T.numpy(), theirs.coef_, atol=2e-3)
        bias = ours[-1] - ours[-1].mean()  # softmax leaves a common offset free
        np.testing.assert_allclose(bias.numpy(), theirs.intercept_ - theirs.intercept_.mean(), atol=2e-3)


def test_few_shot_accuracy_is_the_mean_of_scikit_learns_over_draws():
    train, train_labels = blobs(200)
    test, test_labels = blobs(101, seed=1)
    draws = probe.few_shot_draws(train_labels.numpy(), 4, per_class=3, draws=4, seed=7)
    ours = probe.few_shot_accuracy(train, train_labels, test, test_labels, torch.as_tensor(draws), 4)
    scores = []
    for draw in draws:
        model = LogisticRegression(max_iter=1000).fit(train[draw].numpy(), train_labels[draw].numpy())
        scores.append(100 * model.score(test.numpy(), test_labels.numpy()))
    assert ours == pytest.approx(np.mean(scores), abs=0.6)  # a sample on the border may fall either way


def test_draws_are_stratified_distinct_and_repeatable():
    labels = np.arange(50) % 5
    draws = probe.few_shot_draws(labels, 5, per_class=3, draws=4, seed=0)
    assert draws.shape == (4, 15)
    for draw in draws:
        assert len(set(draw.tolist())) == 15
        assert np.bincount(labels[draw]).tolist() == [3] * 5
    assert not np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws, probe.few_shot_draws(labels, 5, 3, 4, seed=0))
    assert not np.array_equal(draws, probe.few_shot_draws(labels, 5, 3, 4, seed=1))


def test_too_few_images_of_a_class_are_refused():
    with pytest.raises(ValueError, match=r"few_shot_labels \(3\) exceeds .* \(1 images of class 2\)"):
        probe.few_shot_draws(np.array([0, 0, 0, 1, 1, 1, 2]), 3, per_class=3, draws=1, seed=0)


def test_the_online_probe_takes_sgd_steps_and_leaves_the_features_alone():
    online = probe.OnlineProbe(ProbeConfig(learning_rate=0.5), features=2, num_classes=2, device=CPU)
    features = torch.tensor([[1.0, 2.0]], requires_grad=True)
    labels = torch.tensor([1])
    assert float(online.loss(features, labels).detach()) == pytest.approx(np.log(2))  # zero weights
    online.loss(features, labels).backward()
    online.step(share=0.5)
    assert features.grad is None
    # gradient of the weights is (softmax - onehot) x = [0.5, -0.5] (1, 2); the step is 0.5 * 0.5 of it
    torch.testing.assert_close(online.linear.weight.detach(), torch.tensor([[-0.125, -0.25], [0.125, 0.25]]))
    torch.testing.assert_close(online.linear.bias.detach(), torch.tensor([-0.125, 0.125]))
    online.step(share=0.5)  # no gradient: nothing moves
    torch.testing.assert_close(online.linear.bias.detach(), torch.tensor([-0.125, 0.125]))


def test_the_online_probe_draws_no_random_numbers():
    before = torch.get_rng_state()
    online = probe.OnlineProbe(ProbeConfig(), features=3, num_classes=5, device=CPU)
    assert torch.equal(before, torch.get_rng_state())
    assert not online.linear.weight.any()


def test_encode_uses_eval_mode_any_chunk_and_puts_the_mode_back():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten()).train()
    images = torch.randint(0, 256, (7, 1, 4, 4), dtype=torch.uint8)
    running = encoder[1].running_mean.clone()
    whole = probe.encode(encoder, images, (0.5,), (0.25,))
    parts = probe.encode(encoder, images, (0.5,), (0.25,), chunk=3)
    torch.testing.assert_close(whole, parts)
    assert encoder.training
    assert torch.equal(encoder[1].running_mean, running)
    assert not whole.requires_grad


def test_probe_accuracy_by_hand_and_with_few_classes():
    linear = nn.Linear(3, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(3))
        linear.bias.zero_()
    features = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    acc1, acc5 = probe.probe_accuracy(linear, features, torch.tensor([0, 1, 2, 0]))
    assert (acc1, acc5) == (50.0, 100.0)
