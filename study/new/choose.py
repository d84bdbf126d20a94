"""Time, images and classes -> settings of a study, or of a run, that fit; nothing is read, timed or written here."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from study import cost
from study.new.choice import Choice, Network, Seen, scheduler
from study.search.expected_epochs import expected_epochs
from study.settings.config import StudyConfig

USED = 0.85
"""Share of the time asked for that is planned with: the rest is for what no estimate knows."""
STEPS = 18
"""Steps that an epoch of `LADDER` has; where there are fewer, there are more epochs."""
STRETCH = 2.0
"""Most times the epochs of a rung of the ladder, where time is left but not enough for the next rung."""
MOST_EPOCHS, LONGEST_RUN = 500, 200
LEAST_IMAGES = 200
SOME_IMAGES = 2000
"""With fewer than these a cheaper network is tried."""
BASELINES = 3
"""Of `study_sections`."""
SMALL_HEADS = {"projector_hidden": 256, "embedding_dim": 64, "predictor_hidden": 256}
ADAMW = {"name": "adamw", "learning_rate": 0.002}


class Rung(NamedTuple):
    """How large a study is."""

    trials: int
    seeds: int
    points: int
    epochs: int


LADDER = (
    Rung(6, 3, 1, 4),
    Rung(6, 3, 2, 6),
    Rung(8, 3, 3, 10),
    Rung(10, 3, 3, 15),
    Rung(12, 3, 3, 20),
    Rung(16, 3, 4, 25),
    Rung(20, 5, 4, 30),
    Rung(24, 5, 5, 40),
    Rung(32, 5, 6, 60),
    Rung(40, 5, 8, 100),
    Rung(64, 5, 8, 200),
)
"""From the least study to the largest."""
ENOUGH = 2
"""The rung below which fewer images are the better way to save time."""


class Speed(NamedTuple):
    """What was measured of a network on this machine, with as many runs at a time as there will be; wall seconds."""

    images: int
    """Of an epoch."""
    epoch_s: float
    test_s: float = 0.0
    """The offline evaluation."""
    at_once: int = 1
    crowding: float = 1.0
    """Times as long as on an idle machine."""

    def idle(self) -> Speed:
        """The same if nothing else ran."""
        return self._replace(epoch_s=self.epoch_s / self.crowding, test_s=self.test_s / self.crowding, crowding=1.0)


def networks(seen: Seen, on_gpu: bool) -> tuple[Network, ...]:
    """Those that suit the images, the better before the cheaper."""
    largest, smaller = (64, 32) if on_gpu else (32, 16)
    first = min(largest, max(8, seen.sides[0]))
    sides = [first, smaller] if smaller < first else [first]
    if on_gpu:
        return tuple(Network({"name": "resnet18"}, {}, {}, side, (64, 128, 256)) for side in sides)
    encoder = {"name": "small_conv", "width": 32}
    return tuple(Network(encoder, SMALL_HEADS, ADAMW, side, (32, 64, 128)) for side in sides)


def draft(seen: Seen, network: Network, train_limit: int | None = None) -> Choice:
    """The least study, of which an epoch is timed."""
    least = LADDER[0]
    return Choice(seen, network, least.epochs, train_limit, least.trials, least.seeds, least.points)


def choose(seen: Seen, minutes: float, network: Network, speed: Speed) -> Choice | None:
    """The largest study that takes about so many minutes; None if not even the least on the fewest images does.

    All images are used if they leave time for rung `ENOUGH`; else half of them, a quarter, and so on.
    """
    limits = list(_limits(seen))
    for least in (ENOUGH, 0):
        for limit in limits:
            for rung in reversed(LADDER[least:]):
                if found := _fitted(draft(seen, network, limit), rung, minutes, speed):
                    return found
    return None


def choose_run(seen: Seen, minutes: float, network: Network, speed: Speed) -> Choice | None:
    """The same for one run: at least the epochs of rung `ENOUGH`, at most `LONGEST_RUN` or what they come to."""
    for limit in _limits(seen):
        choice = draft(seen, network, limit)
        beside_s = cost.START_S / 2 * speed.crowding + _test_s(choice, speed)
        wanted, most = (_epochs(choice, epochs) for epochs in (LADDER[ENOUGH].epochs, LONGEST_RUN))
        if (fitting := int((USED * 60 * minutes - beside_s) / _epoch_s(choice, speed))) >= wanted:
            epochs = min(fitting, most)
            seconds = epochs * _epoch_s(choice, speed) + beside_s
            return dataclasses.replace(choice, epochs=epochs, minutes=minutes, seconds=seconds)
    return None


def least_minutes(seen: Seen, network: Network, speed: Speed) -> int:
    """What the least study on the fewest images takes."""
    *_, limit = _limits(seen)
    choice = draft(seen, network, limit)
    rung = LADDER[0]
    return math.ceil(_seconds(choice, rung, _epochs(choice, rung.epochs), speed) / 60 / USED)


def _limits(seen: Seen) -> Iterator[int | None]:
    """All images, then ever fewer of them."""
    yield None
    fewest = max(LEAST_IMAGES, 10 * seen.classes)
    images = seen.images // 2
    while images >= fewest:
        yield images
        images //= 2


def _epochs(choice: Choice, of_the_ladder: int) -> int:
    """Epochs that give as many steps as those of the ladder do; few images are seen more often."""
    steps = max(1, choice.train // choice.batch_size)
    return min(MOST_EPOCHS, math.ceil(of_the_ladder * max(1.0, STEPS / steps)))


def _epoch_s(choice: Choice, speed: Speed) -> float:
    return speed.epoch_s * choice.train / speed.images


def _fitted(choice: Choice, rung: Rung, minutes: float, speed: Speed) -> Choice | None:
    """The choice with a rung's trials, seeds and points, and as many epochs as fit; None if these are too few."""
    wanted = _epochs(choice, rung.epochs)
    none_s, epoch_s = (_seconds(choice, rung, epochs, speed) for epochs in (0, 1))
    fitting = int((USED * 60 * minutes - none_s) / (epoch_s - none_s))
    if fitting < wanted:
        return None
    epochs = min(fitting, int(STRETCH * wanted))
    seconds = _seconds(choice, rung, epochs, speed)
    sized = dataclasses.replace(choice, trials=rung.trials, seeds=rung.seeds, points=rung.points, epochs=epochs)
    return dataclasses.replace(sized, minutes=minutes, seconds=seconds)


def _seconds(choice: Choice, rung: Rung, epochs: int, speed: Speed) -> float:
    """Wall seconds that a study is expected to take, as its plan says."""
    confirmed = rung.seeds * (rung.points + BASELINES)
    trained_s = epochs * (_searched(rung.trials) + confirmed) * _epoch_s(choice, speed)
    begun_s = (rung.trials + confirmed) * cost.TRIAL_S * speed.crowding
    return cost.START_S * speed.crowding + (trained_s + begun_s + confirmed * _test_s(choice, speed)) / speed.at_once


def _test_s(choice: Choice, speed: Speed) -> float:
    """Training and test images are encoded."""
    test = choice.seen.test
    return speed.test_s * (choice.train + test) / (speed.images + test)


@functools.cache
def _searched(trials: int) -> float:
    """How many full trainings so many trials come to, of which most do not go on to the end."""
    whole = 100
    numbers = list(range(BASELINES + 1))
    sections: dict[str, Any] = {
        "space": {"k": [10 + number for number in numbers]},
        "baselines": [{"k": 10 + number} for number in numbers[:BASELINES]],
        "search": {"trials": trials},
        "scheduler": scheduler(whole),
        "train": {"epochs": whole},
    }
    return expected_epochs(StudyConfig(name="new", **sections)) / whole
