"""The manifest of a study that has just begun."""

from __future__ import annotations

import pytest

from study.record import manifest
from tests.helpers.engine_helpers import make_study
from tests.helpers.record_helpers import DATA


@pytest.fixture
def record() -> dict:
    return manifest.new(make_study(), rehearsal=True, command="run_study.py x", data=DATA, rungs=[1, 3])
