"""Plans of the project's configurations, made without timing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from study import cost
from study.cost import Cost, Plan
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.settings.loading import load_study
from study.tune import session
from tests.helpers.engine_helpers import TO_ABLATE, make_study
from tests.helpers.record_helpers import BOTH, Witness
from tests.helpers.without_ray import finished_folder

ROOT = Path(__file__).resolve().parents[2]
COST = Cost(epoch_s=36.0, memory_bytes=2 * 2**30, checkpoint_bytes=100 * 2**20)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The plan of a configuration of the project, at a fixed cost and without a GPU."""
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    monkeypatch.setattr(cost, "measure", lambda *_: COST)
    monkeypatch.setattr(cost, "has_gpu", lambda: False)

    def make(name: str, address: str | None = None, ablates: bool = False, **options) -> Plan:
        loaded = load_study(ROOT / "configs" / f"{name}.yaml", **options)
        return cost.make_plan(loaded, out="out", address=address, ablates=ablates)

    return make


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the pretended cluster has; joining it is counted under "joined" and leaving it under "left"."""
    found = {"CPU": 32.0, "GPU": 4.0}
    monkeypatch.setattr(session.ray, "cluster_resources", lambda: found)
    monkeypatch.setattr(session, "_init", lambda address: found.update({f"joined {address}": 1}))
    monkeypatch.setattr(session.ray, "shutdown", lambda: found.update(left=1))
    return found


@pytest.fixture(scope="session")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that has searched and confirmed, with TO_ABLATE's changes; nobody writes into it."""
    out = tmp_path_factory.mktemp("confirmed")
    return finished_folder(make_study(**TO_ABLATE), out)


@pytest.fixture
def recorder(tmp_path: Path):
    made = Recorder(Journal(tmp_path), BOTH)
    made.listeners = [Witness()]
    yield made
    made.journal.close()
