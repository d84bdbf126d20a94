"""What a command line comes to before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

import run_study
from study import launch
from study.record.checkpoints import storage_uri
from study.tune import ports

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs" / "k_sweep.yaml")


def test_results_and_storage_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    chosen = launch.load(run_study.parse([CONFIG, "--rehearse", "--out=~/x"]))
    assert chosen.folder == tmp_path / "x" / "k_sweep-rehearsal"
    assert chosen.asked.out == str(tmp_path / "x")
    assert storage_uri("~/y") == str(tmp_path / "y")


@pytest.mark.parametrize("out", ["x" * 5000, "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_is_said_in_a_line(out: str, capsys) -> None:
    assert run_study.main([CONFIG, "--rehearse", "--plan", "--out", out]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("run_study.py: --out: '")
    assert printed.count("\n") == 1
    assert len(printed) < 500
    with pytest.raises(ValueError, match=r"^--storage: '"):
        storage_uri(out)


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:", ":6379", "a:b", "localhost:0", "localhost:99999", "://x", "x" * 5000]
)
def test_an_address_needs_a_host_and_a_port(address: str, capsys) -> None:
    assert run_study.main([CONFIG, "--rehearse", "--plan", "--address", address]) == 2
    printed = capsys.readouterr().err
    assert "a cluster's address is host:port, for example localhost:6379, or auto" in printed
    assert printed.count("\n") == 1
    assert len(printed) < 500


@pytest.mark.parametrize("address", ["auto", "head:6379", "10.0.0.1:6379", "[::1]:6379", "ray://head:10001"])
def test_an_address_as_ray_takes_it_passes(address: str) -> None:
    ports.check_address(address)


@pytest.mark.parametrize("option", ["--plan", "--quiet"])
def test_a_wrong_folder_to_learn_from_is_said_in_a_line_before_anything(option: str, tmp_path: Path, capsys) -> None:
    asked = [CONFIG, "--rehearse", option, f"--out={tmp_path}", f"--set=search.learn_from=[{tmp_path}/nowhere]"]
    assert run_study.main(asked) == 2
    said = f"run_study.py: search.learn_from: {tmp_path}/nowhere: not there; give results folders of earlier studies\n"
    assert capsys.readouterr().err == said
    assert not list(tmp_path.iterdir())
    assert launch.load(run_study.parse([*asked, "--resume"])), "a study that goes on has its own copies"
