"""What we use of Ray without its promise: each name is there, and nowhere but in one file.

A failure says that this Ray has changed: look at `study/tune/ray_internals.py` (and at the pin in pyproject.toml).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import ray
from ray import tune
from ray._private import services
from ray.train import Checkpoint
from ray.tune.experiment import Trial
from ray.tune.trainable.trainable import StorageContext, _TrainingResult

from study.schema import UserError
from study.settings.config import ResourcesConfig
from study.tune import ray_internals
from study.tune.session import connect

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("_raylet", "_private", "_TrainingResult", "temporary_state", "ray_actor", "pickled_error_file", "error_file")
NAMES += ("_storage", "current_checkpoint_index", "storage_filesystem", "_iteration", "_last_result", "persist_port")


def test_this_ray_has_every_name() -> None:
    assert ray_internals.missing() == [], f"not in Ray {ray.__version__}"


def test_a_ray_that_lacks_a_name_is_said_before_a_study_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(services, "get_node")
    monkeypatch.setattr(services, "start_raylet", lambda session_dir, node_id: None)
    assert ray_internals.missing()[:2] == ["ray._private.services.get_node", "start_raylet(metrics_agent_port)"]
    with pytest.raises(UserError, match=r"^Ray .* has no ray\._private\.services\.get_node, .*; install a Ray that "):
        connect(ResourcesConfig(), on_gpu=False, address=None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Trial, "pickled_error_file"),
        (Trial, "error_file"),
        (Trial("unknown", stub=True), "temporary_state"),
        (Trial("unknown", stub=True).temporary_state, "ray_actor"),
        (StorageContext(storage_path="/tmp", experiment_dir_name="a", trial_dir_name="b"), "current_checkpoint_index"),
        (StorageContext(storage_path="/tmp", experiment_dir_name="a", trial_dir_name="b"), "storage_filesystem"),
        (tune.Trainable, "_setup_logdir"),  # replaced by tests
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tunes_objects_have(owner: object, name: str) -> None:
    assert hasattr(owner, name), f"Ray {ray.__version__}: {owner} has no {name}"


def test_nothing_private_is_used_elsewhere() -> None:
    words = re.compile("|".join(rf"(?<![\w.]){re.escape(name)}\b|\.{re.escape(name)}\b" for name in NAMES))
    files = [*(ROOT / "study" / "tune").glob("*.py"), ROOT / "trainables" / "tune_adapter.py"]
    found = {path.name: words.findall(path.read_text()) for path in files if path.name != "ray_internals.py"}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_tune_forgets_the_details_of_an_ended_trial(tmp_path: Path) -> None:
    """They cost two hundred kilobytes a trial, and are written into each of its snapshots."""
    trial = Trial("unknown", stub=True, config={"trial_id": "search-0000", "run": {"seed": 0}, "params": {"k": 5}})
    for epoch in range(1, 4):
        result = {"accuracy": 10.0 * epoch, "training_iteration": epoch, "config": {"k": 5}}
        trial.update_last_result(result)
        kept = _TrainingResult(checkpoint=Checkpoint(str(tmp_path)), metrics=result)
        trial.run_metadata.checkpoint_manager.register_checkpoint(kept)
    before = [len(text) for text in trial.get_json_state()]
    ray_internals.forget_details(trial)
    assert trial.run_metadata.metric_analysis == trial.run_metadata.metric_n_steps == {}
    assert trial.config == trial._Trial__unresolved_config == {"trial_id": "search-0000"}
    assert trial.run_metadata.checkpoint_manager.latest_checkpoint_result is None
    assert trial.last_result["training_iteration"] == 3
    assert not {"accuracy", "config"} & set(trial.last_result)
    assert all(now < then for now, then in zip(map(len, trial.get_json_state()), before, strict=True))
