"""Peers: epochs are counted as for other strategies, what was trained goes on, and one that is missing is left out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import common, search_peers, search_strategies
from benchmarks.search_peers import Peer, replay, space_of
from benchmarks.synthetic_curves import Synthetic
from trainables.vocabulary.errors import UserError

SERVER = """
import json, sys
trials, heard = [], []
for line in sys.stdin:
    order, given = next(iter(json.loads(line).items()))
    if order == "start":
        low = {n: s["choices"][0] if "choices" in s else s["low"] for n, s in given["space"].items()}
        answer = given["space"]
    elif order == "ask":
        until = 2 if len(trials) == 0 else given_epochs
        trials.append(until)
        answer = {"trial": str(len(trials)), "point": low, "until": until}
    else:
        answer = "go"
    if order == "start":
        given_epochs = given["epochs"]
    heard.append([order, given.get("epoch"), given.get("costs")])
    print(json.dumps(answer), flush=True)
    print(json.dumps(heard[-1]), file=open(sys.argv[1], "a"), flush=True)
"""


@pytest.fixture
def world() -> Synthetic:
    return Synthetic(0, epochs=9, early=1.0)


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    (tmp_path / "server.py").write_text(SERVER)
    return Peer("fake", [sys.executable, str(tmp_path / "server.py"), str(tmp_path / "heard")])


def test_a_point_that_comes_back_goes_on_from_where_it_was(world: Synthetic, peer: Peer, tmp_path: Path) -> None:
    found = list(replay(world, peer, 12, grace=3, eta=3, seed=0, workers=1))
    heard = [json.loads(line) for line in (tmp_path / "heard").read_text().splitlines()]
    assert [epoch for order, epoch, _ in heard if order == "report"] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]
    assert [i for i, finished in enumerate(found) if finished is not None] == [8]
    point, accuracy = found[8]
    assert accuracy == world.curve(point)[-1]
    costs = heard[-4 - 1][2]
    assert costs[0] == pytest.approx(1 - accuracy / 100)
    assert 0 <= costs[1] <= 1


def test_a_space_holds_what_applies_to_some_points_only(world: Synthetic) -> None:
    space = space_of(world)
    assert set(space["method"]["choices"]) >= {"nnclr", "kmclr"}
    numbers = [spec for spec in space.values() if "choices" not in spec]
    assert numbers
    assert all(spec["low"] < spec["high"] and {"log", "whole"} <= set(spec) for spec in numbers)


def test_a_peer_that_ends_or_has_no_uv_is_a_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"moasha ended with code 3; it is syne-tune=="):
        Peer("moasha", [sys.executable, "-c", "raise SystemExit(3)"]).say("ask")
    monkeypatch.setattr(search_peers.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="primo needs uv"):
        search_peers.command("primo")


def test_the_rest_runs_without_the_peer_and_the_result_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Peer:
        raise UserError(f"{name} is not to be had")

    monkeypatch.setattr(search_peers, "served", missing)
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    names = ["random", "moasha (syne-tune)"]
    options = ["--synthetic", "--epochs", "9", "--seeds", "1", "--budgets", "2", "--cells", str(tmp_path / "c.jsonl")]
    search_strategies.main([*options, "--strategies", *names, "--json", str(tmp_path / "s.json")])
    printed = capsys.readouterr()
    assert "Not run, for want of the package or the network: moasha (syne-tune)." in printed.out
    assert "left out: moasha is not to be had" in printed.err
    assert list(json.loads((tmp_path / "s.json").read_text())) == ["random"]
    kept = (tmp_path / "c.jsonl").read_text()
    assert np.array([json.loads(line)["strategy"] for line in kept.splitlines()]).tolist() == ["random"]
    with pytest.raises(SystemExit, match="nothing could be run"):
        search_strategies.main([*options, "--strategies", names[1]])
