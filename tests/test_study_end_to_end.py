"""A whole study on a real local Ray, with trials that do not train: the folder it leaves and the ways it is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml

from study import schema
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[1]
CONFIRM = {"seeds": (1, 2), "max_points": 2}


@pytest.fixture(scope="module")
def cluster():
    """One local Ray for the module, without dashboard."""
    from study.tune.environment import set_variables

    set_variables(local=True)
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory) -> Path:
    """The folder of a finished study: search and confirm."""
    out = tmp_path_factory.mktemp("finished")
    study = make_study(confirm=CONFIRM, question="How much?")
    assert run_fake(study, out) == 0
    return out / "fake"


def test_folder_holds_what_the_schema_names(finished) -> None:
    names = {p.name for p in finished.iterdir()}
    files = {schema.STUDY_FILE, schema.MANIFEST_FILE, schema.TRIALS_FILE, schema.REPORTS_FILE}
    files |= {schema.DRAWS_FILE, schema.OPTUNA_FILE}
    assert files | {schema.RAY_DIR} <= names
    assert (finished / schema.LOCK_FILE).read_text() == ""


def test_study_file_is_fully_resolved(finished) -> None:
    stored = yaml.safe_load((finished / schema.STUDY_FILE).read_text())
    assert stored["schema"] == 1
    assert stored["heads"]["embedding_dim"] == 256
    assert stored["space"]["k"] == {"low": 25.0, "high": 2000.0, "log": True, "step": None, "grid": 4}


def test_manifest_has_every_field_and_is_finished(finished) -> None:
    record = json.loads((finished / schema.MANIFEST_FILE).read_text())
    assert set(record) == {*schema.MANIFEST_FIELDS, *schema.MANIFEST_MAY} - {
        "own",
        "learned",
    }  # it has no parts of its own, and learns from nothing
    assert (record["status"], record["question"], record["rungs"]) == ("finished", "How much?", [1, 3])
    assert record["seeds"] == {"search": 0, "trial": 0, "confirm": [1, 2]}
    assert record["versions"]["ray"].startswith("2.")
    assert record["hardware"]["cores"] >= 1
    assert len(record["sessions"]) == 1
    assert record["ended"] >= record["started"]


def test_trials_and_reports_agree(finished) -> None:
    ends, reports = lines(finished / schema.TRIALS_FILE), lines(finished / schema.REPORTS_FILE)
    assert all(set(end) == set(schema.TRIAL_FIELDS) for end in ends)
    assert all(set(schema.REPORT_IDENTITY) <= set(report) for report in reports)
    for end in ends:
        held = [r[schema.HELD_S] for r in reports if r["trial_id"] == end["trial_id"]]
        assert held[0] > 0
        assert [*held, end["wall_s"]] == sorted([*held, end["wall_s"]])
    keys = [(r["trial_id"], r["epoch"]) for r in reports]
    assert len(keys) == len(set(keys))
    for end in ends:
        own = [r for r in reports if r["trial_id"] == end["trial_id"]]
        assert [r["epoch"] for r in own] == list(range(1, end["epochs"] + 1))
        assert own[-1]["accuracy"] == end["metrics"]["accuracy"]


def test_search_stops_early_at_rungs_only_and_measures_baselines_fully(finished) -> None:
    ends = [e for e in lines(finished / schema.TRIALS_FILE) if e["stage"] == "search"]
    assert [e["number"] for e in sorted(ends, key=lambda e: e["number"])] == list(range(8))
    stopped = [e for e in ends if e["status"] == schema.STOPPED]
    assert stopped
    assert {e["epochs"] for e in stopped} <= {1, 3}
    assert {e["status"] for e in ends if e["baseline"]} == {schema.COMPLETED}


def test_confirm_runs_every_point_with_every_seed_on_test(finished) -> None:
    ends = [e for e in lines(finished / schema.TRIALS_FILE) if e["stage"] == "confirm"]
    search = {e["trial_id"]: e for e in lines(finished / schema.TRIALS_FILE) if e["stage"] == "search"}
    points = {e["point"] for e in ends}
    assert sorted((e["point"], e["seed"]) for e in ends) == sorted((p, s) for p in points for s in (1, 2))
    assert all(search[p]["status"] == schema.COMPLETED for p in points)
    assert all(e["params"] == search[e["point"]]["params"] for e in ends)
    assert all("test_acc1" in e["metrics"] and e["epochs"] == 9 for e in ends)
    assert not any("test_acc1" in e["metrics"] for e in search.values())


def test_optuna_storage_tells_the_same_story(finished) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{finished / schema.OPTUNA_FILE}")
    trials = optuna.load_study(study_name="fake", storage=storage).get_trials()
    storage.engine.dispose()
    states = {"completed": "COMPLETE", "stopped": "PRUNED"}
    ends = {e["trial_id"]: states[e["status"]] for e in lines(finished / schema.TRIALS_FILE) if e["stage"] == "search"}
    assert {t.user_attrs["trial"]["trial_id"]: t.state.name for t in trials} == ends


def test_optuna_dashboard_opens_the_storage(finished) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    storage = optuna.storages.RDBStorage(f"sqlite:///{finished / schema.OPTUNA_FILE}")
    application = dashboard.wsgi(storage)
    answers = []
    environment = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies", "wsgi.input": None, "QUERY_STRING": ""}
    environment |= {"SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr}
    body = b"".join(application(environment, lambda status, headers, *_: answers.append(status)))
    storage.engine.dispose()
    assert answers == ["200 OK"]
    assert "fake" in body.decode()


def test_only_kept_checkpoints_remain(finished) -> None:
    ends = lines(finished / schema.TRIALS_FILE)
    kept = sorted(str(p.relative_to(finished)) for p in (finished / schema.RAY_DIR).glob("*/*/checkpoint_*"))
    assert kept == sorted(e["checkpoint"] for e in ends if e["checkpoint"])
    assert all((e["checkpoint"] is None) == (e["status"] == schema.STOPPED) for e in ends)


def test_resuming_a_finished_study_adds_nothing(finished) -> None:
    before = outcome(finished)
    assert run_fake(make_study(confirm=CONFIRM, question="How much?"), finished.parent, resume=True) == 0
    assert outcome(finished) == before
    assert len(json.loads((finished / schema.MANIFEST_FILE).read_text())["sessions"]) == 2


def test_existing_folder_is_refused_without_resume(finished) -> None:
    with pytest.raises(ValueError, match="exists already; continue it with --resume, choose another --out"):
        run_fake(make_study(), finished.parent)


def test_changed_study_is_refused_with_the_difference(finished) -> None:
    changed = make_study(confirm=CONFIRM, train={"epochs": 10}, question="How much?")
    said = r"train\.epochs: 9 -> 10 \(its trials had another budget\)\. Undo"
    with pytest.raises(ValueError, match=rf"fake\.yaml: changed since .* was begun: {said}"):
        run_fake(changed, finished.parent, resume=True)


def test_changed_data_is_refused(finished) -> None:
    study = make_study(confirm=CONFIRM, question="How much?")
    with pytest.raises(ValueError, match=r"data set has changed .*fingerprint 1 -> 2"):
        run_fake(study, finished.parent, resume=True, describe=lambda _: {"fingerprint": "2"})


def test_nothing_to_resume_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="nothing to resume here; start the study without --resume"):
        run_fake(make_study(), tmp_path, resume=True)
    with pytest.raises(ValueError, match="--stage confirm needs a finished search stage"):
        run_fake(make_study(), tmp_path, stage="confirm")
    with pytest.raises(ValueError, match="expected one of search, confirm, ablate, got 'report2'"):
        run_fake(make_study(), tmp_path, stage="report2")


def test_stages_one_by_one_equal_both_at_once(cluster, finished, tmp_path) -> None:
    study = make_study(confirm=CONFIRM, question="How much?")
    assert run_fake(study, tmp_path, stage="search") == 0
    assert not any(e["stage"] == "confirm" for e in lines(tmp_path / "fake" / schema.TRIALS_FILE))
    assert run_fake(study, tmp_path, stage="confirm") == 0
    assert outcome(tmp_path / "fake") == outcome(finished)


@pytest.mark.parametrize(("scheduler", "sampler"), [("asha", "random"), ("hyperband", "nsga2"), ("none", "grid")])
def test_other_schedulers_and_samplers(cluster, tmp_path, scheduler, sampler) -> None:
    space = {"method": ("kmclr", "none"), "k": (50, 100), "temperature": (0.1, 0.2)}
    search = {"trials": 4, "sampler": sampler}
    study = make_study(space=space, baselines=(), search=search, scheduler={"name": scheduler, "grace_period": 2})
    assert run_fake(study, tmp_path) == 0
    ends = lines(tmp_path / "fake" / schema.TRIALS_FILE)
    assert len(ends) == 4
    if scheduler == "none":
        assert {e["epochs"] for e in ends} == {9}


def test_two_at_a_time_is_valid(cluster, tmp_path) -> None:
    assert run_fake(make_study(resources={"max_concurrent": 2}), tmp_path) == 0
    ends = lines(tmp_path / "fake" / schema.TRIALS_FILE)
    assert sorted(e["number"] for e in ends) == list(range(8))


@pytest.mark.parametrize(
    ("budget", "match"), [({"epochs": 12, "reserve_for_confirm": False}, "budget.epochs (12) reached")]
)
def test_budget_stops_cleanly_and_a_larger_one_goes_on(
    cluster, finished, tmp_path, capsys, monkeypatch, budget, match
) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)  # started without uv
    study = make_study(confirm=CONFIRM, question="How much?", budget=budget)
    assert run_fake(study, tmp_path, quiet=True, storage=f"file://{tmp_path}/shared") == 0
    printed = capsys.readouterr().out
    assert match in printed
    assert "of 8 trials ended; nothing has been confirmed on test." in printed
    checkpoints = [str(p.relative_to(tmp_path)) for p in tmp_path.glob("shared/fake-*/search-1/*/checkpoint_*")]
    assert checkpoints
    assert not (tmp_path / "fake" / schema.RAY_DIR).exists()
    assert "python run_study.py fake.yaml --resume" in printed
    record = json.loads((tmp_path / "fake" / schema.MANIFEST_FILE).read_text())
    assert (record["status"], record["sessions"][-1]["reason"]) == ("finished", match)
    assert 12 <= len(lines(tmp_path / "fake" / schema.REPORTS_FILE)) <= 13
    assert run_fake(make_study(confirm=CONFIRM, question="How much?"), tmp_path, resume=True) == 0
    assert outcome(tmp_path / "fake") == outcome(finished)


def test_a_search_that_leaves_the_confirm_stage_its_part_of_a_budget(cluster, tmp_path, capsys) -> None:
    study = make_study(confirm=CONFIRM, budget={"epochs": 120}, search={"trials": 60}, resources={"max_concurrent": 2})
    assert run_fake(study, tmp_path, quiet=True) == 0
    assert "budget.epochs (120): the search ended with " in capsys.readouterr().out
    ends = lines(tmp_path / "fake" / schema.TRIALS_FILE)
    assert {e["status"] for e in ends if e["stage"] == schema.CONFIRM} == {schema.COMPLETED}
    assert len([e for e in ends if e["stage"] == schema.SEARCH and e["status"] != schema.INTERRUPTED]) < 60
    assert len(lines(tmp_path / "fake" / schema.REPORTS_FILE)) < 120


def test_no_warnings_or_ray_noise_on_the_way(tmp_path) -> None:
    command = [sys.executable, "-m", "tests.helpers.engine_helpers", str(tmp_path), "--dashboard"]
    search = json.dumps({"search": {"trials": 2}})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--set", search], cwd=ROOT, capture_output=True, text=True, timeout=200, env=environment, check=True
    )
    printed = done.stdout.splitlines()
    assert printed[0] == "Stage search: 2 trials"
    assert printed[1].startswith("Ray dashboard: http://127.0.0.1:")
    assert "ray get-auth-token" in printed[1]
    assert [row.split("]")[0] for row in printed[2:4]] == ["[1/2", "[2/2"]
    assert printed[4].startswith("Pareto front of 2 completed trials")
    assert done.stderr == ""
