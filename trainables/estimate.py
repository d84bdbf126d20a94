"""What a run will cost on this machine: epochs, or steps of rising size up to the real batch, timed and scaled up.

What is timed is the seconds that the work is on a core (on a GPU: wall time), which other work does not lengthen.
How much wall time passes for each of them, with so many runs at once and whatever else runs, is tried out beside it.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from trainables import timings
from trainables.clocks import Clocks
from trainables.data.dataset import Dataset, Split
from trainables.evaluation import probe
from trainables.evaluation.classifier import RATES, fit_linear
from trainables.failures import Diverged
from trainables.maths import metrics
from trainables.settings.config import RunConfig
from trainables.trial import Trial

BUDGET_S = 5.0
"""Seconds on a core that timing may take; a step that is begun is ended."""
PATIENCE = 4
"""Times as many seconds may pass on the clock while it does, where the machine is crowded."""
SMALLEST, GROWTH = 8, 4
"""Images of the first batch, and how many times as many the next one has."""
LEARNED_S = 1.0
"""The same where earlier runs are remembered: what is left to find out is memory, and the crowd."""
STEPS, EPOCHS = 5, 3
"""Most that are timed of a size; epochs: after a first one, in which memory is taken."""
SCORED_EPOCH_S = 60.0
"""Epochs that take longer are hardly longer for kNN and few-shot probe, which are then not timed."""
QUERIES = 128
DIFFERENT = 2048
MOST_NOISE_BYTES = 10**9


class Estimate(NamedTuple):
    """Cost of a run on this machine. Seconds of a step, of one evaluation and of the offline evaluation on test are
    those on a core (on a GPU: of wall time)."""

    step_s: float
    evaluation_s: float
    epoch_s: float
    """Wall seconds of an epoch, evaluation included, if the machine stays as crowded as it is now."""
    peak_memory_bytes: int
    checkpoint_bytes: int
    idle_epoch_s: float
    """Wall seconds of an epoch if nothing else ran on this machine."""
    test_s: float = 0.0
    epochs: int = 0
    """Epochs of earlier runs that this rests on; 0: timed now."""

    @property
    def crowding(self) -> float:
        """Times as long as on an idle machine."""
        return self.epoch_s / self.idle_epoch_s


class Sizes(NamedTuple):
    """What `estimate` must know of data it need not have: image shape, classes, images for training and validation."""

    channels: int = 3
    image_size: int = 32
    num_classes: int = 100
    train: int = 45_000
    validation: int = 5_000


class Test(NamedTuple):
    """The offline evaluation that follows a run: images of the test split, epochs of the linear classifier."""

    images: int
    epochs: int


def estimate(
    cfg: RunConfig,
    dataset: Dataset | Sizes | None = None,
    *,
    budget_s: float = BUDGET_S,
    device: torch.device | str | None = None,
    threads: int | None = None,
    at_once: int = 1,
    test: Test | None = None,
    gpu_share: float = 1.0,
    clocks: Clocks | None = None,
) -> Estimate:
    """Time whole epochs if they are short, else steps on batches of rising size, as far as `budget_s` reaches.

    Where earlier runs of this kind were measured on this machine, their epochs count instead (`timings`).
    `dataset` None: CIFAR-100's sizes; where the data are not at hand, noise of their shape is. threads: of the run on a
    CPU (None: as torch has it now); at_once: such runs at a time. No support set is empty.
    """
    clocks = clocks or Clocks()
    with _threads(threads) as used:
        timed = _Timing(cfg, dataset, device, clocks, budget_s, gpu_share).run(test)
        on_cpu = timed.device.type == "cpu"
        alone = max(1.0, used * at_once / clocks.cores()) if on_cpu else 1.0
        crowding = max(alone, clocks.crowding(used * at_once)) if on_cpu else 1.0
    found = timed.found
    return found._replace(epoch_s=crowding * found.epoch_s, idle_epoch_s=alone * found.epoch_s)


@contextlib.contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    """So many threads for torch within this context."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield wanted or before
    finally:
        torch.set_num_threads(before)


class _Timing:
    """A trial that is thrown away, and what of it has been timed."""

    def __init__(
        self,
        cfg: RunConfig,
        dataset: Dataset | Sizes | None,
        device: Any,
        clocks: Clocks,
        budget_s: float,
        gpu_share: float,
    ) -> None:
        data = dataset if isinstance(dataset, Dataset) else noise_dataset(dataset or Sizes())
        epochs = cfg.train.epochs + 1000  # no run is too short to be timed
        changed = {"train": cfg.train.model_copy(update={"epochs": epochs, "time_limit_s": None})}
        self.cfg, self.clocks = cfg, clocks
        self.trial = Trial(cfg.model_copy(update=changed), data, device)
        self.trial.clocks = clocks
        self.device = self.trial.device
        self.learned = timings.recall(cfg, timings.kind_of(self.trial, gpu_share))
        self.budget_s = min(budget_s, LEARNED_S) if self.learned else budget_s
        self.begun = clocks.now(self.device)
        _fill(self.trial)

    def run(self, test: Test | None) -> _Timing:
        """Everything that an epoch is made of, timed."""
        trial = self.trial
        step_s, memory = self._step()
        train_s = step_s * trial.steps_per_epoch
        encode_s = self._encoding()
        evaluation_s = encode_s * (len(trial.train_data.labels) + len(trial.evaluator.validation.labels))
        if self.learned:
            train_s, evaluation_s = self.learned.train_s, self.learned.evaluation_s
        else:
            if train_s + evaluation_s < SCORED_EPOCH_S:
                evaluation_s += self._scoring()
            if 2 * (train_s + evaluation_s) <= self._left_s():
                train_s, evaluation_s = self._epochs() or (train_s, evaluation_s)
        due = sum(self._due(epoch) for epoch in range(1, self.cfg.train.epochs + 1)) / self.cfg.train.epochs
        epoch_s = train_s + due * evaluation_s
        test_s = 0.0 if test is None else self._test(test, encode_s)
        file_bytes = sum(tensor.nbytes for tensor in _tensors(trial.state_dict()))
        step_s, epochs = train_s / trial.steps_per_epoch, self.learned.epochs if self.learned else 0
        self.found = Estimate(step_s, evaluation_s, epoch_s, memory, file_bytes, epoch_s, test_s, epochs)
        trial.close()
        return self

    def _due(self, epoch: int) -> bool:
        return epoch == 1 or epoch % self.cfg.probe.every == 0 or epoch == self.cfg.train.epochs

    def _left_s(self) -> float:
        """Seconds on a core that timing may still take."""
        used = self.clocks.now(self.device).since(self.begun)
        crowding = max(1.0, used.wall_s / max(used.busy_s, 1e-9))
        return min(self.budget_s - used.busy_s, (PATIENCE * self.budget_s - used.wall_s) / crowding)

    def _seconds(self, work: Callable[[], object]) -> float:
        before = self.clocks.now(self.device)
        work()
        return self.clocks.now(self.device).since(before).busy_s

    def _step(self) -> tuple[float, int]:
        """Seconds of a step on the real batch, and the peak memory then."""
        trial = self.trial
        trial.method.train()
        real = min(self.cfg.train.batch_size, trial.images_per_epoch)
        sizes = [real] if self.device.type != "cpu" else _rising(real)
        points: list[tuple[int, float]] = []
        memory: list[tuple[int, float]] = []
        for size in sizes:
            index = torch.arange(size, device=self.device) % len(trial.train_data.labels)
            first_s = self._seconds(lambda index=index: trial.train_step(index))  # takes memory
            times = []
            while not times or (len(times) < STEPS and times[0] < self._left_s() / 4):
                times.append(self._seconds(lambda index=index: trial.train_step(index)))
            points.append((size, min(first_s, statistics.median(times))))
            memory.append((size, trial.peak_memory.bytes()))
            if points[-1][1] * GROWTH * 2 > self._left_s():
                break
        held = memory[-1][1] if len(memory) == 1 else _at(memory, real)
        return _at(points, real), round(held)

    def _encoding(self) -> float:
        """Seconds of encoding an image, in the largest piece that the time allows."""
        trial, data = self.trial, self.trial.dataset
        encoder, images = trial.method.networks.encoder, trial.train_data.images
        rate = 0.0
        for size in _rising(min(1024, len(images))):
            rate = self._seconds(lambda size=size: probe.encode(encoder, images[:size], data.mean, data.std)) / size
            if rate * size * GROWTH > self._left_s() / 4:
                break
        return rate

    def _scoring(self) -> float:
        """Seconds of the scores of an evaluation, on features that are noise."""
        trial, features = self.trial, self.trial.method.networks.encoder.feature_dim
        evaluator, settings = trial.evaluator, self.cfg.probe
        labels, count = trial.train_data.labels, len(trial.evaluator.validation.labels)
        train = torch.randn(len(labels), features, device=self.device)
        queries = torch.randn(min(QUERIES, count), features, device=self.device)
        wanted = evaluator.validation.labels[: len(queries)]
        classes, k = trial.dataset.num_classes, min(settings.knn_k, len(labels))

        def neighbours(some: int) -> Callable[[], object]:
            return lambda: metrics.knn_accuracy(
                train, labels, queries[:some], wanted[:some], k, settings.knn_temperature, classes, ks=(1,)
            )

        def few_shot() -> object:
            return probe.few_shot_accuracy(train, labels, queries, wanted, evaluator.draws, classes)

        self._seconds(neighbours(1))
        points = [(some, self._seconds(neighbours(some))) for some in sorted({max(1, len(queries) // 4), len(queries)})]
        return _at(points, count) + self._seconds(few_shot)

    def _epochs(self) -> tuple[float, float] | None:
        """Seconds of an epoch's training and of an evaluation: medians of whole epochs after a first one."""
        trial = self.trial
        timed: list[tuple[float, float]] = []
        trial.evaluator.due = lambda epoch: True
        with contextlib.suppress(Diverged):  # it is noise that was learned
            for number in range(EPOCHS + 1):
                if timed and sum(timed[-1]) > self._left_s():
                    break
                trial.run_epoch()
                training, evaluation = trial.times[-1]
                assert evaluation is not None
                if number:
                    timed.append((training.busy_s, evaluation.busy_s))
        if not timed:
            return None
        train_s, evaluation_s = (statistics.median(seconds) for seconds in zip(*timed, strict=True))
        return train_s, evaluation_s

    def _test(self, test: Test, encode_s: float) -> float:
        """Seconds of the offline evaluation: encoding all, training the classifier, two kNN."""
        trial, features = self.trial, self.trial.method.networks.encoder.feature_dim
        train, validation = len(trial.train_data.labels), len(trial.evaluator.validation.labels)
        rows = min(train, 2048)
        noise, labels = torch.randn(1, rows, features, device=self.device), trial.train_data.labels[:rows]
        classes = trial.dataset.num_classes

        def fit() -> object:
            return fit_linear(noise, labels, classes, rates=RATES, epochs=1, seed=0)

        self._seconds(fit)
        fit_s = self._seconds(fit) * train / rows * test.epochs
        return encode_s * (train + validation + test.images) + fit_s


def _rising(largest: int) -> list[int]:
    sizes = [SMALLEST]
    while sizes[-1] * GROWTH < largest:
        sizes.append(sizes[-1] * GROWTH)
    return [size for size in sizes if size < largest] + [largest]


def _at(points: list[tuple[int, float]], size: int) -> float:
    """A quantity that grows by a fixed amount for each image, at `size`: by the line through the last two points."""
    last, value = points[-1]
    if last >= size or len(points) == 1:
        return value * max(1.0, size / last)
    before, lower = points[-2]
    return value + max(0.0, (value - lower) / (last - before)) * (size - last)


def _fill(trial: Trial) -> None:
    """Noise for the support set, so that look-ups cost what they do in a run; in pieces, to leave the peak memory."""
    left = trial.method.support.vectors
    while left:
        rows = min(left, 4096)
        keys = torch.randn(rows, trial.cfg.heads.embedding_dim, device=trial.device)
        zeros = torch.zeros(rows, dtype=torch.int64, device=trial.device)
        trial.method.support.update(keys, ids_B=zeros - 1, labels_B=zeros)
        left -= rows


def noise_dataset(sizes: Sizes, images: int | None = None) -> Dataset:
    """Noise as a data set, every class present: so many images in both splits, or as many as `sizes` says.

    At most DIFFERENT of them differ, and take turns; if they were too large to be held, all are alike.
    """
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        shape = (min(count, DIFFERENT), sizes.channels, sizes.image_size, sizes.image_size)
        some = rng.integers(0, 256, shape, dtype=np.uint8)
        turns = np.arange(count, dtype=np.int64)
        large = some[0].nbytes * count > MOST_NOISE_BYTES
        held = np.broadcast_to(some[:1], (count, *shape[1:])) if large else some[turns % len(some)]
        return Split(held, turns % sizes.num_classes, turns)

    counts = {"train": images or sizes.train, "validation": images or sizes.validation}
    return Dataset(
        name="noise",
        fingerprint="0",
        num_classes=sizes.num_classes,
        class_names=tuple(str(label) for label in range(sizes.num_classes)),
        channels=sizes.channels,
        image_size=sizes.image_size,
        mean=(0.5,) * sizes.channels,
        std=(0.25,) * sizes.channels,
        train=split(counts["train"]),
        validation=split(counts["validation"]),
        sizes=counts,
    )


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for value in state.values() if isinstance(state, dict) else state:
            yield from _tensors(value)
