"""Which backbone is meant, and what is known of it; intervals are those of the study's report."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from analysis.results.load import load
from analysis.results.points import confirmed
from tests.helpers.engine_helpers import lines
from tests.helpers.synthetic_results import write_results
from trainables import checkpoint
from trainables.evaluation import offline
from trainables.export import winner
from trainables.vocabulary.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:.*dropped a torn last line")


def test_intervals_over_seeds_are_those_of_the_report(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "k", confirm_seeds=(1, 2, 3, 4))
    for metric in ("accuracy", "test_acc1", "test_knn_acc1"):
        report = confirmed(load(folder), metric)
        assert len(report) > 3
        for row in report.itertuples():
            found = winner._over_seeds(winner._ends(folder), row.point)[metric]
            assert found == (row.y, row.low, row.high, row.n, row.how)


def test_a_runs_own_epoch_is_what_is_told(run: Path) -> None:
    found = winner.find(run.parent.parent)
    last = checkpoint.read(run)["evaluator"]["last"]
    assert (found.name, found.frozen.epoch, found.study) == ("run", 1, None)
    assert found.measured["probe_acc1"] == last["probe_acc1"]
    assert "changed since" in found.no_images  # the fixture's digits are made up
    assert found.interval_over_images("probe_acc1") is None


def test_interval_over_images_is_wilsons(run: Path) -> None:
    found = winner.find(run)._replace(measured={"probe_acc1": 60.0}, images={"validation": 50})
    low, high, number = found.interval_over_images("probe_acc1")
    z, p, n = stats.norm.ppf(0.975), 0.6, 50
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert (low, high) == pytest.approx(tuple(100 * (middle + s * half) / (1 + z * z / n) for s in (-1, 1)))
    assert number == n
    assert found.interval_over_images("test_acc1") is None


def test_trials_and_points_of_a_study_by_every_name(results: Path) -> None:
    ends = {end["trial_id"]: end for end in lines(results / "trials.jsonl") if end["stage"] == "confirm"}
    best = max(ends.values(), key=lambda end: end["metrics"]["accuracy"])
    point, label = best["point"], best["label"]
    ways = [{"point": point}, {"point": label}, {"trial": best["trial_id"]}]
    found = [winner.find(results, **way) for way in ways] + [winner.find(results / best["checkpoint"])]
    found += [winner.find(results / best["trial_id"]), winner.find((results / best["checkpoint"]).parent)]
    assert {one.study.trial for one in found} == {best["trial_id"]}
    assert "best on validation" in found[0].study.chosen
    assert found[-1].study.chosen == ""
    for one in found:
        assert one.measured == pytest.approx({n: v for n, v in best["metrics"].items() if n in one.measured})
        assert one.study.seeds["test_acc1"].n == 2
        assert one.interval_over_images("test_acc1")[2] == one.images["test"] == 360
        assert one.frozen.epoch == 2
    _of_a_study_that_was_killed(results, sorted(ends))


def _of_a_study_that_was_killed(results: Path, trials: list[str]) -> None:
    """Its last trial has no end yet, and the line that was being written is torn."""
    manifest = results / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"finished"', '"running"'))
    text = (results / "trials.jsonl").read_bytes()
    (results / "trials.jsonl").write_bytes(text[:-20])
    (results / "lines.json").unlink()
    ended, unfinished = (winner.find(results, trial=trial) for trial in trials)
    assert (ended.study.ended, ended.study.status, ended.study.seeds["test_acc1"].n) == ("completed", "running", 1)
    assert (unfinished.study.ended, unfinished.study.seeds, unfinished.frozen.epoch) == (None, {}, 2)
    assert unfinished.measured["probe_acc1"] >= 0


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({}, r"name a point \(--point\) or a trial \(--trial\)\. Confirmed points: search-0000 \(kmclr"),
        ({"point": "kmclr t=0.2 k=50 f=4"}, r"no confirmed point kmclr.*; did you mean 'kmclr t=0.2 k=50 f=3'\?"),
        ({"point": "x" * 5000}, r"no confirmed point xxx.*5,000 characters"),
        ({"point": "search-0000"}, "no checkpoint of point search-0000 here"),
        ({"point": "search-0000", "trial": "x"}, "give one of them"),
        ({"trial": "confirm-9"}, "no checkpoint of a trial confirm-9"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, way: dict[str, str], message: str) -> None:
    folder = write_results(tmp_path / "k")
    with pytest.raises(UserError, match=message):
        winner.find(folder, **way)


def test_own_code_is_imported_only_where_it_is_allowed(run: Path, tmp_path: Path) -> None:
    state = checkpoint.read(run)
    state["config"]["encoder"]["name"] = "nowhere:Net"
    checkpoint.write(run, state)
    with pytest.raises(UserError, match=r"encoder\.name of the run is nowhere:Net, .*--allow-code"):
        winner.find(run)
    with pytest.raises(UserError, match="there is no module nowhere"):
        winner.find(run, allow_code=True)


def test_data_that_are_gone_cost_the_interval_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(cfg: object, say: object) -> None:
        raise UserError("data.root: no such folder\nsecond line")

    monkeypatch.setattr(winner, "load_dataset", gone)
    found = winner.find(run)
    assert found.no_images == "the run's data are not here (data.root: no such folder)"
    assert isinstance(found.frozen, offline.Frozen)
