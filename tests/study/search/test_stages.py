"""What the confirm stage runs."""

from __future__ import annotations

from study.search import stages
from tests.helpers.engine_helpers import BASELINES, make_study


def test_confirm_takes_the_front_and_the_baselines(bench) -> None:
    def end(number, accuracy, size, status="completed", baseline=False):
        metrics = {"accuracy": accuracy, "support_bytes": size}
        base = {
            "stage": "search",
            "trial_id": f"s{number}",
            "number": number,
            "params": dict(BASELINES[0]),
            "label": f"p{number}",
        }
        return base | {"metrics": metrics, "status": status, "baseline": baseline}

    ends = [end(0, 50, 10, baseline=True), end(1, 60, 10), end(2, 70, 20), end(3, 99, 1, "stopped")]
    ends += [end(4, 65, 15), end(5, 5, 90, "stopped", baseline=True)]
    objectives = bench.study.objectives
    assert [e["trial_id"] for e in stages.confirm_points(ends, objectives, 8)] == ["s2", "s4", "s1", "s0", "s5"]
    assert [e["trial_id"] for e in stages.confirm_points(ends, objectives, 2)] == ["s2", "s1", "s0", "s5"]
    assert stages.confirm_points([], objectives, 2) == []
    expected = {"s0": (-50.0, 10.0), "s1": (-66.0, 10.0), "s2": (-65.0, 20.0)}  # s4 is not in the space
    assert [e["trial_id"] for e in stages.confirm_points(ends, objectives, 8, (), expected)] == ["s1", "s0", "s5"]
    assert [e["trial_id"] for e in stages.confirm_points(ends, objectives, 8, ["s4"], {})] == ["s0", "s5", "s4"]
    study = make_study(confirm={"seeds": (7, 8), "epochs": 20})
    tasks = stages.confirm_tasks(study, ends[1:3])
    assert [(t.trial_id, t.point, t.seed, t.max_epochs) for t in tasks] == [
        ("confirm-0001-7", "s1", 7, 20),
        ("confirm-0002-7", "s2", 7, 20),
        ("confirm-0001-8", "s1", 8, 20),
        ("confirm-0002-8", "s2", 8, 20),
    ]
    assert tasks[0].run["seed"] == 7
