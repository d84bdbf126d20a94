"""`--compare A B`: the files, the figure's panels, and what a terminal is told."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.figure_data.versus_info import versus_info
from analysis.figures.style import get_style
from analysis.figures.versus import versus
from analysis.results.load import load
from tests.helpers.synthetic_results import write_results


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    write_results(folder / "x" / "k", trials=7, epochs=4, confirm_seeds=(1, 2, 3))
    write_results(folder / "y" / "k", trials=7, epochs=4, confirm_seeds=(2, 3, 4), seed=9, rehearsal=True)
    write_results(folder / "live", trials=5, epochs=4, confirm_seeds=(), running=1)
    return folder


def test_files_and_lines(top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [str(top / "x" / "k"), str(top / "x" / "k" / ".." / ".." / "live")]
    assert main(["--compare", *pair, "--out", str(tmp_path), "--images", "none"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("no paired difference: live has confirmed nothing yet\n")
    assert not (tmp_path / "tables" / "compare.csv").exists()
    assert "No paired difference: live has confirmed nothing yet." in (tmp_path / "figures" / "compare.txt").read_text()
    second = write_results(tmp_path / "again", trials=7, epochs=4, confirm_seeds=(2, 3, 4), seed=9)
    assert main(["--compare", pair[0], str(second), "--out", str(tmp_path / "o"), "--images", "none"]) == 0
    said = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "o" / "tables" / "compare.csv")
    assert set(table["kind"]) == {"best at this size", "point of both"}
    assert table["n"].eq(2).all()
    assert "n = 2 seeds, fewer than 3" in said
    assert "from 0 B" in said
    for name in ("figures/compare.html", "figures/compare.csv", "tables/compare.md", "tables/compare.tex"):
        assert (tmp_path / "o" / name).stat().st_size > 0
    assert not (tmp_path / "o" / "figures" / "compare.png").exists()


def test_panels_and_labels(top: Path) -> None:
    x, y, live = (load(top / name) for name in ("x/k", "y/k", "live"))
    alone = versus(versus_info(x, live), (x, live), get_style("web"))
    assert "yaxis2" not in alone.figure.layout
    assert not alone.figure.layout.annotations
    y = type(y)(**{**y.__dict__, "name": "y_k", "manifest": {**x.manifest}})
    both = versus(versus_info(x, y), (x, y), get_style("paper"))
    assert both.figure.layout.yaxis2.title.text == "Difference (% points)"
    assert both.figure.layout.xaxis.range == both.figure.layout.xaxis2.range
    assert "Rehearsal" in both.figure.layout.annotations[-1].text
    assert "(Bonferroni)" in both.caption


def test_mistakes_are_one_line(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = str(top / "x" / "k"), str(top / "live")
    for arguments, message in (
        (["--compare", a, a], "given twice"),
        (["--compare", a, str(top / "nothing")], "nothing: not a folder"),
        (["--compare", a, b, "--x", "epoch"], "--x: expected one of"),
        (["--compare", a, b, "--style", "papre"], "did you mean 'paper'?"),
        (["--compare", a, b, "--images", "some"], "--images: expected one of"),
        (["--compare", a, b, "--list", a], "--compare: leave the other of"),
        (["--compare", a, b, "--health"], "--compare: leave the other of"),
        (["--list", a, b], "--list stands alone with what it takes, got"),
        (["--list", str(top / "nothing")], "nothing: not a folder"),
        (["--find", "k~3", a], "--find: expected name=value"),
        (["--find", "kk=3", a], "did you mean 'k'?"),
        ([], "no results folder given"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1


def test_lists_of_the_command_line(top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", str(top)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Study", "live", "x/k", "y/k"]
    for arguments in (["--find", "method=kmclr k=400", str(top)], ["--list", str(top), "--find", "method=kmclr k=400"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "9 trials in 3 of 3 studies"
    assert main(["--list", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no study in {tmp_path}\n"
    assert main(["--find", "k=1", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 trials in 0 of 0 studies\n"
