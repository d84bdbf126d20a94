"""A trial as the study knows it."""

from __future__ import annotations

import json

from study.record.task import from_config, point_key
from tests.helpers.record_helpers import task


def test_task_survives_tune_s_config() -> None:
    one = task(extra={"linear_epochs": 7}, resume_from=("a", "b"))
    config = json.loads(json.dumps(one.config())) | {"threads": 1}
    assert config["linear_epochs"] == 7
    assert from_config(config) == one
    assert point_key({"a": 1, "b": 2}) == point_key({"b": 2, "a": 1})
