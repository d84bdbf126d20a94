"""A small budget of `benchmarks.chaos`, on trials that do not train; the long one is run by hand."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import chaos
from benchmarks.folders import differences

SECONDS = {"FAKE_SECONDS": "0.15", "OMP_NUM_THREADS": "1"}
CHANGES = {"confirm": {"seeds": [1, 2], "max_points": 1}}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of the study that nobody disturbed, and the command without --out."""
    out = tmp_path_factory.mktemp("alone")
    chaos.undisturbed(command(out), out.with_suffix(".log"), {**SECONDS, "FAKE_SECONDS": "0"})
    return out / "fake"


def command(out) -> list[str]:
    return [sys.executable, "-m", "tests.helpers.engine_helpers", str(out), "--set", json.dumps(CHANGES), "--dashboard"]


# A start of Ray takes seconds, and these need six: longer than 20 s.
@pytest.mark.parametrize(
    "victims",
    [("raylet", "driver"), ("gcs", "everything"), ("dashboard agent", "runtime_env agent", "trial")],
    ids=lambda victims: "-".join(victims).replace(" ", "_"),
)
def test_whatever_is_killed_the_study_ends_as_if_undisturbed(alone, tmp_path, victims) -> None:
    out, log = tmp_path / "out", tmp_path / "said.log"
    done = chaos.disturb(
        command(out), out, log, seed=len(victims[0]), kills=2, within_s=9, victims=victims, settings=SECONDS
    )
    assert [str(kill) for kill in done.kills if kill.complaint] == [], log.read_text()
    assert done.kills
    assert done.differences == [], log.read_text()
    assert differences(out / "fake", alone) == []


def test_differences_are_found_and_named(alone, tmp_path) -> None:
    """A comparison that finds nothing would make every round equal."""
    folder = tmp_path / "fake"
    folder.mkdir()
    for path in alone.glob("*.*"):
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    assert differences(folder, alone) == []
    reports = (alone / "reports.jsonl").read_text().splitlines()
    first = json.loads(reports[0])
    changed = reports[0].replace(str(first["accuracy"]), str(first["accuracy"] + 1))
    (folder / "reports.jsonl").write_text("\n".join([changed, *reports[2:]]) + "\n")
    (folder / "trials.jsonl").write_text("".join((alone / "trials.jsonl").read_text().splitlines(True)[:-1]))
    found = differences(folder, alone)
    assert any("reports.jsonl: " in said for said in found)
    assert any("trials.jsonl: " in said for said in found)
    assert any("epochs on record [1, 3" in said for said in found)
    assert any("accuracy" in said for said in found)
