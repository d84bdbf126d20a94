"""What a person sees: the live table, plain lines, nothing; and the front at the end."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from study import schema
from study.listeners.terminal import Terminal
from study.record.journal import Journal
from study.record.recorder import Recorder
from tests.helpers.engine_helpers import KINDS_OF_OBJECTIVES, make_study
from tests.helpers.record_helpers import result, task

SHOWN = {
    "support": ("accuracy % support set", "75.00 10 B", "accuracy 40.00 % | support set 10 B"),
    "memory": ("accuracy % peak memory", "75.00 2.5 GB", "accuracy 40.00 % | peak memory 2.5 GB"),
    "time": ("accuracy % time per epoch s", "75.00 2", "accuracy 40.00 % | time per epoch 2 s"),
    "three": (
        "accuracy % support set peak memory",
        "75.00 10 B 2.5 GB",
        "accuracy 40.00 % | support set 10 B | peak memory 2.5 GB",
    ),
}
"""Of a study with these objectives: the headings of its columns, a trial's row, a trial's line at its end."""


def watch(folder, *, terminal=False, quiet=False, total=3, study=None):
    """A recorder with a display that writes into a string."""
    study = study or make_study()
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=140, soft_wrap=True)
    display = Terminal(study, quiet=quiet, console=console)
    recorder = Recorder(Journal(folder), study.objectives)
    recorder.listeners = [display]
    display.attach(recorder.journal)
    display.connected("127.0.0.1:8265", 2)
    display.stage("search", total)
    return recorder, display, screen


def drive(recorder) -> None:
    for number, accuracy in ((0, 70.0), (1, 40.0)):
        recorder.start(task(number))
        recorder.report(task(number), result(1, accuracy, peak_memory_bytes=2.5e9))
    recorder.tick()
    recorder.end(task(1), schema.STOPPED)


def test_plain_lines(tmp_path) -> None:
    recorder, _, screen = watch(tmp_path)
    drive(recorder)
    recorder.end(task(0), schema.FAILED, error="KeyError: 'x'")
    recorder.finish(hurry=False)
    recorder.journal.close()
    printed = screen.getvalue().splitlines()
    assert printed[0].startswith("Ray dashboard: http://127.0.0.1:8265 (token: `ray get-auth-token`")
    assert printed[1] == "Stage search: 3 trials"
    start = "[1/3] search-0001 stopped   kmclr k=50 | epoch 1/4 | accuracy 40.00 % | support set 10 B"
    assert printed[2] == f"{start} | best 70.00 % | ETA 0 s"
    assert printed[3].endswith("| KeyError: 'x'")


def test_live_table(tmp_path) -> None:
    recorder, display, screen = watch(tmp_path, terminal=True)
    drive(recorder)
    assert display.live is not None
    console = Console(width=140, file=io.StringIO())
    console.print(display.table())
    printed = console.file.getvalue()
    recorder.finish(hurry=False)
    recorder.journal.close()
    assert display.live is None
    rows = [" ".join(row.split()) for row in printed.splitlines()]
    assert "trial status point epoch accuracy % support set" in rows
    assert "search-0000 running kmclr k=50 1/4 70.00 10 B" in rows
    assert "search-0001 stopped kmclr k=50 1/4 40.00 10 B" in rows
    assert "search 1/3 done | best 70.00 % | ETA" in printed
    assert "[1/3]" not in screen.getvalue()


@pytest.mark.parametrize("kind", KINDS_OF_OBJECTIVES)
def test_a_study_s_own_objectives_are_shown(tmp_path, kind) -> None:
    headings, row, line = SHOWN[kind]
    recorder, display, screen = watch(tmp_path, study=make_study(objectives=KINDS_OF_OBJECTIVES[kind]))
    drive(recorder)
    recorder.report(task(0), result(4, 75.0, peak_memory_bytes=2.5e9))
    recorder.end(task(0), schema.COMPLETED)
    live = Console(width=140, file=io.StringIO())
    live.print(display.table())
    display.front(recorder.journal)
    recorder.finish(hurry=False)
    recorder.journal.close()
    live_rows = [" ".join(text.split()) for text in live.file.getvalue().splitlines()]
    assert f"trial status point epoch {headings}" in live_rows
    assert f"search-0000 completed kmclr k=50 4/4 {row}" in live_rows
    printed = [" ".join(text.split()) for text in screen.getvalue().splitlines()]
    assert printed[2] == f"[1/3] search-0001 stopped kmclr k=50 | epoch 1/4 | {line} | best 70.00 % | ETA 0 s"
    assert printed[-2:] == [f"trial point {headings}", f"search-0000 kmclr k=50 {row}"]


def test_best_is_the_lowest_of_an_objective_that_is_minimised(tmp_path) -> None:
    study = make_study(objectives={"epoch_s": "min", "accuracy": "max"})
    recorder, display, screen = watch(tmp_path, study=study)
    for number, seconds in ((0, 3.0), (1, 1.5), (2, 2.0)):
        recorder.report(task(number), result(1, epoch_s=seconds))
    recorder.end(task(2), schema.STOPPED)
    recorder.journal.close()
    assert display.best == {"search": 1.5}
    assert "| best 1.5 s |" in screen.getvalue()


def test_live_table_keeps_to_a_screen(tmp_path) -> None:
    recorder, display, _ = watch(tmp_path, terminal=True, total=40)
    for number in range(40):
        recorder.start(task(number))
        if number:
            recorder.end(task(number), schema.COMPLETED)
    assert display.table().row_count == 14
    assert "search-0000" in display.rows  # still running
    recorder.finish(hurry=False)
    recorder.journal.close()


def test_quiet_says_nothing_but_the_front(tmp_path) -> None:
    recorder, display, screen = watch(tmp_path, quiet=True)
    drive(recorder)
    recorder.report(task(0), result(4, 75.0))
    recorder.end(task(0), schema.COMPLETED)
    assert screen.getvalue() == ""
    display.front(recorder.journal)
    recorder.journal.close()
    printed = screen.getvalue()
    assert "Pareto front of 1 completed trial (validation, seed 0: n = 1 each)" in printed
    assert "search-0000" in printed
    assert "75.00" in printed
    assert "search-0001" not in printed


def test_no_front_is_said(tmp_path) -> None:
    recorder, display, screen = watch(tmp_path)
    display.front(recorder.journal)
    recorder.journal.close()
    assert "No trial has completed" in screen.getvalue()


def test_a_resumed_study_counts_what_was_done(tmp_path) -> None:
    recorder, _, _ = watch(tmp_path)
    drive(recorder)
    recorder.journal.close()
    again, display, screen = watch(tmp_path)
    again.journal.close()
    assert "Stage search: 3 trials, 1 already done" in screen.getvalue()
    assert display.eta() == "ETA -"


@pytest.mark.parametrize("label", ["kmclr k=[/]", "kmclr [red]", "kmclr :smile:"])
def test_labels_are_no_markup(tmp_path, label) -> None:
    ledger, display, screen = watch(tmp_path, terminal=True)
    ledger.start(task(0, label=label))
    ledger.report(task(0, label=label), result(1))
    Console(file=screen, width=140).print(display.table())
    ledger.end(task(0, label=label), schema.COMPLETED)
    display.close(hurry=False)
    display.front(ledger.journal)
    ledger.journal.close()
    assert screen.getvalue().count(label) >= 2


@pytest.mark.parametrize(
    ("confirm", "whole", "then"),
    [
        ({"seeds": [1, 2, 3], "max_points": 2}, True, ", then confirming, up to 4 min"),
        ({"enabled": False}, True, ""),
        ({}, False, ""),
    ],
)
def test_the_time_left_of_a_search_has_that_of_confirming_beside_it(tmp_path, confirm, whole, then) -> None:
    """An epoch took 4 s; 2 points and 2 baselines with 3 seeds have 9 epochs and a test each, two at a time: 240 s."""
    study = make_study(confirm=confirm)
    display = Terminal(study, console=Console(file=io.StringIO()), whole=whole)
    display.connected(None, 2)
    display.stage("search", 3)
    display._walls, display._epochs, display.done = [4.0, 12.0], [1, 3], 2
    assert display.eta() == f"ETA 4 s{then}"
    display.done = 3
    assert display.eta() == f"last trials{then}"
    display.stage("confirm", 6)
    display._walls, display._epochs = [8.0], [4]
    assert display.eta() == "ETA 24 s"


def test_what_was_confirmed_is_counted(tmp_path) -> None:
    recorder, display, screen = watch(tmp_path)
    recorder.journal.close()
    display.confirmed([{"point": p, "seed": s} for p in ("a", "b") for s in (1,)])
    assert screen.getvalue().splitlines()[-1] == "Confirmed: 2 points with 1 seed"
