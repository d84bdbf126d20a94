"""Twenty steps of every method against stored losses: a refactor that changes a number must say so.

`python -m tests.trainables.test_golden_trace` writes golden/trace.json anew after an intended change. With one thread
the trace repeats exactly on one machine. Another processor rounds differently: then, sooner or later, one activation
within 1e-7 of zero passes a ReLU on one machine and not on the other, its gradient jumps, and the runs part by up to
three percent (seen between one and two threads). So the first steps are compared closely and the later ones loosely.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.trial_helpers import digits, merged, tiny
from trainables.trial import Trial

GOLDEN = Path(__file__).parent / "golden" / "trace.json"
STEPS = 20
CLOSE, LOOSE = (5, 1e-4), 0.05  # (steps, relative), relative
METHODS = ("kmclr", "nnclr", "none", "simclr", "byol", "resa")


SETTINGS: dict[str, Any] = {
    "encoder": {"width": 16},
    "heads": {"projector_hidden": 64, "embedding_dim": 32, "predictor_hidden": 64},
    "train": {"epochs": 20, "batch_size": 64},
    "optimizer": {"learning_rate": 0.02},
    "support": {"k": 40, "queue_size": 150, "forget_every": 2},
}


def trace(method: str, **changes: Any) -> list[float]:
    """Losses of the first steps; epochs end as in a run, so that prototypes are forgotten on the way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trial = Trial(tiny(method, **merged(SETTINGS, changes)), digits())
    trial.method.train()
    losses: list[torch.Tensor] = []
    while len(losses) < STEPS:
        batches = trial._batches()
        drawn = trial.views.draw_steps([len(index) for index in batches], trial.generator)
        losses += [trial.train_step(index, params) for index, params in zip(batches, drawn, strict=True)]
        trial.epoch += 1
        trial.method.support.end_epoch(trial.epoch)
    torch.set_num_threads(threads)
    return [float(loss) for loss in losses]


def departs(losses: list[float], stored: list[float]) -> bool:
    """True if a loss is outside its tolerance."""
    steps, close = CLOSE
    return losses[:steps] != pytest.approx(stored[:steps], rel=close) or losses != pytest.approx(stored, rel=LOOSE)


@pytest.mark.parametrize("method", METHODS)
def test_twenty_steps_repeat(method: str):
    stored = json.loads(GOLDEN.read_text())[method]
    assert len(stored) == STEPS
    assert not departs(trace(method), stored)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": {"temperature": 0.2002}},
        {"support": {"k": 41}},
        {"support": {"forget_every": 0}},
        {"optimizer": {"weight_decay": 0.01}},
        {"train": {"one_forward": True}},
        {"augment": {"view1": {"flip": 0.4}}},
        {"seed": 1},
    ],
)
def test_a_changed_setting_leaves_the_trace(change: dict[str, Any]):
    assert departs(trace("kmclr", **change), json.loads(GOLDEN.read_text())["kmclr"])


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    traces = {method: [round(loss, 6) for loss in trace(method)] for method in METHODS}
    GOLDEN.write_text(json.dumps(traces, indent=1) + "\n")
