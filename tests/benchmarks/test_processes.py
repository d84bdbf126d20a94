"""Which of a study's processes a name of the chaos benchmark means."""

from __future__ import annotations

import pytest

from benchmarks.processes import PROCESSES, is_one


@pytest.mark.parametrize(
    ("name", "command", "victims"),
    [
        ("raylet", "/x/raylet/raylet --agent_command=ray::DashboardAgent gcs_server ray::", {"raylet"}),
        ("gcs_server", "/x/gcs/gcs_server --log_dir=/x", {"gcs"}),
        ("ray::DashboardA", "ray::DashboardAgent", {"dashboard agent"}),
        ("ray::RuntimeEnv", "ray::RuntimeEnvAgent", {"runtime_env agent"}),
        ("ray::IDLE", "ray::IDLE", {"trial"}),
        ("ray::Actor.trai", "ray::DurableTrainable.train", {"trial"}),
        ("python", "python -u run_study.py configs/k_sweep.yaml", set()),
    ],
)
def test_a_process_is_one_kind_of_victim(name, command, victims):
    assert {victim for victim, part in PROCESSES.items() if is_one(part, command, name)} == victims
