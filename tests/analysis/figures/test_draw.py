"""Every figure is drawn or skipped with a reason, whatever the results folder holds; Optuna's storage."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from analysis.figure_data import space_info
from analysis.figure_data.pareto_info import pareto_info
from analysis.figures import headline, offline, optuna, space
from analysis.figures import style as looks
from analysis.figures.all import MAKERS
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import get_style
from analysis.results.load import Results, load
from study import schema
from tests.helpers.figure_inputs import full_results, trial_row, write_optuna
from tests.helpers.synthetic_results import write_results

MODULES = ("training", "offline", "space", "search", "optuna", "prototypes")
ALL = {
    "accuracy_per_epoch", "acc5_per_epoch", "forgetting_interval", "support_diagnostics", "offline_accuracy",
    "accuracy_vs_k", "temperature_map", "rung_survival", "hypervolume_over_time", "rank_agreement",
    "parameter_importance", "parallel_coordinates", "prototypes", "prototypes_animated",
}  # fmt: skip


def make_all(
    results: list[Results], style: str = "web", modules: tuple[str, ...] = MODULES
) -> tuple[dict[str, Figure], dict[str, Skipped]]:
    makers = [maker for maker in MAKERS if maker.__module__.split(".")[-1] in modules]
    drawn = [maker(results, get_style(style)) for maker in makers]
    figures = {f.name: f for f in drawn if isinstance(f, Figure)}
    return figures, {s.name: s for s in drawn if isinstance(s, Skipped)}


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Results:
    return full_results(tmp_path_factory.mktemp("results") / "k_sweep")


@pytest.fixture(scope="module")
def drawn(full: Results) -> dict[str, Figure]:
    figures, skipped = make_all([full])
    assert not skipped
    return figures


def test_a_whole_study_gives_every_figure(drawn: dict[str, Figure]) -> None:
    assert set(drawn) == ALL


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_figure_names_its_axes_states_n_and_carries_its_numbers(drawn: dict[str, Figure], name: str) -> None:
    figure = drawn[name]
    assert "n = " in figure.caption
    assert len(figure.data)
    assert set(figure.data["study"]) == {"k_sweep"}
    if name == "parallel_coordinates":
        assert "accuracy<br>(%)" in figure.figure.layout.xaxis.ticktext
        return
    axes = list(figure.figure.select_xaxes())
    assert all(axis.title.text for axis in axes)
    titles = [axis.title.text for axis in figure.figure.select_yaxes() if axis.title.text]
    assert titles or name in ("offline_accuracy", "parameter_importance")  # bars with names for ticks


def test_one_colour_per_method_in_every_figure(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        for trace in figure.figure.data:
            colour = (trace.line.color if getattr(trace, "line", None) else None) or (
                trace.marker.color if getattr(trace, "marker", None) else None
            )
            if trace.name in looks.LOOKS and isinstance(colour, str):
                assert colour == looks.LOOKS[trace.name].colour, (figure.name, trace.name)


def test_axes_of_percentages_and_shares_stay_possible(tmp_path) -> None:
    write_results(tmp_path / "two", trials=5, confirm_seeds=(1, 2))
    figures, _ = make_all([load(tmp_path / "two")], modules=("training",))
    low, high = figures["acc5_per_epoch"].figure.layout.yaxis.range
    assert low >= -2
    assert high <= 102
    assert max(figures["support_diagnostics"].figure.layout.yaxis3.range) <= 1.02


def test_captions_state_intervals(drawn: dict[str, Figure]) -> None:
    for name in ("accuracy_per_epoch", "offline_accuracy", "forgetting_interval", "accuracy_vs_k", "rank_agreement"):
        assert "95 %" in drawn[name].caption
    for name in ("hypervolume_over_time", "parameter_importance"):
        assert "no interval" in drawn[name].caption


def test_published_values_stand_in_the_bars_of_the_same_points_only(full: Results, tmp_path) -> None:
    bars, _ = make_all([full], modules=("offline",))
    table = bars["offline_accuracy"].data.dropna(subset="published").set_index(["label", "metric"])["published"]
    assert table["kmclr t=0.2 k=400 f=3"].to_dict() == {"test_acc1": 56.86, "test_acc5": 84.70}
    marks = [t for t in bars["offline_accuracy"].figure.data if t.name == "published"]
    assert sorted(x for trace in marks for x in trace.x) == pytest.approx(sorted(table))
    assert "Rossini" in bars["offline_accuracy"].caption
    write_results(tmp_path / "r", trials=6, confirm_seeds=(1, 2), rehearsal=True)
    bars, _ = make_all([load(tmp_path / "r")], modules=("offline",))
    assert not [t for t in bars["offline_accuracy"].figure.data if t.name == "published"]


@pytest.mark.parametrize("style", ["paper", "slides", "web"])
def test_offline_bars_leave_room_for_names_and_values(full: Results, style: str) -> None:
    look = get_style(style)
    figure = make_all([full], style, modules=("offline",))[0]["offline_accuracy"].figure
    lines = [line for text in figure.layout.yaxis.ticktext for line in text.split("<br>")]
    assert max(map(len, lines)) * 0.5 * look.font <= 0.28 * look.wide
    values = [trace for trace in figure.data if trace.name == "values"]
    for trace, axis in zip(values, (figure.layout.xaxis, figure.layout.xaxis2), strict=True):
        bars = [bar for bar in figure.data if bar.type == "bar" and bar.xaxis == trace.xaxis]
        ends = {y: x + (up or 0) for bar in bars for y, x, up in zip(bar.y, bar.x, bar.error_x.array, strict=True)}
        assert all(x >= ends[y] - 1e-9 for y, x in zip(trace.y, trace.x, strict=True))
        assert trace.textfont.size >= 0.9 * look.font
        panel = (axis.domain[1] - axis.domain[0]) * (look.wide - 0.28 * look.wide - 4 * look.font)
        room = panel * (1 - max(trace.x) / axis.range[1])
        assert room >= 0.5 * trace.textfont.size * max(map(len, trace.text))
        assert max(axis.tickvals) <= 100
    assert figure.layout.xaxis2.domain[0] - figure.layout.xaxis.domain[1] >= 0.03


def test_names_of_points_are_broken_between_parameters() -> None:
    label = "kmclr k=11 prototype_update=ema half_life=10.3 prototype_dtype=float16 t=0.409"
    assert offline.point_lines(label, "1.45 kB", 30) == [
        "kmclr k=11 update=ema", "half_life=10.3 dtype=float16", "t=0.409 · 1.45\u00a0kB"
    ]  # fmt: skip
    assert offline.point_lines("nnclr queue_size=8", "2 kB", 18) == ["nnclr size=8", "2\u00a0kB"]
    assert offline.point_lines("none", "0 B", 30) == ["none · 0\u00a0B"]


def test_two_points_are_lines_and_three_have_a_band(tmp_path) -> None:
    def bands(results: Results) -> set[str]:
        figure = make_all([results], modules=("training",))[0]["accuracy_per_epoch"].figure
        return {trace.legendgroup for trace in figure.data if trace.fill == "tonexty"}

    write_results(tmp_path / "two", trials=4, confirm_seeds=(1, 2))  # two points of kmclr; one each of the others
    assert bands(load(tmp_path / "two")) == set()
    write_results(tmp_path / "three", trials=4, confirm_seeds=(1, 2, 3))
    assert bands(load(tmp_path / "three")) == {"nnclr", "none"}  # three seeds of their only point


def test_points_on_the_front_are_named_where_there_is_room(full: Results) -> None:
    table = pd.DataFrame(
        {
            "study": "",
            "support_bytes": [1e3, 1.2e3, 1e5, 1e6],
            "y": [50.0, 51, 60, 61],
            "hollow": False,
            "method": "kmclr",
            "label": ["kmclr k=11 f=1", "kmclr k=12", "nnclr queue=157", "kmclr k=99"],
            "low": np.nan,
            "high": np.nan,
            "n": 1,
        }
    )
    info = pareto_info(table, x="support_bytes", y_title="")
    names = headline.front_names(info, get_style("paper"))
    assert [(x, y, text) for x, y, text, _ in names] == [
        (1e3, 50.0, "k = 11"), (1e5, 60.0, "queue 157"), (1e6, 61.0, "k = 99")
    ]  # fmt: skip
    assert [place for *_, place in names] == ["bottom right", "bottom right", "top left"]
    two = pareto_info(table.assign(study=["a", "a", "b", "b"]), x="support_bytes", y_title="")
    assert headline.front_names(two, get_style("paper")) == []


def test_intervals_of_two_do_not_flatten_accuracy_over_k(tmp_path) -> None:
    rows = [
        trial_row(f"k{i}", p_k=k, accuracy=a) for i, (k, a) in enumerate([(7, 81.0), (7, 86.0), (50, 82), (90, 83)])
    ]
    found = space_info.accuracy_by_k(pd.DataFrame(rows))
    assert found.means[0].low < 60
    low, high = space.shown_range(found)
    assert 80 < low < 81
    assert 86 < high < 87


def test_maps_share_their_temperature_axis(drawn: dict[str, Figure]) -> None:
    layout = drawn["temperature_map"].figure.layout
    assert layout.yaxis.range == layout.yaxis2.range
    temperatures = drawn["temperature_map"].data["temperature"]
    assert 10 ** layout.yaxis.range[0] < temperatures.min() < temperatures.max() < 10 ** layout.yaxis.range[1]


def test_ends_of_an_axis_are_written_in_full() -> None:
    assert optuna.tick_text("4.1e+03", [157, 4096]) == "4,096"
    assert optuna.tick_text("1e+03", [157, 4096]) == "1,000"
    assert optuna.tick_text("0.0645", [0.0645, 0.409]) == "0.0645"
    assert optuna.tick_text("157", [157, 4096]) == "157"
    assert optuna.tick_text("None") == "–"
    assert optuna.tick_text("float16") == "float16"


def test_the_caption_speaks_of_a_right_panel_only_where_there_is_one(drawn: dict[str, Figure], tmp_path) -> None:
    assert "Right:" in drawn["hypervolume_over_time"].caption
    write_results(tmp_path / "storing", trials=8, methods=("kmclr", "nnclr"))
    figures, _ = make_all([load(tmp_path / "storing")], modules=("search",))
    assert "Right:" not in figures["hypervolume_over_time"].caption


def test_two_studies_share_a_figure_and_a_rehearsal_is_labelled(full: Results, tmp_path) -> None:
    write_results(tmp_path / "wide-rehearsal", seed=3, trials=14, rehearsal=True)
    figures, skipped = make_all([full, load(tmp_path / "wide-rehearsal")], "paper")
    assert set(figures) == ALL
    assert not skipped
    both = figures["accuracy_per_epoch"]
    assert list(both.data["study"].unique()) == ["k_sweep", "wide-rehearsal"]
    texts = [note.text for note in both.figure.layout.annotations]
    assert "<b>wide-rehearsal</b>" in texts
    assert any("Rehearsal" in text for text in texts)
    assert not any("Rehearsal" in note.text for note in figures["prototypes"].figure.layout.annotations)


def test_a_study_without_trials_gives_reasons_only(tmp_path) -> None:
    write_results(tmp_path / "empty", trials=0, confirm_seeds=())
    figures, skipped = make_all([load(tmp_path / "empty")])
    assert not figures
    assert set(skipped) == ALL
    assert all(s.reason and "\n" not in s.reason for s in skipped.values())


@pytest.mark.parametrize("trials", [1, 3, 6])
def test_few_trials_give_figures_or_reasons(tmp_path, trials: int) -> None:
    write_results(tmp_path / "few", trials=trials, confirm_seeds=(), epochs=3)
    figures, skipped = make_all([load(tmp_path / "few")])
    assert set(figures) | set(skipped) == ALL
    assert "accuracy_per_epoch" in figures
    assert "offline_accuracy" in skipped


def test_a_running_study_and_a_single_seed(tmp_path) -> None:
    write_results(tmp_path / "running", trials=10, confirm_seeds=(1,), running=3)
    figures, _ = make_all([load(tmp_path / "running")])
    bar = figures["offline_accuracy"].figure.data[0]
    assert "(n = 1)" in "".join(map(str, bar.text))
    assert bar.error_x.array is None  # not even the cap of an interval of no width
    assert "n = 1 seed)" in figures["offline_accuracy"].caption


def test_methods_without_support_set_alone(tmp_path) -> None:
    write_results(tmp_path / "bare", trials=9, methods=("none",))
    figures, skipped = make_all([load(tmp_path / "bare")])
    assert {"accuracy_per_epoch", "offline_accuracy", "hypervolume_over_time"} <= set(figures)
    assert skipped["support_diagnostics"].reason == "no trial with a support set reported its diagnostics"
    assert set(figures["hypervolume_over_time"].data["group"]) == {"all methods"}


# --- Optuna ---


def test_importances_are_shares_per_method_over_parameters_it_has(drawn: dict[str, Figure]) -> None:
    table = drawn["parameter_importance"].data
    assert table.groupby("group")["importance"].sum().to_numpy() == pytest.approx(1)
    assert set(table.loc[table["group"] == "kmclr", "parameter"]) == {"k", "temperature", "forget_every"}
    assert set(table.loc[table["group"] == "nnclr", "parameter"]) == {"queue_size", "temperature"}
    assert set(table.loc[table["group"] == "all", "parameter"]) == {"method", "temperature"}
    kmclr = table[table["group"] == "kmclr"].set_index("parameter")["importance"]
    assert kmclr.idxmax() == "k"  # by far the largest effect in the made-up accuracies


def test_reading_the_storage_leaves_it_alone(full: Results) -> None:
    from analysis.figure_data.optuna_info import done, read_study

    path = full.folder / schema.OPTUNA_FILE
    before = path.read_bytes(), sorted(p.name for p in full.folder.iterdir())
    study = read_study(full.folder, list(full.manifest["objectives"]))
    completed = full.trials[(full.trials["stage"] == "search") & (full.trials["status"] == schema.COMPLETED)]
    assert len(done(study)) == len(completed)
    assert (path.read_bytes(), sorted(p.name for p in full.folder.iterdir())) == before


def test_a_damaged_or_foreign_storage_is_a_reason(full: Results, tmp_path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(full.folder, folder)
    (folder / schema.OPTUNA_FILE).write_bytes(b"not a database" * 100)
    _, skipped = make_all([load(folder)], modules=("optuna",))
    assert "cannot be read" in skipped["parallel_coordinates"].reason
    write_results(tmp_path / "few", trials=6)
    write_optuna(tmp_path / "few")
    _, skipped = make_all([load(tmp_path / "few")], modules=("optuna",))
    assert "importances need 8 completed trials" in skipped["parameter_importance"].reason


# --- animations ---


def test_the_animation_ends_where_the_picture_stands(drawn: dict[str, Figure]) -> None:
    figure = drawn["prototypes_animated"].figure
    assert [frame.name for frame in figure.frames] == [str(e) for e in range(1, 13)]
    np.testing.assert_array_equal(figure.frames[-1].data[1].x, figure.data[1].x)
    assert not np.array_equal(figure.frames[0].data[1].x, figure.data[1].x)
