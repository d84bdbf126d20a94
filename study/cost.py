"""What a study will do and cost, before anything is trained: trials, epochs, time, memory and disk."""

from __future__ import annotations

import itertools
import math
import os
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study.record import earlier, learning, machine
from study.search.expected_epochs import expected_epochs
from study.search.rules import decision_epochs
from study.settings import space
from study.settings.config import StudyConfig
from study.settings.loading import Loaded
from trainables import failures
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.stages_and_statuses import BEST

START_S = 20.0
"""Once a study: starting Ray and loading PyTorch in the trial processes, and making the report."""
MOST_BASELINES = 20
"""Whose memory is looked at."""
TRIAL_S = 0.5
"""Starting a trial in a reused process, and ending it."""
MARGIN = 1.2
"""Times as long, or as short, as the expected time of a study may turn out with the machine as it was looked at."""


@dataclass(frozen=True)
class Cost:
    """What one run of a study costs on this machine; seconds of wall time while as many run as will, and bytes.

    The mean over the study's methods, each at a middling point.
    """

    epoch_s: float
    memory_bytes: int
    checkpoint_bytes: int
    load: float | None = None
    """Processes that wanted a core in the minute before the probe; None where the system does not say."""
    idle_epoch_s: float | None = None
    """An epoch if nothing else ran on this machine; None: as `epoch_s`."""
    test_s: float = 0.0
    """The offline evaluation that ends a trial of the confirm stage."""
    epochs: int = 0
    """Epochs of earlier runs on this machine that this rests on; 0: timed now."""
    partly: bool = False
    """Whether that is so for some methods alone."""
    usual_checkpoint_bytes: int = 0
    """In the mean over the methods, where `checkpoint_bytes` is the largest; 0: as that."""

    @property
    def crowding(self) -> float:
        """Times as long as on an idle machine."""
        return 1.0 if self.idle_epoch_s is None else self.epoch_s / self.idle_epoch_s

    def idle(self) -> Cost:
        """The same if nothing else ran on this machine."""
        shorter = 1 / self.crowding
        return replace(self, epoch_s=shorter * self.epoch_s, test_s=shorter * self.test_s, idle_epoch_s=None)


@dataclass(frozen=True)
class Need:
    """What a study is expected to take of one budget, in the budget's unit: hours or epochs."""

    name: str
    limit: float
    search: float
    """By the end of the search stage; infinite where it is not known."""
    confirmed: float
    """By the end of the confirm stage, which counts with all the points it may take."""
    total: float
    """By the end of the last stage."""


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
    learned: tuple[Any, ...] = ()
    """What there is to learn of earlier studies (`learning.Learned`), of those whose folders are there."""
    ablate_trials: int = 0
    """At most; 0: the stage is not asked for."""
    ablate_epochs: int = 0
    too_large: tuple[str, ...] = ()
    """Points at the ends of the space that need more memory than there is, in words: they will end out_of_memory."""

    @property
    def hours(self) -> tuple[float, float]:
        """Wall hours of all stages as expected, and at worst, if nobody is stopped; as crowded as it is now."""
        trials = self.loaded.study.search.trials
        after = self.confirm_trials, self.ablate_trials
        return self.hours_of(self.expected_epochs, trials, *after), self.hours_of(self.worst_epochs, trials, *after)

    @property
    def hours_range(self) -> tuple[float, float]:
        """Between which the wall hours are expected to lie: on an idle machine, and on one as crowded as it is now."""
        idle = replace(self, cost=self.cost.idle())
        return idle.hours[0] / MARGIN, self.hours[0] * MARGIN

    @property
    def needs(self) -> list[Need]:
        """Of each budget that is set and that this study uses up: what it is expected to take, from its start."""
        limits, trials = self.loaded.study.budget, self.loaded.study.search.trials
        stages = [
            (self.expected_epochs, trials, confirmed, ablated)
            for confirmed, ablated in ((0, 0), (self.confirm_trials, 0), (self.confirm_trials, self.ablate_trials))
        ]
        epochs = itertools.accumulate((self.expected_epochs, self.confirm_epochs, self.ablate_epochs))
        taken = {
            "wall_clock_h": [self.hours_of(*stage) for stage in stages],
            "epochs": list(map(float, epochs)),
            "gpu_hours": [self.gpus_per_trial * self.held_hours_of(*stage) for stage in stages],
        }
        if self.foreign:
            taken["wall_clock_h"] = taken["gpu_hours"] = [math.inf] * 3
        set_here = {name: limit for name in taken if (limit := getattr(limits, name)) is not None}
        return [Need(name, limit, *taken[name]) for name, limit in set_here.items() if taken[name][-1]]

    def hours_of(self, searched: float, trials: int, confirmed: int, ablated: int = 0) -> float:
        """Wall hours for so many epochs in so many trials of the search, and for so many trials of the stages after it,
        `concurrent` at once, start and report included."""
        held = self.held_hours_of(searched, trials, confirmed, ablated)
        return START_S * self.cost.crowding / 3600 + held / self.concurrent

    def held_hours_of(self, searched: float, trials: int, confirmed: int, ablated: int = 0) -> float:
        """Hours that these trials run, summed over the trials."""
        epochs = searched + (self.confirm_epochs * confirmed / self.confirm_trials if confirmed else 0)
        epochs += self.ablate_epochs * ablated / self.ablate_trials if ablated else 0
        begun = (trials + confirmed + ablated) * TRIAL_S * self.cost.crowding
        return (epochs * self.cost.epoch_s + begun + (confirmed + ablated) * self.cost.test_s) / 3600

    @property
    def data_bytes(self) -> int:
        """Of the decoded images."""
        return _image_bytes(self.sizes)

    @property
    def disk_bytes(self) -> int:
        """At most: a checkpoint of each trial, those while running, and the decoded data."""
        trials = self.loaded.study.search.trials + self.confirm_trials + self.ablate_trials + 2 * self.concurrent
        return trials * self.cost.checkpoint_bytes + self.data_bytes

    @property
    def expected_disk_bytes(self) -> int:
        """At the end: a trial that a rung stopped leaves no checkpoint, and those of the methods differ in size."""
        study = self.loaded.study
        trials, full = study.search.trials, study.train.epochs
        first = min(study.scheduler.grace_period, full)
        to_the_end = 1.0
        if full > first:
            to_the_end = (self.expected_epochs - first * trials) / ((full - first) * trials)
        kept = max(0.0, min(to_the_end, 1.0)) * trials + self.confirm_trials + self.ablate_trials
        size = self.cost.usual_checkpoint_bytes or self.cost.checkpoint_bytes
        return min(round(kept * size) + self.data_bytes, self.disk_bytes)


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


def measure(study: StudyConfig, sizes: Any, share: Any = None, on_cpu: bool = False) -> Cost:
    """Time each method's middling point on this machine (a few seconds), with `share` of it (default: the study's).

    on_cpu: whatever the study's device. Raises UserError where a trial does not fit in memory.
    """
    from trainables.clocks import Clocks

    share = share or share_of(study, None)
    load = Clocks().load()
    found = [_estimate(study, method, sizes, share, on_cpu) for method in space.methods_of(study)]
    epochs = [one.epochs for one in found]
    return Cost(
        epoch_s=statistics.fmean(one.epoch_s for one in found),
        memory_bytes=max(one.peak_memory_bytes for one in found),
        checkpoint_bytes=max(one.checkpoint_bytes for one in found),
        usual_checkpoint_bytes=round(statistics.fmean(one.checkpoint_bytes for one in found)),
        load=load,
        idle_epoch_s=statistics.fmean(one.idle_epoch_s for one in found),
        test_s=statistics.fmean(one.test_s for one in found),
        epochs=sum(epochs),
        partly=0 in epochs and any(epochs),
    )


def _estimate(study: StudyConfig, method: str, sizes: Any, share: Any, on_cpu: bool) -> Any:
    """Of one method's middling point."""
    from trainables import estimate

    run = space.to_run(study, space.complete_point(study, {"method": method}), seed=0)
    if on_cpu:
        run = run.model_copy(update={"train": run.train.model_copy(update={"compile": "none"})})
    test = None
    if study.confirm.enabled:
        test = estimate.Test(_test_images(study, sizes), study.confirm.linear_epochs)
    try:
        return estimate.estimate(
            run,
            sizes,
            device="cpu" if on_cpu else None,
            threads=1 if on_cpu else share.threads,
            at_once=1 if on_cpu else share.concurrent,
            gpu_share=share.gpu or 1.0,
            test=test,
            budget_s=estimate.BUDGET_S / len(space.methods_of(study)),
        )
    except Exception as error:
        if not failures.is_out_of_memory(error):
            raise
        raise UserError(
            f"a trial ({space.label({'method': method})}) does not fit in the memory of this machine "
            f"({' '.join(str(error).split())[:200]}); lower train.batch_size, heads.*, support.k or support.queue_size"
        ) from None


def _test_images(study: StudyConfig, sizes: Any) -> int:
    from trainables.data.sources import source_of

    counts = getattr(sizes, "sizes", None)
    return int((counts.get("test") if counts else source_of(study.data).count("test")) or 0)


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


def share_of(study: StudyConfig, address: str | None) -> Any:
    """What a trial takes of the cluster at `address` (its GPUs count, not this machine's), or of this machine."""
    from study.tune import session

    if address:
        on_gpu = None if study.device == "auto" else study.device.startswith("cuda")
        return session.share_at(address, study.resources, on_gpu=on_gpu)
    on_gpu = _trains_on_gpu(study)
    cores, gpus = os.cpu_count() or 1, gpu_count() if on_gpu else 0
    return session.share(study.resources, cores=cores, gpus=gpus, on_gpu=on_gpu)


def most_ablated(study: StudyConfig) -> int:
    """Trainings that an ablation takes at most: every parameter of a method differs between its two ends, of which the
    confirm stage trains the baseline, and the most accurate point, with its own seeds."""
    applying = [
        sum(method in space.PARAMETERS[name].methods for name in study.space) for method in space.methods_of(study)
    ]
    seeds = study.confirm.seeds if study.ablate.seeds is None else study.ablate.seeds
    new = len(set(seeds) - set(study.confirm.seeds)) if study.confirm.enabled else len(seeds)
    return max(max(applying) - 1, 0) * len(seeds) + new + (new if study.ablate.to == BEST else len(seeds))


def make_plan(
    loaded: Loaded, *, out: Path | str = "results", address: str | None = None, ablates: bool = False
) -> Plan:
    """The plan of a study on this machine, or on the cluster at `address`. ablates: whether that stage is asked for.

    Takes a few seconds: it times some training steps, here in either case. Raises UserError if no trial fits, or if no
    cluster answers.
    """
    study = loaded.study
    share = share_of(study, address)
    on_gpu = bool(share.gpu) if address else _trains_on_gpu(study)
    foreign = bool(address) and on_gpu and not has_gpu()
    epochs = decision_epochs(study)
    points = study.confirm.max_points + len(study.baselines) if study.confirm.enabled else 0
    confirm_trials = points * len(study.confirm.seeds)
    ablate_trials = most_ablated(study) if ablates else 0
    full = study.confirm.epochs or study.train.epochs
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
        confirm_epochs=confirm_trials * full,
        ablate_trials=ablate_trials,
        ablate_epochs=ablate_trials * full,
        cost=measure(study, sizes, None if address else share, foreign),
        sizes=sizes,
        foreign=foreign,
        gpus_per_trial=share.gpu,
        learned=_learned(study, sizes),
        too_large=() if address else too_large(study, sizes, on_gpu),
    )


def _learned(study: StudyConfig, sizes: Any) -> tuple[Any, ...]:
    """Where the data have not been read, as if they were the same."""
    there = [folder for folder in study.search.learn_from if earlier.fingerprint_of(folder) is not None]
    return tuple(learning.gather(study, there, getattr(sizes, "fingerprint", None)))


def gpu_count() -> int:
    """Of this machine; 1 where the driver does not say."""
    return max(1, len(machine.gpus()))
