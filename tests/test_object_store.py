"""Studies whose checkpoints lie in an object store: a real S3 server on this machine, spoken to as to any other."""

from __future__ import annotations

import json
import signal
import tempfile
from pathlib import Path

import pytest
from pyarrow import fs
from ray import tune
from ray.train._internal.storage import StorageContext

from study import schema
from study.record.checkpoints import Checkpoints, joined, storage_uri
from tests.helpers import s3_server
from tests.helpers.engine_helpers import lines, lone_trial, make_study, outcome, run_fake
from tests.helpers.record_helpers import task
from tests.test_resume import finish, start, wait_for_reports

SMALL = {"search": {"trials": 1}, "confirm": {"seeds": [1], "max_points": 1}}


@pytest.fixture(scope="module")
def server():
    """The address of an S3 server; this process and those it starts have what a client needs in their environment."""
    with pytest.MonkeyPatch.context() as patch, s3_server.running() as address:
        for name, value in s3_server.CLIENT.items():
            patch.setenv(name, value)
        yield address


@pytest.fixture
def uri(server, tmp_path) -> str:
    """A storage of the test's own, as a person names it who has a MinIO-like server."""
    return f"s3://{s3_server.BUCKET}/{tmp_path.name}?endpoint_override={server}&scheme=http"


def objects(uri: str) -> list[str]:
    """Paths below the storage, directories without objects included."""
    store, root = fs.FileSystem.from_uri(uri)
    found = store.get_file_info(fs.FileSelector(root, recursive=True))
    return sorted(info.path.removeprefix(root + "/") for info in found)


def put(uri: str, text: str, *names: str) -> str:
    """Write a file below the storage, without objects for its folders; its folder's URI."""
    store, path = fs.FileSystem.from_uri(joined(uri, *names))
    with store.open_output_stream(path) as file:
        file.write(text.encode())
    return joined(uri, *names[:-1])


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/a/what?/", "/a/what?/x/y"),
        ("s3://bucket/", "s3://bucket/x/y"),
        ("s3://bucket/a/?scheme=http&region=eu", "s3://bucket/a/x/y?scheme=http&region=eu"),
        ("s3://bucket/a%20b", "s3://bucket/a%20b/x/y"),
    ],
)
def test_names_go_below_a_uri_and_its_options_stay_at_the_end(uri, expected) -> None:
    assert joined(uri, "x", "y") == expected


def test_checkpoints_are_found_and_removed(uri, tmp_path) -> None:
    """The URIs found are those that a trial can load from, also with options and escaped characters in them."""
    uri = uri.replace("?", "/of%20mine?")
    checkpoints = Checkpoints(tmp_path, uri)
    assert checkpoints.of(task()) == []
    assert checkpoints.tidy(task(), keep=1) is None
    made = [
        put(uri, "{}", session, trial, f"checkpoint_{index:06d}", "state.json")
        for session, trial, index in (
            ("search-1", "search-0000", 0),
            ("search-2", "search-0000", 0),
            ("search-10", "search-0000", 0),
            ("search-10", "search-0001", 0),
            ("confirm-2", "search-0000", 3),
        )
    ]
    assert checkpoints.of(task()) == made[2::-1]
    for found in made:
        store, path = fs.FileSystem.from_uri(found)
        assert store.get_file_info(f"{path}/state.json").is_file
    assert checkpoints.tidy(task(), keep=1) == made[2]
    assert checkpoints.of(task()) == [made[2]]
    assert checkpoints.tidy(task(), keep=0) is None
    assert [path for path in objects(uri) if path.endswith("state.json")] == [
        "confirm-2/search-0000/checkpoint_000003/state.json",
        "search-10/search-0001/checkpoint_000000/state.json",
    ]


def test_what_is_wrong_with_a_storage_is_said_before_anything_starts(server) -> None:
    options = f"?endpoint_override={server}&scheme=http"
    with pytest.raises(ValueError, match=r"--storage s3://nosuch/a\?.*: Bucket 'nosuch' not found. .*; give a folder"):
        storage_uri(f"s3://nosuch/a{options}")
    with pytest.raises(ValueError, match="InvalidBucketName"):
        storage_uri(f"s3://x/a{options}&allow_bucket_creation=true")
    made = storage_uri(f"s3://fresh/a/{options}&allow_bucket_creation=true")
    assert made == f"s3://fresh/a{options}&allow_bucket_creation=true"
    assert objects(f"s3://fresh{options}") == ["a"]
    assert storage_uri(f"s3://fresh{options}") == f"s3://fresh{options}"
    with pytest.raises(ValueError, match="Unexpected query parameter in S3 URI: 'endpoint'"):
        storage_uri(f"s3://bucket/a?endpoint={server}")
    with pytest.raises(ValueError, match="its URI holds a secret, and the manifest would record it") as error:
        storage_uri(f"s3://me:hidden@bucket/a{options}")
    assert "hidden" not in str(error.value)


def test_a_storage_that_stops_answering_does_not_end_the_study(tmp_path, capsys) -> None:
    (tmp_path / "ray").write_text("")  # a file where the folder was: listing it raises OSError, as a lost server does
    assert Checkpoints(tmp_path, None).tidy(task(), keep=1) is None
    assert capsys.readouterr().err.startswith("the checkpoints of search-0000 could not be tidied up: ")


def test_interrupted_study_goes_on_from_checkpoints_in_the_store(uri, tmp_path) -> None:
    """SIGINT in mid-trial; `--resume` without the option goes back to the store, and no epoch is trained again."""
    process = start(tmp_path, seconds=0.3, changes=SMALL, options=["--storage", uri])
    wait_for_reports(tmp_path / "fake", 3, process)
    process.send_signal(signal.SIGINT)
    code, _, errors = finish(process)
    assert (code, errors) == (130, "")
    before = len(lines(tmp_path / "fake" / schema.REPORTS_FILE))
    assert before < 9
    code, printed, errors = finish(start(tmp_path, seconds=0, changes=SMALL, resume=True))
    assert (code, errors) == (0, ""), printed
    assert f"Checkpoints are in {uri}, as before" in printed
    reports, ends = outcome(tmp_path / "fake")
    assert [(r["trial_id"], r["epoch"]) for r in reports] == [
        (trial, epoch) for trial in ("search-0000", "confirm-0000-1") for epoch in range(1, 10)
    ]
    sums = [sum(r["accuracy"] for r in reports[:9]), sum(r["accuracy"] for r in reports[9:])]
    assert [reports[8]["loss"], reports[17]["loss"]] == pytest.approx(sums)  # the running sum came out of the store
    record = json.loads((tmp_path / "fake" / schema.MANIFEST_FILE).read_text())
    assert [s["storage"] for s in record["sessions"]] == [uri, uri]
    # one checkpoint a trial is left; its number counts the epochs of the session that wrote it, and the signal may have
    # come before the last reported epoch's checkpoint was there
    kept = [path.removesuffix("/state.json") for path in objects(uri) if path.endswith("state.json")]
    own = kept[0].split("/")[0]
    confirmed, searched = kept
    assert confirmed == f"{own}/confirm-2/confirm-0000-1/checkpoint_000008"
    assert searched in [f"{own}/search-2/search-0000/checkpoint_{n - before:06d}" for n in (8, 9)]
    finals = [e["checkpoint"] for e in lines(tmp_path / "fake" / schema.TRIALS_FILE) if e["checkpoint"]]
    assert sorted(finals) == [joined(uri, path) for path in kept]
    assert len(ends) == 2


def stored(uri: str, *texts: str) -> list[tune.Checkpoint]:
    """A trial's checkpoints of these contents in the store, as Tune hands them to a trial."""
    names = ("search-1", "search-0000")
    folders = [put(uri, text, *names, f"checkpoint_{i:06d}", "state.json") for i, text in enumerate(texts)]
    return [tune.Checkpoint(folder) for folder in folders]


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_trial_goes_on_from_an_older_checkpoint_in_the_store(uri, tmp_path, capsys, monkeypatch, damage) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    texts = [json.dumps({"epoch": epoch, "total": 5.0}) for epoch in (1, 2, 3)]
    *_, newest = stored(uri, *texts[:2], texts[2][:5])
    if damage == "gone":
        newest.filesystem.delete_dir(newest.path)
    trial = lone_trial(tmp_path, **task().config())
    trial.restore(newest)
    assert trial.step()["epoch"] == 3
    errors = capsys.readouterr().err
    assert errors.count("cannot be loaded") == 1
    assert f"checkpoint {newest.path} cannot be loaded" in errors
    assert list(tmp_path.glob("checkpoint_tmp_*")) == []


def test_a_trial_never_goes_on_from_another_trials_copy(uri, tmp_path, capsys, monkeypatch) -> None:
    """Tune copies checkpoints out of a store into one temporary folder of the machine, side by side."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    other = tmp_path / "checkpoint_tmp_0"
    other.mkdir()
    (other / "state.json").write_text(json.dumps({"epoch": 8, "total": 5.0}))
    trial = lone_trial(tmp_path, **task().config())
    trial.restore(stored(uri, '{"epo')[0])
    assert trial.step()["epoch"] == 1
    assert "cannot be loaded" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_killed_trial_with_a_cut_checkpoint_in_the_store_goes_on_from_the_one_before(
    server, tmp_path, monkeypatch
) -> None:
    """With the server named by the environment, as for MinIO behind a URI without options."""
    faults, out = tmp_path / "faults", tmp_path / "out"
    faults.mkdir()
    (faults / "search-0000.2").write_text("cut")
    (faults / "search-0000.3").write_text("once die")
    monkeypatch.setenv("FAKE_FAULTS", str(faults))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server}")
    train = {"epochs": 4, "checkpoint_every": 1}
    study = make_study(search={"trials": 1}, scheduler={"name": "none"}, train=train)
    assert run_fake(study, out, storage=f"s3://{s3_server.BUCKET}/killed") == 0
    reports, ends = outcome(out / "fake")
    assert [r["epoch"] for r in reports] == [1, 2, 3, 4]
    assert reports[-1]["loss"] == pytest.approx(sum(r["accuracy"] for r in reports))
    assert [(e["status"], e["epochs"]) for e in ends] == [(schema.COMPLETED, 4)]
    # every epoch writes a checkpoint: 0 and 1, then, from epoch 2 on again, 2, 3 and 4 (from epoch 1 on: 5 as well)
    kept = lines(out / "fake" / schema.TRIALS_FILE)[0]["checkpoint"]
    assert Path(kept).name == "checkpoint_000004"


def test_an_upload_that_fails_is_made_up_for_by_the_next(uri, tmp_path, capsys) -> None:
    trial = lone_trial(tmp_path, **task().config())
    storage = StorageContext(storage_path=uri, experiment_dir_name="search-1", trial_dir_name="search-0000")
    trial._storage = storage
    working = storage.storage_filesystem
    once = fs.AwsStandardS3RetryStrategy(max_attempts=1)
    for filesystem in (working, fs.S3FileSystem(endpoint_override="127.0.0.1:1", retry_strategy=once), working):
        trial.step()
        storage.storage_filesystem = filesystem
        saved = trial.save().checkpoint
        assert (saved is None) == (filesystem is not working)
    assert trial.step()["epoch"] == 4
    assert [name for name in objects(uri) if name.endswith("state.json")] == [
        f"search-1/search-0000/checkpoint_00000{index}/state.json" for index in (0, 1)
    ]
    assert capsys.readouterr().err.startswith("a checkpoint could not be uploaded (OSError: ")
    trial.restore(saved)
    assert trial.step()["epoch"] == 4
