"""The durable trainable without Tune around it: statuses instead of crashes, ways back from damaged checkpoints."""

from __future__ import annotations

import gc
import math
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from study import schema
from study.tune import ray_internals
from study.tune.durable import SMALLER, classify, durable
from tests.helpers.engine_helpers import lone_trial
from tests.helpers.foreign_states import FOREIGN, Code, archive, pickled, sealed
from tests.helpers.record_helpers import checkpoint as saved_state
from tests.helpers.record_helpers import task
from tests.helpers.trial_helpers import digits, tiny
from trainables import checkpoint, tune_adapter
from trainables.trial import Trial


@pytest.fixture
def make_trial(tmp_path, monkeypatch):
    """Makes a lone durable trial; files in tmp_path/faults make it misbehave."""
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path / "faults"))
    return lambda **more: lone_trial(tmp_path, **{**task().config(), **more})


def test_durable_keeps_the_name_and_runs(make_trial) -> None:
    trial = make_trial()
    assert type(trial).__name__ == "FakeTrial"
    assert [trial.step()["epoch"] for _ in range(2)] == [1, 2]
    assert repr(trial) == "kmclr k=50"


def test_the_title_of_a_reused_process_follows_its_trials(make_trial, monkeypatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(ray_internals, "set_title", titles.append)
    trial = make_trial(reused=True)
    trial.step()
    trial.reset_config({**task(1).config(), "reused": True})
    trial.step()
    first, second = (f"ray::FakeTrial {task(number).name}" for number in (0, 1))
    assert [title for title, before in zip(titles, [None, *titles], strict=False) if title != before] == [first, second]
    assert repr(trial) == "one trial after another"  # Ray asks once: no trial's name may stay behind


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("diverge", "diverged", "Diverged: loss is nan"),
        ("memory", "out_of_memory", f"{SMALLER} (MemoryError: cannot allocate 10 GB)"),
        ("error", "failed", "KeyError: 'a bug'"),
    ],
)
def test_durable_ends_with_a_status_and_can_be_reused(make_trial, tmp_path, capsys, kind, status, error) -> None:
    fault = tmp_path / "faults" / "search-0000.1"
    fault.write_text(kind)
    trial = make_trial()
    failed = {"done": True, "status": status, "error": error, "epoch": 0, "training_iteration": 0}
    result = trial.step()
    assert {name: value for name, value in result.items() if name != "accuracy"} == failed
    assert math.isnan(result["accuracy"])
    assert trial.step()["status"] == status
    assert "Traceback" in capsys.readouterr().err
    fault.unlink()
    assert trial.reset_config(task(1).config())
    assert trial.step()["epoch"] == 1


def test_durable_sets_up_anew_what_cannot_be_set_up(make_trial, monkeypatch, capsys) -> None:
    from tests.helpers.fake_trainable import FakeTrial

    def broken(self, config):
        raise RuntimeError("no data")

    monkeypatch.setattr(FakeTrial, "setup", broken)
    trial = make_trial()
    result = trial.step()
    assert (result["done"], result["status"], result["error"]) == (True, "failed", "RuntimeError: no data")
    assert "no data" in capsys.readouterr().err


def test_durable_goes_on_from_the_newest_checkpoint_that_loads(make_trial, tmp_path, capsys) -> None:
    good = saved_state(tmp_path, "search-1", "search-0000", 1, {"epoch": 2, "total": 5.0})
    cut = saved_state(tmp_path, "search-1", "search-0000", 2, '{"epo')
    missing = tmp_path / "nowhere"
    trial = make_trial(resume_from=[str(missing), str(cut), str(good)])
    assert trial.step()["epoch"] == 3
    assert capsys.readouterr().err.count("cannot be loaded") == 2
    assert make_trial(resume_from=[str(cut)]).step()["epoch"] == 1


def test_a_checkpoint_behind_lost_reports_is_not_gone_on_from(make_trial, tmp_path, capsys) -> None:
    newest, older = (
        str(saved_state(tmp_path, "search-1", "search-0000", epoch, {"epoch": epoch, "total": 0.0})) for epoch in (3, 2)
    )
    assert make_trial(resume_from=[newest, older], reported=3).step()["epoch"] == 4
    assert make_trial(resume_from=[newest, older], reported=2).step()["epoch"] == 3
    assert make_trial(resume_from=[newest, older], reported=0).step()["epoch"] == 1
    assert "it is of epoch 3, and the reports on record end with epoch 2" in capsys.readouterr().err


def test_durable_falls_back_within_a_session(make_trial, tmp_path, capsys) -> None:
    saved_state(tmp_path, "search-1", "search-0000", 1, {"epoch": 2, "total": 5.0})
    cut = saved_state(tmp_path, "search-1", "search-0000", 2, '{"epo')
    trial = make_trial()
    trial.step()
    trial.load_checkpoint(str(cut))
    assert trial.step()["epoch"] == 3
    assert "cannot be loaded" in capsys.readouterr().err


def test_durable_survives_a_checkpoint_that_cannot_be_written(make_trial, tmp_path, capsys) -> None:
    (tmp_path / "faults" / "search-0000.1").write_text("disk")
    trial = make_trial()
    trial.step()
    assert trial.save(str(tmp_path / "checkpoint")).checkpoint is None
    assert trial.step()["error"] == "disk full: [Errno 28] No space left on device"
    assert "No space left" in capsys.readouterr().err


# --- what an exception means ---


def test_an_exception_counts_by_its_class_not_by_its_name_or_a_word_in_its_text() -> None:
    class Diverged(Exception):
        """Somebody else's."""

    class TimeoutError(Exception):
        """Somebody else's."""

    for error in (Diverged("from the path"), TimeoutError("tea"), RuntimeError("image of out of memory lane")):
        assert classify(error) == (schema.FAILED, f"{type(error).__name__}: {error}")


# --- with the real trial ---


@pytest.fixture
def make_actor(tmp_path, monkeypatch):
    """Makes a durable `TrialActor` without Tune around it."""
    monkeypatch.setattr(tune_adapter, "_shared_dataset", lambda _: digits())
    made = durable(tune_adapter.TrialActor)
    made._setup_logdir = lambda self: setattr(self, "_logdir", str(tmp_path))

    def make(changes: dict[str, Any] | None = None, method: str = "kmclr") -> Any:
        run = tiny(method, **(changes or {})).model_dump(mode="json")
        return made(config={"run": run, "stage": "search", "label": method, "max_epochs": 3})

    return make


def saved(actor: Any, folder: Path, epochs: int) -> list[Path]:
    """Trained so many epochs, each with a checkpoint; these, as Tune names them."""
    paths = []
    for number in range(epochs):
        actor.train()
        paths.append(folder / f"checkpoint_{number:06d}")
        actor.save(str(paths[-1]))
    return paths


def cut(path: Path) -> None:
    file = path / checkpoint.TRIAL_FILE
    file.write_bytes(file.read_bytes()[:-10])


def test_a_cut_checkpoint_falls_back_to_the_one_before(make_actor, tmp_path, capsys) -> None:
    *_, newest = saved(make_actor(), tmp_path, 2)
    cut(newest)
    actor = make_actor()
    actor.restore(str(newest))
    undisturbed = make_actor()
    expected = [undisturbed.train() for _ in range(2)][1]
    result = actor.train()
    assert (result["epoch"], result["training_iteration"], result["loss"]) == (2, 2, expected["loss"])
    assert "damaged" in capsys.readouterr().err


def test_with_no_intact_checkpoint_the_trial_starts_over(make_actor, tmp_path, capsys) -> None:
    paths = saved(make_actor(), tmp_path, 2)
    for path in paths:
        cut(path)
    actor = make_actor()
    actor.restore(str(paths[-1]))
    assert actor.train()["training_iteration"] == 1
    assert capsys.readouterr().err.count("cannot be loaded (CheckpointError: ") == 2


def test_a_diverged_trial_ends_with_its_status_and_every_objective(make_actor) -> None:
    changes = {"optimizer": {"name": "sgd", "learning_rate": 1e9, "warmup_epochs": 0}}
    result = make_actor(changes, "nnclr").train()
    assert (result["status"], result["done"], result["epoch"]) == ("diverged", True, 0)
    assert math.isnan(result["accuracy"])
    assert result["support_bytes"] == 50 * 8 * 4
    assert "the training loss is" in result["error"]


def test_a_trial_over_its_time_is_timed_out(make_actor) -> None:
    result = make_actor({"train": {"time_limit_s": 1e-6}}).train()
    assert (result["status"], result["done"]) == ("timed_out", True)
    assert {"accuracy", "support_bytes"} <= result.keys()


def fail_in(where: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    names = {"build": "__init__", "step": "train_step", "restore": "load_state_dict"}
    monkeypatch.setattr(Trial, names[where], failing)


MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB\nmore")


@pytest.mark.parametrize("where", ["build", "step", "restore"])
@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (MEMORY, "out_of_memory", f"{SMALLER} (OutOfMemoryError: CUDA out of memory. Tried to allocate 9 GiB)"),
        (MemoryError("no memory"), "out_of_memory", f"{SMALLER} (MemoryError: no memory)"),
        (tune_adapter.TimedOut("over"), "timed_out", "TimedOut: over"),
    ],
    ids=["cuda", "python", "time"],
)
def test_a_failure_is_the_same_wherever_it_is_raised(
    make_actor, tmp_path, monkeypatch, where: str, error, status: str, line: str
) -> None:
    (path,) = saved(make_actor(), tmp_path, 1)
    actor = make_actor()
    with monkeypatch.context() as patch:
        fail_in(where, error, patch)
        if where == "restore":
            actor.restore(str(path))
        result = actor.train()
    assert (result["done"], result["status"], result["error"]) == (True, status, line)


def test_the_last_result_repeats_the_last_epoch(make_actor, monkeypatch) -> None:
    actor = make_actor()
    before = actor.train()
    fail_in("step", MEMORY, monkeypatch)
    last = actor.train()
    assert (last["status"], last["training_iteration"]) == ("out_of_memory", 1)
    names = ("epoch", "accuracy", "loss", "support_bytes")
    assert [last[name] for name in names] == [before[name] for name in names]


def test_memory_is_freed_at_once_after_a_failure(make_actor, monkeypatch) -> None:
    """The traceback holds the tensors of the functions it went through: they must go too."""
    held = []

    def failing(self: Trial, *_: object) -> None:
        tensor = torch.zeros(10)
        held.extend([weakref.ref(tensor), weakref.ref(self.method)])
        raise MemoryError("no memory")

    actor = make_actor()
    monkeypatch.setattr(Trial, "train_step", failing)
    assert actor.train()["status"] == "out_of_memory"
    gc.collect()
    assert [ref() for ref in held] == [None, None]
    assert actor.trial is None
    assert actor.save(None).checkpoint is None, "a trial that has failed has nothing to save"


@pytest.mark.parametrize("what", ["a tensor", "no optimiser", "networks of other shapes", "another run", "code"])
@pytest.mark.parametrize("all_of_them", [False, True])
def test_foreign_content_falls_back_or_starts_over(make_actor, tmp_path, capsys, what: str, all_of_them: bool) -> None:
    paths = saved(make_actor(), tmp_path, 2)
    for path in paths if all_of_them else paths[1:]:
        file = path / checkpoint.TRIAL_FILE
        state = checkpoint.read(file)
        if what == "another run":
            state["config"]["seed"] = 7
        foreign = Code(tmp_path / "trace") if what == "code" else FOREIGN.get(what, dict)(state)
        sealed(file, archive(state if what == "another run" else foreign))
    actor = make_actor()
    actor.restore(str(paths[-1]))
    undisturbed = make_actor()
    expected = [undisturbed.train() for _ in range(2)]
    result = actor.train()
    assert result["loss"] == expected[0 if all_of_them else 1]["loss"]
    assert capsys.readouterr().err.count("cannot be loaded (CheckpointError: ") == (2 if all_of_them else 1)
    assert not (tmp_path / "trace").exists()


def test_what_tune_would_unpickle_in_a_checkpoint_is_left_alone(make_actor, tmp_path) -> None:
    *_, newest = saved(make_actor(), tmp_path, 2)
    (newest / ray_internals.PICKLED).write_bytes(pickled(Code(tmp_path / "trace")))
    actor = make_actor()
    actor.restore(str(newest))
    assert actor.train()["epoch"] == 3
    assert not (tmp_path / "trace").exists()


def test_a_support_set_that_cannot_fit_ends_out_of_memory(make_actor) -> None:
    result = make_actor({"support": {"queue_size": 10**9}, "heads": {"embedding_dim": 4096}}, "nnclr").train()
    assert (result["status"], result["done"]) == ("out_of_memory", True)
    assert "it needs at least 16.4 TB" in result["error"]
