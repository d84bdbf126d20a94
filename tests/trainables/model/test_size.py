"""What a run needs of memory, known without taking it."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import devices
from trainables.failures import DoesNotFit, is_out_of_memory
from trainables.model import size
from trainables.trial import Trial

OF_DIGITS = {"channels": 1, "num_classes": 10}


@pytest.mark.parametrize("method", ["kmclr", "nnclr", "byol", "none", "resa"])
@pytest.mark.parametrize("optimizer", ["lars", "adamw"])
def test_it_is_what_a_trained_run_holds(method: str, optimizer: str):
    cfg = tiny(method, optimizer={"name": optimizer, "learning_rate": 0.01})
    trial = Trial(cfg, digits())
    trial.run_epoch()
    found = size.needed_bytes(cfg, **OF_DIGITS)
    assert found.support == sum(buffer.nbytes for buffer in trial.method.support.buffers())
    remembered = [v for one in trial.optimizer.state.values() for v in one.values() if v.dim()]
    parameters = list(trial.method.parameters())
    held = parameters + [p for p in parameters if p.requires_grad] + remembered
    assert found.networks == sum(tensor.nbytes for tensor in held)


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("nnclr", {"support": {"queue_size": 10**9}, "heads": {"embedding_dim": 256}}),
        ("kmclr", {"support": {"k": 10**7}, "heads": {"embedding_dim": 2**16}}),
        ("none", {"heads": dict.fromkeys(("projector_hidden", "predictor_hidden", "embedding_dim"), 2**16)}),
    ],
)
def test_what_cannot_fit_is_refused_before_it_is_taken(method: str, changes: dict):
    with pytest.raises(
        DoesNotFit, match=r"it needs at least .*B \(support set .*B, networks .*B\), and cpu has "
    ) as said:
        Trial(tiny(method, **changes), digits())
    assert is_out_of_memory(said.value)


def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch: pytest.MonkeyPatch):
    whole = devices.memory_bytes(torch.device("cpu"))
    monkeypatch.setattr(devices, "CONTROL_GROUP", tmp_path / "memory.max")
    for text, expected in (("4096\n", 4096), ("max\n", None), ("", None)):
        (tmp_path / "memory.max").write_text(text)
        assert devices.memory_bytes(torch.device("cpu")) == expected or (expected is None and whole > 4096)
