"""What a study runs on: the checkout and the GPUs that are left to it."""

from __future__ import annotations

import subprocess

import pytest

from study.record import machine


def test_git_commit_is_the_checkout_s() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=machine.ROOT, capture_output=True, text=True, check=False)
    assert machine.git_state()["commit"] == (head.stdout.strip() or None)


def test_no_git_is_null(monkeypatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert machine.git_state() == {"commit": None, "dirty": None}
    assert machine.gpus() == []


@pytest.mark.parametrize(
    ("chosen", "names"),
    [(None, "ABC"), ("", ""), ("1", "B"), ("2, 0", "CA"), ("7", ""), ("-1", ""), ("GPU-5f,GPU-6a", "AB")],
)
def test_gpus_are_those_that_the_environment_leaves(monkeypatch, chosen, names) -> None:
    """Ray refuses to start with more of them."""
    monkeypatch.setattr(machine, "_output", lambda *command: "A, 1\nB, 1\nC, 1\n")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert "".join(gpu["name"] for gpu in machine.gpus()) == names


def test_gpus_are_read_from_the_driver_s_table(monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "_output", lambda *command: "NVIDIA H200, 143771\nNVIDIA, odd name, 1024\n")
    assert machine.gpus() == [
        {"name": "NVIDIA H200", "memory_bytes": 143771 * 2**20},
        {"name": "NVIDIA, odd name", "memory_bytes": 2**30},
    ]


@pytest.mark.parametrize(
    ("asked", "gpus", "device"),
    [("auto", [], "cpu"), ("auto", [{}], "cuda"), ("cpu", [{}], "cpu"), ("cuda:1", [], "cuda:1")],
)
def test_device(asked, gpus, device) -> None:
    assert machine.resolve_device(asked, {"gpus": gpus}) == device
