"""The history of a study in a paragraph, and the commands that repeat it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.report.history import code_folder, commands, commands_to_repeat, config_of, history, option
from study.schema import EARLY

RUN = "python run_study.py a.yaml"


def results(*sessions: dict[str, Any], folder: str = "elsewhere/a", **more: Any) -> Any:
    stamps = {"started": "2026-11-27T08:06:41.086+00:00", "ended": "2026-11-27T09:00:00.000+00:00"}
    record = {"sessions": [{**stamps, **one} for one in sessions], "command": "run_study.py a.yaml", "git": None}
    fixed = {"folder": Path(folder), "study": {}, "running": False, "rehearsal": False, "paused": frozenset()}
    return SimpleNamespace(manifest=record, **{**fixed, **more})


def test_each_session_is_told() -> None:
    told = history(
        results(
            {"reason": "killed", "ended": None},
            {"reason": "SIGINT"},
            {"reason": "budget.epochs (20) reached"},
            {"reason": "RuntimeError: a bug"},
            {"reason": "done", "damage": ["/home/me/a/reports.jsonl:4: lines 4 to 5 are missing (search-0000)",
                                          "/home/me/a/reports.jsonl.damaged-1: the damaged file is kept here"]},
            {"reason": "done", "retry": {"which": "failed", "trials": 1}},
            {"reason": None, "ended": None},
            running=True,
        )
    )  # fmt: skip
    assert told == (
        "Begun 2026-11-27 08:06 UTC; killed, or its machine went down. "
        "Resumed 2026-11-27 08:06 UTC; interrupted by SIGINT 2026-11-27 09:00 UTC. "
        "Resumed 2026-11-27 08:06 UTC; stopped: budget.epochs (20) reached 2026-11-27 09:00 UTC. "
        "Resumed 2026-11-27 08:06 UTC; ended by an error: RuntimeError: a bug 2026-11-27 09:00 UTC. "
        "Resumed 2026-11-27 08:06 UTC; damaged records were made again (reports.jsonl:4: lines 4 to 5 are missing "
        "(search-0000)); ran to its end 2026-11-27 09:00 UTC. "
        "Tried again 2026-11-27 08:06 UTC (failed: 1 trial); ran to its end 2026-11-27 09:00 UTC. "
        "Resumed 2026-11-27 08:06 UTC; still running."
    )


def test_a_search_that_ended_to_leave_time_for_confirming_is_told() -> None:
    reason = "budget.epochs (20): the search ended with 3 of 9 trials, to keep the 8 epochs that the confirm stage"
    early = {EARLY: {"reason": reason, "budget": {}}}
    done, interrupted = history(results({"reason": reason, **early})), history(results({"reason": "SIGINT", **early}))
    assert done == f"Begun 2026-11-27 08:06 UTC; stopped: {reason} 2026-11-27 09:00 UTC."
    assert interrupted == f"Begun 2026-11-27 08:06 UTC; {reason}; interrupted by SIGINT 2026-11-27 09:00 UTC."


def test_many_sessions_are_summed_up() -> None:
    told = history(results(*[{"reason": "killed", "ended": None}] * 40, {"reason": "done"}))
    assert "29 more sessions: 29 killed, or its machine went down." in told
    assert told.endswith("ran to its end 2026-11-27 09:00 UTC.")
    assert len(told) < 1500


@pytest.mark.parametrize("sessions", ["none", [3], [{}], None])
def test_a_strange_manifest_costs_no_report(sessions) -> None:
    one = results()
    one.manifest["sessions"] = sessions
    assert isinstance(history(one), str)
    assert commands_to_repeat(one).startswith("uv run run_study.py a.yaml\n")


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ([RUN, RUN], [RUN]),
        ([f"{RUN} --set budget.epochs=9", f"{RUN} --set budget.epochs=99"], [f"{RUN} --set budget.epochs=99"]),
        ([f"{RUN} --stage search", f"{RUN} --stage=confirm"], [f"{RUN} --stage search", f"{RUN} --stage=confirm"]),
        ([f"{RUN} --stage search", RUN], [RUN]),
        ([RUN, f"{RUN} --stage confirm"], [RUN, f"{RUN} --stage confirm"]),
    ],
)
def test_the_last_command_of_each_stage_counts(used, expected) -> None:
    assert commands(results(*({"reason": "done", "command": c} for c in used)).manifest) == expected


def test_the_report_is_redrawn_where_the_study_is_run_to() -> None:
    command = "python run_study.py '~/my studies/a.yaml' --out '~/x y'"
    text = commands_to_repeat(results({"reason": "done", "command": command}, rehearsal=True))
    assert text == (
        "# on a machine with a GPU add --rehearse: this was the rehearsal, for want of one\n"
        f"{command}\n"
        "python -m analysis '~/x y/a'   # redraws this report from the folder alone"
    )
    plain = commands_to_repeat(results({"reason": "done", "command": "uv run run_study.py a.yaml"}))
    assert plain.endswith("uv run python -m analysis results/a   # redraws this report from the folder alone")
    assert option(f"{RUN} --out=b --out c", "--out") == "c"


OWN = {"own": {"parts": {"support.name": "mypkg.sets:Memory"}, "methods": {}, "support_sets": {}}}


def with_code(*used: str, **study: Any) -> Any:
    one = results(*({"reason": "done", "command": command} for command in used), study=study)
    one.manifest.update(OWN)
    return one


def test_code_that_lies_beside_the_study_is_found_from_where_the_study_was_started() -> None:
    """Also after a session that was started from the folder's own study.yaml, which has no code beside it."""
    begun = "python run_study.py 'my code/own.yaml' --allow-code"
    resumed = "python run_study.py results/a/study.yaml --allow-code --set seed=2"
    assert commands_to_repeat(with_code(begun)).splitlines()[0] == begun
    again = commands_to_repeat(with_code(begun, resumed)).splitlines()
    assert again[0].startswith("cp results/a/study.yaml a-again.yaml   # ")
    assert again[1] == "PYTHONPATH='my code' python run_study.py a-again.yaml --allow-code --set seed=2"
    assert code_folder(with_code("python run_study.py own.yaml --allow-code", resumed)) == ""
    assert code_folder(results({"reason": "done", "command": begun})) == ""


def test_a_program_elsewhere_is_where_the_commit_and_the_analysis_are() -> None:
    one = with_code("python /opt/house/run_study.py own/a.yaml", report={"figures": ["mypkg.figures:spread"]})
    one.manifest["git"] = {"commit": "abc", "dirty": False}
    checkout, run, redraw = commands_to_repeat(one).splitlines()
    assert checkout == "git -C /opt/house checkout abc"
    assert run == "python /opt/house/run_study.py own/a.yaml"
    assert redraw == (
        "PYTHONPATH=/opt/house:own python -m analysis results/a --figure mypkg.figures:spread --allow-code"
        "   # redraws this report from the folder alone"
    )


@pytest.mark.parametrize(
    "command", ["uv run run_study.py --set x=1 --out r a.yaml --plan", "python h/run_study.py a.yaml --device=cpu"]
)
def test_the_file_of_a_study_is_told_from_the_values_of_options(command) -> None:
    assert config_of(command) == "a.yaml"


def test_an_ablation_is_repeated_after_what_it_follows() -> None:
    run, confirm, ablate = (f"uv run run_study.py a.yaml{more}" for more in ("", " --stage confirm", " --stage ablate"))
    for used, told in (
        ((run, ablate), [run, ablate]),
        ((run, ablate, run), [run, ablate]),  # a resume of all
        ((run, ablate, confirm, ablate), [run, confirm, ablate]),
        ((run, ablate, confirm), [run, confirm, ablate]),
    ):
        assert commands(results(*({"reason": "done", "command": one} for one in used)).manifest) == told
