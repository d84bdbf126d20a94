"""Signals end a study once."""

from __future__ import annotations

import os
import signal

import pytest

from study import interrupt
from study.interrupt import ECHO_S, Interrupted, StopSignals


def test_signals_raise_first_and_only_flag_later() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        with pytest.raises(Interrupted, match="SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.reason() == "SIGTERM"
    with StopSignals() as signals:
        signals.listen()
        assert signals.reason() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.reason() == "SIGINT"
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_echo_is_the_same_request_and_a_later_signal_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    now, ended = [100.0], []
    monkeypatch.setattr(interrupt.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(interrupt.os, "_exit", ended.append)
    with StopSignals() as signals:
        signals.listen()
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert (signals.reason(), ended) == ("SIGTERM", [])
        now[0] += ECHO_S
        os.kill(os.getpid(), signal.SIGINT)
    assert ended == [128 + signal.SIGINT]
