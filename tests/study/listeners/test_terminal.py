"""What a person sees: the live table, plain lines, nothing; and the front at the end."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from study import schema
from study.listeners.terminal import Display, human_bytes, human_seconds
from study.record.journal import Journal
from study.record.recorder import Ledger
from tests.helpers.engine_helpers import make_study
from tests.study.tune.test_callback import result, task


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (51200, "51.2 kB"),
        (1.006e8, "101 MB"),
        (2.5e12, "2.5e+03 GB"),
        (None, "-"),
    ],
)
def test_bytes(count, text) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(3.4, "3 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")])
def test_seconds(seconds, text) -> None:
    assert human_seconds(seconds) == text


def watch(folder, *, terminal=False, quiet=False, total=3):
    """A ledger with a display that writes into a string."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=140, soft_wrap=True)
    display = Display(make_study(), quiet=quiet, console=console)
    ledger = Ledger(Journal(folder), make_study().objectives)
    ledger.listeners = [display]
    display.remember(ledger.journal)
    display.connected("127.0.0.1:8265", 2)
    display.stage("search", total)
    return ledger, display, screen


def drive(ledger) -> None:
    for number, accuracy in ((0, 70.0), (1, 40.0)):
        ledger.start(task(number))
        ledger.report(task(number), result(1, accuracy))
    ledger.tick()
    ledger.end(task(1), schema.STOPPED)


def test_plain_lines(tmp_path) -> None:
    ledger, _, screen = watch(tmp_path)
    drive(ledger)
    ledger.end(task(0), schema.FAILED, error="KeyError: 'x'")
    ledger.finish(hurry=False)
    ledger.journal.close()
    printed = screen.getvalue().splitlines()
    assert printed[0].startswith("Ray dashboard: http://127.0.0.1:8265 (token: `ray get-auth-token`")
    assert printed[1] == "Stage search: 3 trials"
    start = "[1/3] search-0001 stopped   kmclr k=50 | epoch 1/4 | accuracy 40.00 % | 10 B | best 70.00 % | ETA 0 s"
    assert printed[2] == start
    assert printed[3].endswith("| KeyError: 'x'")


def test_live_table(tmp_path) -> None:
    ledger, display, screen = watch(tmp_path, terminal=True)
    drive(ledger)
    assert display.live is not None
    console = Console(width=140, file=io.StringIO())
    console.print(display.table())
    printed = console.file.getvalue()
    ledger.finish(hurry=False)
    ledger.journal.close()
    assert display.live is None
    rows = [" ".join(row.split()) for row in printed.splitlines()]
    assert "trial status point epoch accuracy % support" in rows
    assert "search-0000 running kmclr k=50 1/4 70.00 10 B" in rows
    assert "search-0001 stopped kmclr k=50 1/4 40.00 10 B" in rows
    assert "search 1/3 done | best 70.00 % | ETA" in printed
    assert "[1/3]" not in screen.getvalue()


def test_live_table_keeps_to_a_screen(tmp_path) -> None:
    ledger, display, _ = watch(tmp_path, terminal=True, total=40)
    for number in range(40):
        ledger.start(task(number))
        if number:
            ledger.end(task(number), schema.COMPLETED)
    assert display.table().row_count == 14
    assert "search-0000" in display.rows  # still running
    ledger.finish(hurry=False)
    ledger.journal.close()


def test_quiet_says_nothing_but_the_front(tmp_path) -> None:
    ledger, display, screen = watch(tmp_path, quiet=True)
    drive(ledger)
    ledger.report(task(0), result(4, 75.0))
    ledger.end(task(0), schema.COMPLETED)
    assert screen.getvalue() == ""
    display.front(ledger.journal)
    ledger.journal.close()
    printed = screen.getvalue()
    assert "Pareto front of 1 completed trials (validation, seed 0)" in printed
    assert "search-0000" in printed
    assert "75.00" in printed
    assert "search-0001" not in printed


def test_no_front_is_said(tmp_path) -> None:
    ledger, display, screen = watch(tmp_path)
    display.front(ledger.journal)
    ledger.journal.close()
    assert "No trial has completed" in screen.getvalue()


def test_a_resumed_study_counts_what_was_done(tmp_path) -> None:
    ledger, _, _ = watch(tmp_path)
    drive(ledger)
    ledger.journal.close()
    again, display, screen = watch(tmp_path)
    again.journal.close()
    assert "Stage search: 3 trials, 1 already done" in screen.getvalue()
    assert display.eta() == "ETA -"
