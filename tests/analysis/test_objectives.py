"""Whole reports of studies over other objectives than accuracy and support bytes: all they say is of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd
import pytest

from analysis.figures.all import MAKERS
from analysis.figures.figure import Figure
from analysis.figures.gifs import write_gifs
from analysis.figures.style import STYLES
from analysis.report import answer, tables
from analysis.report.make import make_report
from analysis.results import front
from analysis.results.load import Results
from study import schema
from tests.helpers.figure_inputs import full_results

KINDS = {
    "memory": {"accuracy": "max", "peak_memory_bytes": "min"},
    "time": {"accuracy": "max", "epoch_s": "min"},
    "three": {"accuracy": "max", "support_bytes": "min", "epoch_s": "min"},
}
TITLES = {"support_bytes": "Support set", "peak_memory_bytes": "Peak memory", "epoch_s": "Time per epoch"}


@pytest.fixture(scope="module", params=KINDS)
def results(request, tmp_path_factory) -> Results:
    folder = tmp_path_factory.mktemp("r") / request.param
    return full_results(folder, trials=40, epochs=9, objectives=KINDS[request.param])


@pytest.fixture(scope="module")
def drawn(results: Results) -> dict[str, Figure]:
    found = [maker([results], STYLES["web"]) for maker in MAKERS]
    skipped = {figure.name for figure in found if not isinstance(figure, Figure)}
    assert skipped == {"attainment_studies", "tuning_curves"}  # of several studies; of random trials
    return {figure.name: figure for figure in found if isinstance(figure, Figure)}


def words_of(figure: Figure) -> Iterator[str]:
    yield from (figure.title, figure.caption, *map(str, figure.data.columns))
    for axis in (*figure.figure.select_xaxes(), *figure.figure.select_yaxes()):
        yield from (str(axis.title.text), *map(str, axis.ticktext or ()))
    yield from (str(note.text) for note in figure.figure.layout.annotations)
    for trace in figure.figure.data:
        yield from (str(trace.name), *(str(t) for t in (trace.text if trace.text is not None else ())))


def said_by(results: Results, drawn: dict[str, Figure]) -> list[str]:
    """All that tables, sentences and figures say."""
    made = [tables.front_table(results), tables.offline_table(results), tables.paired_table(results)]
    words = [*answer.answer(results), *(word for figure in drawn.values() for word in words_of(figure))]
    for table in made:
        words += [table.title, table.caption, *map(str, table.rows.columns), *map(str, table.data.columns)]
        words += [str(cell) for cell in table.rows.to_numpy().ravel()]
    return words


def test_nothing_speaks_of_the_bytes_of_support_sets_unless_they_are_an_objective(results, drawn) -> None:
    words = "\n".join(said_by(results, drawn))
    of_bytes = re.compile(r"support_bytes|support bytes|[Ss]upport set(?: in |<br>\(| \()|methods with a support set")
    assert bool(of_bytes.search(words)) == (schema.SUPPORT_BYTES in results.objectives)
    sized = re.compile(r"\d (?:B|kB|MB|GB|TB)\b|bytes")
    assert bool(sized.search(words)) == any("bytes" in name for name in results.objectives)


def test_every_objective_is_at_an_axis_and_in_a_column(results, drawn) -> None:
    titles = [TITLES[name] for name in results.costs]
    assert list(results.costs) == list(results.manifest["objectives"])[1:]
    columns = tables.front_table(results).rows.columns.tolist()
    assert columns[2 : 2 + len(titles)] == titles
    for name in ("pareto", "pareto_search"):
        axes = [axis.title.text for axis in drawn[name].figure.select_xaxes()]
        assert [text.split(" (")[0].split("<br>")[0] for text in axes] == titles
        assert set(results.costs) <= set(drawn[name].data.columns)
    parallel = drawn["parallel_coordinates"].figure.layout.xaxis.ticktext
    assert [text.split("<br>")[0] for text in parallel[: 1 + len(titles)]] == ["accuracy", *map(str.lower, titles)]
    measured = set(drawn["parameter_importance"].data["objective"])
    assert measured == {name for name in results.objectives if name != schema.SUPPORT_BYTES}


def test_the_front_is_over_all_objectives_everywhere(results, drawn) -> None:
    table = tables.front_table(results).data
    expected = front.on_front(table, results.objectives)
    assert table["on_front"].tolist() == expected.tolist()
    solid = {
        y
        for trace in drawn["pareto"].figure.data
        if trace.mode == "markers" and trace.opacity == 1.0 and trace.xaxis == "x"
        for y in trace.y
    }
    assert solid == set(table.loc[expected, "y"])
    assert answer.answer(results)[-1].startswith(f"Front of means, {expected.sum()} of {len(table)} points")
    search = drawn["pareto_search"].data
    full = search[~search["hollow"]]
    assert full["on_front"].tolist() == front.on_front(full, results.objectives).tolist()
    assert (
        drawn["hypervolume_over_time"].data.query("group == 'all methods'")["front_size"].iloc[-1]
        == full["on_front"].sum()
    )


def test_the_page_is_whole(results, drawn) -> None:
    lines: list[str] = []
    path = make_report(results.folder, images="none", progress=lines.append)
    assert lines == []
    page = path.read_text()
    section = page[page.index("Figures that these results do not allow") : page.index('<h2 id="trials">')]
    assert section.count("<li>") == 2  # those of `drawn`
    assert f"Accuracy against {front.names_of(results.costs)}" in page
    read = pd.read_csv(path.parent / "tables" / "front.csv")
    assert {f"{name}{end}" for name in results.costs for end in ("", "_low", "_high")} <= set(read.columns)
    written, skipped = write_gifs([results], path.parent)
    assert len(written) == 2
    assert not skipped


def test_another_cost_may_be_asked_for(results) -> None:
    asked = front.against(results, "gpu_hours")
    assert tables.front_table(asked).rows.columns[2] == "GPU-hours per run"
    assert "GPU-h" in answer.answer(asked)[-1]


def test_studies_of_different_objectives_share_a_page(results, tmp_path_factory) -> None:
    other = full_results(tmp_path_factory.mktemp("o") / "other", trials=12, epochs=4)
    found = {f.name: f for maker in MAKERS if isinstance(f := maker([results, other], STYLES["web"]), Figure)}
    axes = [axis.title.text for axis in found["pareto"].figure.select_xaxes()]
    assert len(axes) == len({*results.costs, schema.SUPPORT_BYTES})
    volumes = found["hypervolume_over_time"].figure
    assert len({axis.domain for axis in volumes.select_yaxes()}) == 2  # a row each
