"""The Tune adapter without a cluster: results, failures, checkpoints, reuse of a process."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.trial_helpers import digits, merged, same, tiny
from trainables import tune_adapter
from trainables.checkpoint import TRIAL_FILE, CheckpointError
from trainables.failures import Diverged, TimedOut, is_out_of_memory
from trainables.settings.config import DataConfig
from trainables.trial import Trial
from trainables.tune_adapter import TrialActor
from trainables.vocabulary.metrics_and_objectives import TEST_METRICS


@pytest.fixture(autouse=True)
def _no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "ray"))
    monkeypatch.setattr(tune_adapter, "_shared_dataset", lambda _: digits())


def config(method: str = "kmclr", changes: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    run = tiny(method, **(changes or {})).model_dump(mode="json")
    return {"run": run, "stage": "search", "label": f"{method} seed=0", "max_epochs": 3} | others


def trained(actor: TrialActor, epochs: int) -> list[dict[str, Any]]:
    return [actor.train() for _ in range(epochs)]


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("epoch", "loss", "accuracy", "knn_acc1", "neighbour_purity", "done")}


def test_a_step_is_an_epoch_of_the_same_run():
    results = trained(TrialActor(config()), 3)
    plain = Trial(tiny("kmclr"), digits())
    reports = [plain.run_epoch() for _ in range(3)]
    assert [result["loss"] for result in results] == [report["loss"] for report in reports]
    assert [result["training_iteration"] for result in results] == [1, 2, 3]
    assert [result["done"] for result in results] == [False, False, True]
    assert reports[0].keys() <= results[0].keys()


def test_the_budget_may_be_shorter_than_the_schedule():
    actor = TrialActor(config(max_epochs=2))
    assert [result["done"] for result in trained(actor, 2)] == [False, True]
    assert actor.max_epochs == 2
    assert TrialActor(config(max_epochs=99)).max_epochs == 3


def test_the_automatic_cadence_asks_tune_for_checkpoints(tmp_path: Path):
    every = {"changes": {"train": {"checkpoint_every": "auto"}}}
    actor = TrialActor(config(**every))
    assert actor.train()["should_checkpoint"] is True
    with actor.cadence.saving():  # a save that took an hour
        actor.cadence._clock = lambda: time.monotonic() + 3600
    assert actor.train()["should_checkpoint"] is False
    actor.reset_config(config(**every))
    assert actor.train()["should_checkpoint"] is True  # another trial, which has saved nothing yet


def test_a_cadence_of_every_n_epochs_asks_tune_for_them_too():
    results = trained(TrialActor(config(changes={"train": {"checkpoint_every": 2}})), 3)
    assert [result["should_checkpoint"] for result in results] == [False, True, False]


def test_label_is_what_the_dashboard_shows():
    assert repr(TrialActor(config(label="kmclr k=400 seed=1"))) == "kmclr k=400 seed=1"


def test_saved_and_restored_equals_undisturbed(tmp_path: Path):
    undisturbed = TrialActor(config())
    expected = trained(undisturbed, 3)
    first = TrialActor(config())
    trained(first, 1)
    first.save(str(tmp_path / "checkpoint_000000"))
    second = TrialActor(config())
    second.restore(str(tmp_path / "checkpoint_000000"))
    results = trained(second, 2)
    assert [numbers(result) for result in results] == [numbers(result) for result in expected[1:]]
    assert [result["training_iteration"] for result in results] == [2, 3]
    states = [actor.trial.method.state_dict() for actor in (second, undisturbed)]
    assert same(dict(states[0]), dict(states[1]))


def saved_twice(folder: Path) -> tuple[Path, Path]:
    actor, paths = TrialActor(config()), []
    for number in range(2):
        actor.train()
        paths.append(folder / f"checkpoint_{number:06d}")
        actor.save(str(paths[-1]))
    return paths[0] / TRIAL_FILE, paths[1] / TRIAL_FILE


@pytest.mark.parametrize(("damage", "match"), [("cut", "damaged: "), ("gone", "no such checkpoint file")])
def test_a_checkpoint_that_cannot_be_read_is_said(tmp_path: Path, damage: str, match: str):
    _, newest = saved_twice(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-10])
    if damage == "gone":
        newest.unlink()
    with pytest.raises(CheckpointError, match=match):
        TrialActor(config()).load_checkpoint(str(newest.parent))


def test_a_reused_process_runs_the_next_trial_as_a_fresh_one():
    actor = TrialActor(config("kmclr"))
    trained(actor, 2)
    assert actor.reset(config("nnclr", label="second"))
    assert repr(actor) == "second"
    reused, fresh = trained(actor, 2), trained(TrialActor(config("nnclr")), 2)
    assert [numbers(result) for result in reused] == [numbers(result) for result in fresh]
    actor.stop()
    assert actor.trial is None


def test_a_trial_that_fails_raises_what_went_wrong(monkeypatch: pytest.MonkeyPatch):
    changes = {"optimizer": {"name": "sgd", "learning_rate": 1e9, "warmup_epochs": 0}}
    actor = TrialActor(config("nnclr", changes))
    with pytest.raises(Diverged, match="the training loss is"):
        actor.train()
    assert actor.last_report == dict.fromkeys(("support_bytes", "method_bytes"), 50 * 8 * 4)
    with pytest.raises(TimedOut, match=r"train\.time_limit_s"):
        TrialActor(config("kmclr", {"train": {"time_limit_s": 1e-6}})).train()
    monkeypatch.setattr(Trial, "train_step", lambda *_: torch.empty(2**60))
    with pytest.raises(RuntimeError) as caught:
        TrialActor(config()).train()
    assert is_out_of_memory(caught.value)


def test_threads_are_set_per_trial():
    before = torch.get_num_threads()
    try:
        TrialActor(config(threads=2))
        assert torch.get_num_threads() == 2
        TrialActor(config())
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("stage", "tested"), [({"stage": "ablate", "linear_epochs": 1}, True), ({"stage": "ablate"}, False)]
)
def test_a_step_of_an_ablation_is_tested_where_the_study_confirms(stage: dict, tested: bool):
    result = TrialActor(config(max_epochs=1, **stage)).train()
    assert {name for name in TEST_METRICS if name in result} == (set(TEST_METRICS) if tested else set())


def test_one_data_set_per_process_and_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    tune_adapter._shared_dataset.cache_clear()
    settings = merged(tiny("none").data.model_dump(), {"cache_dir": str(tmp_path)})
    data = DataConfig(**settings)
    first = tune_adapter._shared_dataset(data.model_dump_json())
    assert tune_adapter._shared_dataset(data.model_dump_json()) is first
    other = data.model_copy(update={"train_limit": 100})
    assert tune_adapter._shared_dataset(other.model_dump_json()) is not first
    trial = Trial(tiny("none", data=settings), first)
    assert trial.train_data.images.data_ptr() == first.train.images_NCHW.ctypes.data  # mapped, not copied


@pytest.mark.parametrize("where", ["run_epoch", "_test"])
def test_a_trial_that_hangs_outside_its_steps_is_timed_out(where: str, monkeypatch: pytest.MonkeyPatch):
    """A dead file system, a stuck evaluation: the clock between two steps is never looked at."""
    owner = Trial if where == "run_epoch" else TrialActor
    monkeypatch.setattr(owner, where, lambda self: time.sleep(600))
    monkeypatch.setattr(tune_adapter, "ALARM_GRACE_S", 0.0)
    limit = {"train": {"time_limit_s": 0.2}} if where == "run_epoch" else {"train": {"time_limit_s": 20.0}}
    actor = TrialActor(config(changes=limit, stage="confirm", max_epochs=1))
    if where == "_test":
        monkeypatch.setattr(Trial, "elapsed_s", property(lambda self: 19.5))
        actor._built()
    with pytest.raises(TimedOut) as caught:
        actor.train()
    assert str(caught.value) == f"over train.time_limit_s ({limit['train']['time_limit_s']:g} s)"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert actor.reset_config(config())
