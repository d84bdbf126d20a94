"""Devices: those that there are, precision, peak memory."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import devices
from trainables.trial import Trial


def test_devices_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="'gpu' is not a device; use auto, cpu, cuda"):
        devices.pick_device("gpu")
    if not torch.cuda.is_available():
        assert devices.pick_device("auto") == torch.device("cpu")
        with pytest.raises(ValueError, match="torch sees no CUDA device"):
            devices.pick_device("cuda")
    with pytest.raises(ValueError, match="cuda_graphs needs a CUDA device"):
        Trial(tiny("none", train={"compile": "cuda_graphs"}), digits(), device="cpu")


def test_precision_is_bfloat16_on_cuda_only_by_default():
    cfg = tiny("none").train
    with devices.autocast(cfg, torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
    with devices.autocast(cfg.model_copy(update={"precision": "bfloat16"}), torch.device("cpu")):
        assert torch.is_autocast_enabled("cpu")


def test_peak_memory_is_that_of_the_trial():
    peak = devices.PeakMemory(torch.device("cpu"))
    torch.ones(40_000_000)  # 160 MB, gone at once
    peak.start()
    before = peak.bytes()
    block = torch.ones(20_000_000)
    assert peak.bytes() - before > 0.9 * block.nbytes
