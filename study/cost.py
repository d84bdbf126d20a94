"""What a study will do and cost, before anything is trained: trials, epochs, time, memory and disk."""

from __future__ import annotations

import bisect
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study.record import machine
from study.search.scheduling import PAUSING, decision_epochs, make_rungs
from study.settings import space
from study.settings.config import StudyConfig
from study.settings.loading import Loaded
from trainables import failures
from trainables.vocabulary.errors import UserError

REPEATS = 50
REPLAYED = 5000
"""Trials of a search whose scheduler is played through; those beyond end, on average, as the later half of these."""
START_S = 20.0
"""Once a study: starting Ray and loading PyTorch in the trial processes, and making the report."""
MOST_BASELINES = 20
"""Whose memory is looked at."""
TRIAL_S = 0.5
"""Starting a trial in a reused process, and ending it."""


@dataclass(frozen=True)
class Cost:
    """What one run of a study costs on this machine, from a short timed probe; seconds and bytes."""

    epoch_s: float
    memory_bytes: int
    checkpoint_bytes: int
    load: float | None = None
    """Processes that wanted a core in the minute before the probe; None where the system does not say."""


@dataclass(frozen=True)
class Need:
    """What a study is expected to take of one budget, in the budget's unit: hours or epochs."""

    name: str
    limit: float
    search: float
    """By the end of the search stage; infinite where it is not known."""
    total: float
    """By the end of the last stage; confirm counts with all the points it may take."""


@dataclass(frozen=True)
class Plan:
    """Everything `--plan` prints. Epochs are counted over all trials; hours assume `concurrent` trials at once."""

    loaded: Loaded
    folder: Path
    device: str
    concurrent: int
    rungs: tuple[int, ...]
    worst_epochs: int
    expected_epochs: int
    confirm_trials: int
    confirm_epochs: int
    cost: Cost
    sizes: Any
    """The data, or their sizes where these are known without reading them."""
    foreign: bool = False
    """Trials train on a cluster's GPUs and this machine has none, so `cost` is what its CPU would take."""
    gpus_per_trial: float = 0.0
    too_large: tuple[str, ...] = ()
    """Points at the ends of the space that need more memory than there is, in words: they will end out_of_memory."""

    @property
    def hours(self) -> tuple[float, float]:
        """Wall hours of both stages as expected, and at worst, if nobody is stopped."""
        trials = self.loaded.study.search.trials + self.confirm_trials
        expected, worst = (
            self.hours_of(epochs + self.confirm_epochs, trials) for epochs in (self.expected_epochs, self.worst_epochs)
        )
        return expected, worst

    @property
    def needs(self) -> list[Need]:
        """Of each budget that is set and that this study uses up: what it is expected to take, from its start."""
        limits, trials = self.loaded.study.budget, self.loaded.study.search.trials
        searched, all_epochs = self.expected_epochs, self.expected_epochs + self.confirm_epochs
        stages = ((searched, trials), (all_epochs, trials + self.confirm_trials))
        taken = {
            "wall_clock_h": [self.hours_of(*stage) for stage in stages],
            "epochs": [float(epochs) for epochs, _ in stages],
            "gpu_hours": [self.gpus_per_trial * held_hours(*stage, self.cost.epoch_s) for stage in stages],
        }
        if self.foreign:
            taken["wall_clock_h"] = taken["gpu_hours"] = [math.inf, math.inf]
        set_here = {name: limit for name in taken if (limit := getattr(limits, name)) is not None}
        return [Need(name, limit, *taken[name]) for name, limit in set_here.items() if taken[name][1]]

    def hours_of(self, epochs: float, trials: int) -> float:
        """Wall hours for so many epochs in so many trials."""
        return wall_hours(epochs, trials, self.cost.epoch_s, self.concurrent)

    @property
    def data_bytes(self) -> int:
        """Of the decoded images."""
        return _image_bytes(self.sizes)

    @property
    def disk_bytes(self) -> int:
        """Checkpoints kept at the end and while running, and the decoded data."""
        trials = self.loaded.study.search.trials + self.confirm_trials + 2 * self.concurrent
        return trials * self.cost.checkpoint_bytes + self.data_bytes


def has_gpu() -> bool:
    """Whether PyTorch sees a CUDA device."""
    from trainables.devices import pick_device

    return pick_device("auto").type == "cuda"


def data_sizes(study: StudyConfig) -> Any:
    """Shape and counts of the data: CIFAR's are known without them; other data are read, and cached.

    Raises UserError if no image is left to train on.
    """
    from trainables.data.dataset import load_dataset
    from trainables.data.sources import source_of
    from trainables.estimate import Sizes

    data, source = study.data, source_of(study.data)
    if source.shape is None:
        return load_dataset(data)
    channels, image_size, classes = source.shape
    images, held_out = source.count("train"), data.validation_per_class * classes
    if held_out >= images:
        raise UserError(
            f"data.validation_per_class={data.validation_per_class} leaves none of the {images:,} training images of "
            f"{data.name} to train on: set it below {images // classes}"
        )
    train = min(data.train_limit or images, images - held_out)
    return Sizes(channels, data.image_size or image_size, classes, train, held_out)


def measure(study: StudyConfig, sizes: Any, on_cpu: bool = False) -> Cost:
    """Time a few training steps of a middling point on this machine (a few seconds); on_cpu: whatever its device."""
    from trainables.estimate import estimate

    method = "kmclr" if "kmclr" in space.methods_of(study) else space.methods_of(study)[0]
    run = space.to_run(study, space.complete_point(study, {"method": method}), seed=0)
    if on_cpu:
        run = run.model_copy(update={"train": run.train.model_copy(update={"compile": "none"})})
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    try:
        found = estimate(run, sizes, device="cpu" if on_cpu else None)
    except Exception as error:
        if not failures.is_out_of_memory(error):
            raise
        raise UserError(
            f"a trial ({space.label({'method': method})}) does not fit in the memory of this machine "
            f"({' '.join(str(error).split())[:200]}); lower train.batch_size, heads.*, support.k or support.queue_size"
        ) from None
    return Cost(found.epoch_s, found.peak_memory_bytes, found.checkpoint_bytes, load)


def too_large(study: StudyConfig, sizes: Any, on_gpu: bool) -> tuple[str, ...]:
    """Of each method's largest point, and of the baselines, those that the memory of this machine cannot hold."""
    from trainables.devices import pick_device
    from trainables.failures import DoesNotFit
    from trainables.model.size import check_room

    found = []
    for point in (*space.largest_points(study), *space.baseline_points(study)[:MOST_BASELINES]):
        run = space.to_run(study, point, seed=0)
        try:
            device = pick_device("auto" if on_gpu else "cpu")
            check_room(run, channels=sizes.channels, num_classes=sizes.num_classes, device=device)
        except DoesNotFit as error:
            found.append(f"{space.label(point)}: {error}")
    return tuple(dict.fromkeys(found))


def _trains_on_gpu(study: StudyConfig) -> bool:
    """Whether the study's trials take a GPU of this machine."""
    return study.device.startswith("cuda") or (study.device == "auto" and has_gpu())


def _image_bytes(sizes: Any) -> int:
    count = getattr(sizes, "sizes", None)
    images = sum(v or 0 for v in count.values()) if count else sizes.train + sizes.validation
    return int(images * sizes.channels * sizes.image_size**2)


def _share(study: StudyConfig, address: str | None) -> Any:
    """What a trial takes of the cluster at `address` (its GPUs count, not this machine's), or of this machine."""
    from study.tune import session

    if address:
        on_gpu = None if study.device == "auto" else study.device.startswith("cuda")
        return session.share_at(address, study.resources, on_gpu=on_gpu)
    on_gpu = _trains_on_gpu(study)
    cores, gpus = os.cpu_count() or 1, gpu_count() if on_gpu else 0
    return session.share(study.resources, cores=cores, gpus=gpus, on_gpu=on_gpu)


def make_plan(loaded: Loaded, *, out: Path | str = "results", address: str | None = None) -> Plan:
    """The plan of a study on this machine, or on the cluster at `address`.

    Takes a few seconds: it times some training steps, here in either case. Raises UserError if no trial fits, or if no
    cluster answers.
    """
    study = loaded.study
    share = _share(study, address)
    on_gpu = bool(share.gpu) if address else _trains_on_gpu(study)
    foreign = bool(address) and on_gpu and not has_gpu()
    epochs = decision_epochs(study.scheduler, study.train.epochs)
    points = study.confirm.max_points + len(study.baselines) if study.confirm.enabled else 0
    confirm_trials = points * len(study.confirm.seeds)
    sizes = data_sizes(study)
    return Plan(
        loaded=loaded,
        folder=Path(out) / loaded.name_on_disk,
        device="cuda" if on_gpu else "cpu",
        concurrent=share.concurrent,
        rungs=epochs,
        worst_epochs=study.search.trials * study.train.epochs,
        expected_epochs=expected_epochs(study),
        confirm_trials=confirm_trials,
        confirm_epochs=confirm_trials * (study.confirm.epochs or study.train.epochs),
        cost=measure(study, sizes, foreign),
        sizes=sizes,
        foreign=foreign,
        gpus_per_trial=share.gpu,
        too_large=() if address else too_large(study, sizes, on_gpu),
    )


def gpu_count() -> int:
    """Of this machine; 1 where the driver does not say."""
    return max(1, len(machine.gpus()))


# --- epochs and hours ---


def expected_epochs(study: StudyConfig) -> int:
    """Epochs of the search stage, on average over orders of arrival, if a trial's rank is the same at every rung.

    Where trials pause: the first rung of each and as many epochs again, and all of the baselines.
    The first trials to reach a rung are ranked among few, so more of them go on than the nominal 1/eta. Wandering ranks
    change who goes on, hardly how many; so does a second objective.
    """
    trials, full = study.search.trials, study.train.epochs
    if study.scheduler.name == PAUSING:
        first = study.scheduler.grace_period  # about as much again goes to those that go on
        return min(trials * full, 2 * trials * first + len(space.baseline_points(study)) * (full - first))
    rungs = make_rungs(study.scheduler, study.objectives, full)
    if rungs is None:
        return trials * full
    generator, played = np.random.default_rng(0), min(trials, REPLAYED)
    each = [[rungs.epochs[number % rungs.brackets :], number % rungs.brackets] for number in range(played)]
    repeats = max(4, min(REPEATS, 4 * REPLAYED // played))
    replays = [_replay(generator.random(played).tolist(), each, full, rungs.reduction_factor) for _ in range(repeats)]
    total = statistics.mean(map(sum, replays))
    if trials > played:
        total += (trials - played) * statistics.mean(statistics.mean(ends[played // 2 :]) for ends in replays)
    return round(total)


def _replay(qualities: Sequence[float], each: Sequence[Sequence[Any]], full: int, eta: int) -> list[int]:
    """Epochs of each of the trials, which arrive in turn; `each`: the rungs that a trial meets, and its bracket."""
    reached: dict[tuple[int, int], list[float]] = {}
    ends = []
    for quality, (rungs, bracket) in zip(qualities, each, strict=True):
        ended = full
        for epoch in rungs:
            costs = reached.setdefault((bracket, epoch), [])
            rank = bisect.bisect_left(costs, -quality)
            costs.insert(rank, -quality)
            if rank >= math.ceil(len(costs) / eta):
                ended = epoch
                break
        ends.append(ended)
    return ends


def wall_hours(epochs: float, trials: int, epoch_s: float, concurrent: int) -> float:
    """Hours for so many epochs in so many trials, `concurrent` at once, start and report included."""
    return START_S / 3600 + held_hours(epochs, trials, epoch_s) / concurrent


def held_hours(epochs: float, trials: int, epoch_s: float) -> float:
    """Hours that trials run for so many epochs, summed over the trials."""
    return (epochs * epoch_s + trials * TRIAL_S) / 3600
