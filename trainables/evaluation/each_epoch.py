"""The evaluation part of a report: online probe, kNN, few-shot probe, spread and rank of the features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from trainables import devices
from trainables.data.dataset import Dataset
from trainables.evaluation import probe, projection
from trainables.maths import metrics
from trainables.model.methods import Learner
from trainables.settings.config import RunConfig
from trainables.vocabulary.metrics_and_objectives import ACCURACY, REPORT_METRICS


class Evaluator:
    """Evaluates on the validation split every `probe.every` epochs, after the first and after the last epoch.

    In between, `evaluate` repeats the last values. Holds the labelled draws of the few-shot probe and the fixed
    sample of the projection; both depend on data and `data.split_seed` only.
    """

    def __init__(self, cfg: RunConfig, dataset: Dataset, train: devices.OnDevice, device: torch.device) -> None:
        self.cfg = cfg
        self.dataset = dataset
        self.train = train
        self.validation = devices.to_device(*dataset.validation, device)
        seed = cfg.data.split_seed
        draws = probe.few_shot_draws(
            np.asarray(dataset.train.labels_N),
            dataset.num_classes,
            cfg.probe.few_shot_labels,
            cfg.probe.few_shot_draws,
            seed,
        )
        self.draws = torch.as_tensor(draws, device=device)
        held_out = len(self.validation.labels)
        sample = np.random.default_rng(seed).permutation(held_out)[: cfg.probe.projection_samples]
        self.sample = torch.as_tensor(np.sort(sample), device=device)
        self.last: dict[str, float] = {}
        self.last_picture: torch.Tensor | None = None

    def due(self, epoch: int) -> bool:
        return epoch == 1 or epoch % self.cfg.probe.every == 0 or epoch == self.cfg.train.epochs

    def evaluate(self, method: Learner, online: probe.OnlineProbe, epoch: int) -> dict[str, Any]:
        """Metrics after `epoch` finished epochs; with `probe.projection_every` also `projection`, a picture."""
        every = self.cfg.probe.projection_every
        wants_picture = every > 0 and (epoch == 1 or epoch % every == 0 or epoch == self.cfg.train.epochs)
        if not self.due(epoch) and not wants_picture:
            return dict(self.last)
        with torch.no_grad(), devices.autocast(self.cfg.train, self.validation.labels.device):
            features = self._encode(method, self.validation.images)
            method.networks.projector.eval()
            embeddings = method.networks.projector(features).float()
            method.networks.projector.train()
        if self.due(epoch):
            self.last = self._measure(method, online, features, embeddings)
        picture = self._picture(method, embeddings, epoch) if wants_picture else {}
        return self.last | picture

    def _encode(self, method: Learner, images: torch.Tensor) -> torch.Tensor:
        return probe.encode(method.networks.encoder, images, self.dataset.mean, self.dataset.std)

    def _measure(
        self, method: Learner, online: probe.OnlineProbe, features: torch.Tensor, embeddings: torch.Tensor
    ) -> dict[str, float]:
        with devices.autocast(self.cfg.train, features.device):
            train = self._encode(method, self.train.images)
        classes, settings = self.dataset.num_classes, self.cfg.probe
        acc1, acc5 = probe.probe_accuracy(online.linear, features, self.validation.labels)
        knn = metrics.knn_accuracy(
            train,
            self.train.labels,
            features,
            self.validation.labels,
            min(settings.knn_k, len(train)),
            settings.knn_temperature,
            classes,
            ks=(1,),
        )
        values = {
            "probe_acc1": acc1,
            "probe_acc5": acc5,
            "knn_acc1": 100.0 * float(knn[0]),
            "few_shot_acc1": probe.few_shot_accuracy(
                train, self.train.labels, features, self.validation.labels, self.draws, classes
            ),
            "embedding_std": float(metrics.embedding_std(embeddings)),
            "effective_rank": float(metrics.effective_rank(features)),
        }
        return {ACCURACY: values[settings.score]} | values

    def _picture(self, method: Learner, embeddings: torch.Tensor, epoch: int) -> dict[str, Any]:
        line, self.last_picture = projection.picture(
            epoch,
            method.support.vectors_for_plot(),
            embeddings[self.sample],
            self.validation.labels[self.sample],
            self.last_picture,
        )
        return {"projection": line}

    def state_dict(self) -> dict[str, Any]:
        return {"last": dict(self.last), "last_picture": self.last_picture}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises ValueError for values and pictures that an evaluation here does not give."""
        last, picture = state["last"], state["last_picture"]
        if not isinstance(last, dict) or not all(n in REPORT_METRICS and isinstance(v, float) for n, v in last.items()):
            raise ValueError("evaluator.last is not the metrics of an evaluation")
        if last and ACCURACY not in last:
            raise ValueError("evaluator.last has no accuracy")
        if picture is not None and (not isinstance(picture, torch.Tensor) or picture.shape != (len(self.sample), 2)):
            raise ValueError("evaluator.last_picture is not a picture of these images")
        self.last, self.last_picture = dict(last), picture
