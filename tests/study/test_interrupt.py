"""Signals end a study once."""

from __future__ import annotations

import pytest

from study.interrupt import StopSignals


def test_signals_raise_first_and_only_flag_later() -> None:
    import os
    import signal

    from study.interrupt import Interrupted

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
