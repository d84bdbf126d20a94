"""What is said of a run on its way."""

from __future__ import annotations

import io

from rich.console import Console

from trainables.progress import RunProgress


def said(seconds_per_step: float, *, epochs: int, steps: int, terminal: bool = False) -> list[str]:
    """The lines of a run whose steps take so long, by a clock of its own."""
    now = 0.0
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100)
    run = {"epochs": epochs, "steps_per_epoch": steps, "clock": lambda: now}
    with RunProgress(console, method="kmclr", **run) as shown:
        for epoch in range(1, epochs + 1):
            for step in range(1, steps + 1):
                now += seconds_per_step
                shown.step(epoch, step)
            shown.epoch_ended(epoch, f"loss {epoch}")
    return file.getvalue().splitlines()


def test_without_a_terminal_long_epochs_get_a_line_within_them_now_and_then():
    lines = said(20.0, epochs=2, steps=5)
    assert lines == [
        "epoch 1/2: step 2/5",
        "epoch 1/2: step 4/5",
        "epoch 1/2 loss 1",
        "epoch 2/2: step 2/5",
        "epoch 2/2: step 4/5",
        "epoch 2/2 loss 2",
    ]


def test_without_a_terminal_short_epochs_get_few_lines_the_first_and_the_last_among_them():
    lines = said(0.25, epochs=100, steps=4)
    assert lines == [f"epoch {epoch}/100 loss {epoch}" for epoch in (1, 31, 61, 91, 100)]


def test_a_terminal_shows_the_step_within_the_epoch():
    text = "\n".join(said(1.0, epochs=3, steps=7, terminal=True))
    assert "epoch 3/3, step 7/7" in text
    assert "loss 3" in text
