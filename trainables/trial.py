"""One training run without Ray: build everything from a RunConfig, train epoch by epoch, report, save, resume."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables import checkpoint, devices
from trainables.augment.own_views import views_of
from trainables.augment.two_views import ViewParams
from trainables.clocks import Clocks, EpochTimes
from trainables.data.dataset import Dataset, load_dataset
from trainables.evaluation.each_epoch import Evaluator
from trainables.evaluation.own_measure import OwnMeasure
from trainables.evaluation.probe import OnlineProbe
from trainables.failures import Diverged, TimedOut
from trainables.maths.schedules import warmup_cosine
from trainables.model.methods import Learner
from trainables.model.optim import build_optimizer, load_optimizer, set_learning_rate
from trainables.model.size import check_room
from trainables.settings.changes import differences, refused_on_resume
from trainables.settings.config import RunConfig
from trainables.vocabulary.errors import UserError


class Trial:
    """One run. `run_epoch` trains and evaluates one epoch; `save` and `load` make a resumed run equal, bit for bit.

    Raises UserError for settings that this data or machine cannot do. Accuracies in reports are percentages.
    """

    def __init__(self, cfg: RunConfig, dataset: Dataset | None = None, device: torch.device | str | None = None):
        self.cfg = cfg
        self.device = devices.pick_device(cfg.device) if device is None else torch.device(device)
        self.peak_memory = devices.PeakMemory(self.device)
        self.peak_memory.start()
        devices.prepare(self.device)
        devices.seed_everything(cfg.seed)
        self.dataset = load_dataset(cfg.data) if dataset is None else dataset
        self.train_data = devices.to_device(*self.dataset.train, self.device)
        self._plan_steps()
        self._build()
        self.epoch = 0
        self.step = 0
        self.clocks = Clocks()
        self.times: deque[EpochTimes] = deque(maxlen=50)
        """Of the newest epochs that were trained here."""
        self.stepped: Callable[[int], None] = lambda steps: None
        """Told after each step how many this epoch has."""
        self._started = time.monotonic()
        self._earlier_s = 0.0

    def _plan_steps(self) -> None:
        images, batch = len(self.train_data.labels), self.cfg.train.batch_size
        full, rest = divmod(images, batch)
        partial = rest >= 2 and (not self.cfg.train.drop_last or full == 0)
        if batch < 2 or full + partial == 0:
            raise UserError(
                f"train.batch_size ({batch}) with {images} training images leaves batches of fewer than 2 images, "
                f"too few for BatchNorm and for negatives: use at least 2"
            )
        self.steps_per_epoch = full + partial
        self.total_steps = self.steps_per_epoch * self.cfg.train.epochs
        self.images_per_epoch = min(images, full * batch + (rest if partial else 0))

    def _build(self) -> None:
        cfg, data = self.cfg, self.dataset
        check_room(cfg, channels=data.channels, num_classes=data.num_classes, device=self.device)
        self.method = Learner(cfg, channels=data.channels, num_classes=data.num_classes, device=self.device)
        if devices.wants_channels_last(cfg.train, self.device):
            self.method.to(memory_format=torch.channels_last)
        encoder = self.method.networks.encoder
        self.probe = OnlineProbe(cfg.probe, encoder.feature_dim, data.num_classes, self.device)
        self.optimizer = build_optimizer(cfg.optimizer, self.method.networks)
        self.views = views_of(
            cfg.augment,
            image_size=data.image_size,
            channels=data.channels,
            mean=data.mean,
            std=data.std,
            device=self.device,
        )
        self.generator = torch.Generator(self.device).manual_seed(cfg.seed)
        self.evaluator = Evaluator(cfg, data, self.train_data, self.device)
        self.own_measure = OwnMeasure(cfg.measure)
        devices.compile_networks(cfg.train, self.method.networks, self.device)

    @property
    def done(self) -> bool:
        return self.epoch >= self.cfg.train.epochs

    @property
    def elapsed_s(self) -> float:
        """Wall seconds of this trial, those before a resume included."""
        return self._earlier_s + time.monotonic() - self._started

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, evaluate if due, and report (keys of REPORT_METRICS of the vocabulary, and `epoch`).

        Raises Diverged if the epoch's mean loss is not finite, TimedOut between two steps. Neither may be resumed from
        this object; the last checkpoint holds the epoch before.
        """
        assert not self.done
        started, begun = time.perf_counter(), self.clocks.now(self.device)
        self.method.train()
        batches = self._batches()
        counts = [len(index_B) for index_B in batches]
        losses = self.train_steps(batches)
        loss = float(torch.stack(losses).double().cpu() @ torch.tensor(counts, dtype=torch.float64)) / sum(counts)
        trained = self.clocks.now(self.device)
        train_s = time.perf_counter() - started
        if not math.isfinite(loss):
            raise Diverged(
                f"epoch {self.epoch + 1}: the training loss is {loss}; lower optimizer.learning_rate "
                f"({self.cfg.optimizer.learning_rate:g}) or raise loss.temperature ({self.cfg.loss.temperature:g})"
            )
        diagnostics = {name: float(value) for name, value in self.method.support.diagnostics().items()}
        self.epoch += 1
        report = {"epoch": self.epoch, "loss": loss} | self.evaluator.evaluate(self.method, self.probe, self.epoch)
        report |= self.own_measure(self)
        self.method.support.end_epoch(self.epoch)  # after the picture: it shows the prototypes, not their re-seeding
        evaluated = self.clocks.now(self.device).since(trained) if self.evaluator.due(self.epoch) else None
        self.times.append(EpochTimes(trained.since(begun), evaluated))
        return report | self._costs(started, train_s) | {k: v for k, v in diagnostics.items() if math.isfinite(v)}

    def _batches(self) -> tuple[Tensor, ...]:
        """Indices of an epoch's batches, in a new random order."""
        order = torch.randperm(len(self.train_data.labels), generator=self.generator, device=self.device)
        return order[: self.images_per_epoch].split(self.cfg.train.batch_size)

    def _check_time(self) -> None:
        limit = self.cfg.train.time_limit_s
        if limit is not None and self.elapsed_s > limit:
            raise TimedOut(f"epoch {self.epoch + 1}: over train.time_limit_s ({limit:g} s)")

    def train_steps(self, batches: Sequence[Tensor]) -> list[Tensor]:
        """One `train_step` on each batch of indices, the views of all drawn at once; their losses, on the device."""
        losses = []
        counts = [len(index_B) for index_B in batches]
        for index_B, params in zip(batches, self.views.draw_steps(counts, self.generator), strict=True):
            self._check_time()
            losses.append(self.train_step(index_B, params))
            self.stepped(len(losses))
        return losses

    def train_step(self, index_B: Tensor, params: ViewParams | torch.Generator | None = None) -> Tensor:
        """One optimisation step on the images at `index_B`; the loss, on the device.

        `params`: of the two views; an epoch draws them for many steps at once, None draws them here. Nothing here
        waits for the device.
        """
        share = warmup_cosine(
            self.step,
            warmup_steps=round(self.cfg.optimizer.warmup_epochs * self.steps_per_epoch),
            total_steps=self.total_steps,
            base=1.0,
        )
        devices.begin_step(self.cfg.train)
        if params is None:
            params = self.views.draw(len(index_B), self.generator)
        index_2B = index_B.repeat(2)
        labels_2B, ids_2B = self.train_data.labels[index_2B], self.train_data.ids[index_2B]
        views = self.views.apply(self.train_data.images[index_B], params)
        with devices.autocast(self.cfg.train, self.device):
            embedded, targets = self.method.embed(views)
        result = self.method.loss(embedded, targets, ids_2B, labels_2B)
        probe_loss = self.probe.loss(embedded.features, labels_2B)
        torch.autograd.backward((result.loss, probe_loss))
        set_learning_rate(self.optimizer, share * self.cfg.optimizer.learning_rate)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.probe.step(share)
        batch = len(index_B)
        self.method.after_step(result, ids_2B[:batch], labels_2B[:batch], self.step, self.total_steps)
        self.step += 1
        return result.loss.detach()

    def _costs(self, started: float, train_s: float) -> dict[str, Any]:
        return {
            "support_bytes": self.method.support.nbytes,
            "method_bytes": self.method.nbytes,
            "support_vectors": self.method.support.vectors,
            "peak_memory_bytes": self.peak_memory.bytes(),
            "images_per_s": self.images_per_epoch / max(train_s, 1e-9),
            "train_s": train_s,
            "epoch_s": time.perf_counter() - started,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, as tensors and plain containers."""
        return {
            "kind": "trial",
            "config": self.cfg.model_dump(mode="json"),
            "data": data_facts(self.dataset),
            "epoch": self.epoch,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "probe": self.probe.state_dict(),
            "probe_optimizer": self.probe.optimizer.state_dict(),
            "evaluator": self.evaluator.state_dict(),
            "generator": self.generator.get_state(),
            "torch_rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state of the same run.

        CheckpointError if its settings or data differ from this trial's, or if it holds anything that this trial could
        not have written; the trial is then good for loading another state alone.
        """
        with checkpoint.foreign_content():
            check_same_run(state, self.cfg, data_facts(self.dataset))
            self._check_parts(state)
            self.method.load_state_dict(state["method"])
            self.probe.load_state_dict(state["probe"])
            for name, optimizer in (("optimizer", self.optimizer), ("probe_optimizer", self.probe.optimizer)):
                load_optimizer(optimizer, state[name], name, begun=state["step"] > 0)
            self.evaluator.load_state_dict(state["evaluator"])
            self._restore_generator(state["generator"].cpu(), state["epoch"])
            torch.set_rng_state(state["torch_rng"].cpu())
            self.epoch, self.step = state["epoch"], state["step"]
            self._earlier_s, self._started = state["elapsed_s"], time.monotonic()

    def _check_parts(self, state: dict[str, Any]) -> None:
        """Raises ValueError for a state that is not built as this trial's own is."""
        own, free = self.state_dict(), set(OWN_CHECKS)
        epoch, step = state["epoch"], state["step"]
        if torch.device(state["method"][SUPPORT_STATE]["device"]).type == self.device.type:
            free -= set(GENERATORS)
        checkpoint.check_like(state, own, free=free)
        if not 0 <= epoch <= self.cfg.train.epochs or step != epoch * self.steps_per_epoch or state["elapsed_s"] < 0:
            raise ValueError(f"epoch {epoch}, step {step} cannot be of this run")
        if epoch and not state["evaluator"]["last"]:
            raise ValueError(f"epoch {epoch} was not evaluated")

    def _restore_generator(self, saved: Tensor, epoch: int) -> None:
        """A generator's state has no meaning on another kind of device: there, go on from the seed and the epoch."""
        if saved.shape == self.generator.get_state().shape:
            self.generator.set_state(saved)
        else:
            self.generator.manual_seed(self.cfg.seed + epoch)

    def save(self, path: str | Path) -> None:
        """Write a checkpoint file, atomically."""
        checkpoint.write(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Continue from a checkpoint file; CheckpointError if it is damaged or of another run."""
        self.load_state_dict(checkpoint.read(path))

    def close(self) -> None:
        """Free the trial's memory; the object is of no use afterwards."""
        for name in ("method", "probe", "optimizer", "views", "evaluator", "train_data", "dataset"):
            self.__dict__.pop(name, None)
        devices.free_memory(self.device)


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """What a checkpoint keeps of its data: enough to evaluate the encoder elsewhere and to notice other data."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "num_classes": dataset.num_classes,
        "channels": dataset.channels,
        "image_size": dataset.image_size,
        "mean": [float(value) for value in dataset.mean],
        "std": [float(value) for value in dataset.std],
    }


SUPPORT_STATE = "support._extra_state"
GENERATORS = ("generator", f"method.{SUPPORT_STATE}.generator")
"""Parts of a state that are built otherwise on another kind of device."""
OWN_CHECKS = ("config", "optimizer", "probe_optimizer", "evaluator", *GENERATORS)
"""Parts that change their build in the course of a run, and are checked where they are loaded."""


def check_same_run(state: dict[str, Any], cfg: RunConfig, facts: dict[str, Any]) -> None:
    """CheckpointError that names each setting in which a checkpoint's run differs from this one."""
    if state.get("kind") != "trial":
        raise checkpoint.CheckpointError("the checkpoint holds no trial")
    usual = RunConfig().model_dump(mode="json")
    changes = refused_on_resume(differences(state["config"], cfg.model_dump(mode="json")), usual)
    differing = [f"{name}: {theirs!r} in the checkpoint, {ours!r} now" for name, theirs, ours in changes]
    theirs, ours = state["data"]["fingerprint"], facts["fingerprint"]
    if theirs != ours:
        differing.append(f"data: fingerprint {str(theirs)[:12]}, now {ours[:12]}")
    if differing:
        raise checkpoint.CheckpointError("the checkpoint is of another run: " + "; ".join(differing))
