"""The section on health: words for a terminal, and a command to run next that the study takes."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest

from analysis.health.checks import findings
from analysis.report.health import run_next, text
from analysis.results.load import load
from run_study import parse
from study import launch, schema
from study.record import manifest
from study.settings.loading import load_study
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied
from tests.helpers.synthetic_results import write_results


def ahead(results):
    return run_next(results, findings(results))


def options(command):
    """The command line, parsed as run_study parses it, after `uv run run_study.py` (or `python`)."""
    words = shlex.split(command)
    return parse(words[words.index("run_study.py") + 1 :])


def test_every_topic_is_told_with_its_verdict_and_numbers(tmp_path):
    said = text(load(write_results(tmp_path / "k_sweep", trials=12, epochs=6)))
    for line in ("Health of k_sweep", "Edges of the ranges: ", "Points told apart: ", "Early stopping: ",
                 "Validation front against test front: ", "Tuned against untuned: ", "Failures: ", "Collapse: ",
                 "Budget without gain: ", "Run next: "):  # fmt: skip
        assert line in said
    assert max(map(len, said.splitlines()[:-1])) <= 100


def test_a_running_study_is_left_alone():
    found = ahead(studied(search_trial(0, curve(50)), status="running"))
    assert found.command == "uv run python -m analysis results/k_sweep --health"


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_an_interrupted_study_is_gone_on_with(status):
    asked = options(ahead(studied(search_trial(0, curve(50)), status=status)).command)
    assert (asked.config, asked.out, asked.resume, asked.set) == ("results/k_sweep/study.yaml", "results", True, [])


def test_a_budget_that_was_used_up_is_doubled():
    manifest = {"sessions": [{"started": "2025-03-01T09:00:00+00:00", "ended": "2025-03-01T09:00:00+00:00",
                              "reason": "budget.epochs (40) reached"}]}  # fmt: skip
    found = ahead(studied(search_trial(0, curve(50)), study={"budget": {"epochs": 40}}, manifest=manifest))
    assert options(found.command).set == ["budget.epochs=80"]


def test_failed_trials_and_changes_go_into_one_command():
    results = edge()
    results.trials.loc[0, "status"] = "failed"
    asked = options(ahead(results).command)
    assert asked.retry == "failed"
    assert "search.trials=12" in asked.set


def test_failed_trials_are_tried_again_and_diverged_ones_are_not():
    trials = [search_trial(i, curve(50 + i)) for i in range(3)]
    failed = ahead(studied(*trials, search_trial(3, [1.0], status="failed")))
    assert options(failed.command).retry == "failed"
    diverged = ahead(studied(*trials, search_trial(3, [1.0], status="diverged")))
    assert diverged.command is None
    assert "nothing is left to run" in diverged.why


def edge(**more):
    """A study whose optimum lies at the upper edge of k, of two confirmed points that are far apart."""
    sizes = [30, 60, 120, 250, 500, 900, 1400, 1990]
    trials = [search_trial(i, curve(40 + k / 100), p_k=k, support_bytes=1.0 * k) for i, k in enumerate(sizes)]
    trials += [
        confirm_trial(i, seed, 40 + 20 * i + seed / 10, support_bytes=10.0 * i) for i in range(2) for seed in (1, 2, 3)
    ]
    return studied(*trials, **{"study": {"search": {"trials": 8}}, **more})


def test_a_wider_range_comes_with_trials_to_use_it():
    found = ahead(edge())
    assert found.why.startswith("For edges of the ranges, with 4 trials more")
    assert {"space.k.high=6000", "search.trials=12"} <= set(options(found.command).set)


def test_a_rehearsal_an_address_and_a_storage_are_kept():
    results = edge(manifest={"command": "python run_study.py a.yaml --address auto --storage s3://b/c"})
    words = shlex.split(ahead(dataclasses.replace(results, rehearsal=True)).command)
    assert words[0] == "python"
    asked = options(shlex.join(words))
    assert (asked.rehearse, asked.address, asked.storage) == (True, "auto", "s3://b/c")


def test_the_command_is_one_that_the_study_takes(tmp_path, monkeypatch):
    """From a folder alone, of a rehearsal begun with --set: loaded, checked, and compared as a resume does it."""
    monkeypatch.chdir(tmp_path)
    config = Path(schema.__file__).parents[1] / "configs" / "k_sweep.yaml"
    loaded = load_study(config, rehearse=True, overrides=["train.epochs=7"])
    folder = Path("results") / loaded.name_on_disk
    folder.mkdir(parents=True)
    manifest.save_study(folder, loaded.study)
    results = dataclasses.replace(edge(study=schema.read_study(folder), folder=folder), rehearsal=True)
    manifest.save(folder, {**results.manifest, "rehearsal": True})
    asked = options(ahead(results).command)
    chosen = launch.load(asked)
    assert asked.resume
    assert chosen.folder == folder
    assert chosen.loaded.study.train.epochs == 7
    changes = manifest.check_changes(folder, chosen.loaded.study, "study.yaml")
    assert [name for name, *_ in changes] == ["space.k.high", "search.trials"]
