"""Twenty steps of every method against stored losses: a refactor that changes a number must say so.

`python -m tests.test_golden_trace` rewrites tests/golden/trace.json after an intended change. The tolerance covers
other processors and torch versions, whose sums round differently; on one machine the trace repeats exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.trial_helpers import digits, tiny
from trainables.trial import Trial

GOLDEN = Path(__file__).parent / "golden" / "trace.json"
STEPS = 20
RTOL = 1e-3
METHODS = ("kmclr", "nnclr", "none", "simclr", "byol")


def trace(method: str, **changes: object) -> list[float]:
    """Losses of the first steps; epochs end as in a run, so that prototypes are forgotten on the way.

    The learning rate is low, so that rounding does not grow over the steps into another run.
    """
    settings = {"train": {"epochs": 20}, "optimizer": {"learning_rate": 0.02}} | changes
    trial = Trial(tiny(method, **settings), digits())
    trial.method.train()
    losses: list[torch.Tensor] = []
    while len(losses) < STEPS:
        losses += [trial.train_step(index) for index in trial._batches()]
        trial.epoch += 1
        trial.method.support.end_epoch(trial.epoch)
    return [float(loss) for loss in losses[:STEPS]]


@pytest.mark.parametrize("method", METHODS)
def test_twenty_steps_repeat(method: str):
    stored = json.loads(GOLDEN.read_text())[method]
    assert trace(method) == pytest.approx(stored, rel=RTOL)


def test_a_changed_setting_leaves_the_trace():
    stored = json.loads(GOLDEN.read_text())["kmclr"]
    assert trace("kmclr", loss={"temperature": 0.21}) != pytest.approx(stored, rel=RTOL)


if __name__ == "__main__":
    torch.set_num_threads(1)
    GOLDEN.parent.mkdir(exist_ok=True)
    traces = {method: [round(loss, 6) for loss in trace(method)] for method in METHODS}
    GOLDEN.write_text(json.dumps(traces, indent=1) + "\n")
