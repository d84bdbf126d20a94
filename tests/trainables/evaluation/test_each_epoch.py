"""A report's evaluation: each number from networks in eval mode, of the right features, with the given settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.helpers.trial_helpers import digits, same, tiny
from trainables.augment.two_views import normalise_images
from trainables.evaluation import probe
from trainables.maths import metrics
from trainables.trial import Trial
from trainables.vocabulary.metrics_and_objectives import SCORES


@pytest.fixture(scope="module")
def trial() -> Trial:
    made = Trial(tiny("kmclr", probe={"knn_k": 7, "knn_temperature": 0.3}), digits())
    made.run_epoch()
    return made


def features_of(trial: Trial, split: str) -> torch.Tensor:
    """By a copy of the encoder's program: plain torch modules in eval mode."""
    images = torch.tensor(getattr(digits(), split).images_NCHW)
    encoder = trial.method.networks.encoder.eval()
    with torch.no_grad():
        return encoder(normalise_images(images, digits().mean, digits().std))


def embeddings_of(trial: Trial) -> torch.Tensor:
    with torch.no_grad():
        return trial.method.networks.projector.eval()(features_of(trial, "validation"))


def test_every_number_is_that_of_the_frozen_networks(trial: Trial):
    report = trial.evaluator.evaluate(trial.method, trial.probe, 1)
    train, held, embeddings = features_of(trial, "train"), features_of(trial, "validation"), embeddings_of(trial)
    labels = [torch.tensor(split.labels_N) for split in (digits().train, digits().validation)]
    knn = metrics.knn_accuracy(train, labels[0], held, labels[1], 7, 0.3, 10, ks=(1,))
    acc1, acc5 = probe.probe_accuracy(trial.probe.linear, held, labels[1])
    draws = torch.as_tensor(probe.few_shot_draws(digits().train.labels_N, 10, 5, 2, seed=42))
    expected = {
        "probe_acc1": acc1,
        "probe_acc5": acc5,
        "knn_acc1": 100 * float(knn[0]),
        "few_shot_acc1": probe.few_shot_accuracy(train, labels[0], held, labels[1], draws, 10),
        "embedding_std": float(metrics.embedding_std(embeddings)),
        "effective_rank": float(metrics.effective_rank(held)),
        "accuracy": acc1,
    }
    assert report == pytest.approx(expected, rel=1e-5)


def test_the_settings_of_the_neighbours_are_used(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[Any, ...]] = []
    plain = metrics.knn_accuracy

    def spy(*arguments: Any, **more: Any) -> torch.Tensor:
        asked.append(arguments[4:6])
        return plain(*arguments, **more)

    monkeypatch.setattr(metrics, "knn_accuracy", spy)
    trial.evaluator.evaluate(trial.method, trial.probe, 1)
    assert asked == [(7, 0.3)]


def test_an_evaluation_leaves_the_networks_as_they_were(trial: Trial):
    trial.method.train()
    before = {name: value.clone() for name, value in trial.method.networks.state_dict().items()}
    random = torch.get_rng_state()
    trial.evaluator.evaluate(trial.method, trial.probe, 1)
    assert same(dict(trial.method.networks.state_dict()), before)  # running statistics too
    assert all(part.training for part in trial.method.modules())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("score", SCORES)
def test_accuracy_is_the_metric_that_the_score_names(score: str):
    report = Trial(tiny("none", probe={"score": score}), digits()).run_epoch()
    assert report["accuracy"] == report[score]
