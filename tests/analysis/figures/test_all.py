"""Every figure is drawn or skipped with a reason, whatever the results folder holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from analysis.figures import style as looks
from analysis.figures.figure import Figure
from analysis.results.load import Results, load
from study import schema
from tests.helpers.figure_inputs import make_all
from tests.helpers.synthetic_results import write_results

ALL = {
    "accuracy_per_epoch", "acc5_per_epoch", "forgetting_interval", "support_diagnostics", "offline_accuracy",
    "accuracy_vs_k", "temperature_map", "rung_survival", "hypervolume_over_time", "rank_agreement",
    "parameter_importance", "parallel_coordinates", "prototypes", "prototypes_animated",
    "believed_accuracy", "believed_front", "confirm_moved", "ablation",
}  # fmt: skip


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
    assert titles or name in (
        "offline_accuracy",
        "parameter_importance",
        "confirm_moved",
        "ablation",
    )  # bars with names for ticks


def test_one_colour_per_method_in_every_figure(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        for trace in figure.figure.data:
            colour = (trace.line.color if getattr(trace, "line", None) else None) or (
                trace.marker.color if getattr(trace, "marker", None) else None
            )
            if trace.name in looks.LOOKS and isinstance(colour, str):
                assert colour == looks.LOOKS[trace.name].colour, (figure.name, trace.name)


def test_captions_state_intervals(drawn: dict[str, Figure]) -> None:
    for name in (
        "ablation",
        "accuracy_per_epoch",
        "offline_accuracy",
        "forgetting_interval",
        "accuracy_vs_k",
        "rank_agreement",
    ):
        assert "95 %" in drawn[name].caption
    for name in ("hypervolume_over_time", "parameter_importance"):
        assert "no interval" in drawn[name].caption


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
    for name, figure in figures.items():
        drawing = figure.figure.to_plotly_json()
        drawing["layout"].pop("template")
        assert set(type_sizes(drawing)) == {11}, name  # 8.25 pt at 89 mm; journals want 7 to 9
        assert "<su" not in str(drawing), name


def type_sizes(node: object) -> Iterator[float]:
    """Every size of type that a drawing asks for, px."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.lower().endswith("font") and isinstance(value, dict) and "size" in value:
                yield value["size"]
            elif key == "minsize":
                yield value
            yield from type_sizes(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from type_sizes(value)


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


def test_methods_without_support_set_alone(tmp_path) -> None:
    write_results(tmp_path / "bare", trials=9, methods=("none",))
    figures, skipped = make_all([load(tmp_path / "bare")])
    assert {"accuracy_per_epoch", "offline_accuracy", "hypervolume_over_time"} <= set(figures)
    assert skipped["support_diagnostics"].reason == "no trial with a support set reported its diagnostics"
    assert set(figures["hypervolume_over_time"].data["group"]) == {"all methods"}


def _without(full: Results) -> dict[str, Results]:
    """The study with something missing: what a folder holds that was just begun, or in which much went wrong."""
    trials, reports = full.trials, full.reports
    params = {name: None for name in trials if name.startswith("p_")}
    numbers = {name: float("nan") for name in trials if trials[name].dtype == float}
    return {
        "reports": replace(full, reports=reports.iloc[:0]),
        "all reports but one": replace(full, reports=reports.iloc[:1]),
        "trials": replace(full, trials=trials.iloc[:0]),
        "both": replace(full, trials=trials.iloc[:0], reports=reports.iloc[:0]),
        "all trials but one": replace(full, trials=trials.iloc[:1]),
        "parameters": replace(full, trials=trials.assign(**params)),
        "numbers": replace(full, trials=trials.assign(**numbers)),
        **{f"all but {stage}": replace(full, trials=full.stage(stage)) for stage in schema.STAGES},
        **{status: replace(full, trials=trials.assign(status=status)) for status in schema.STATUSES},
    }


def test_figures_without_some_of_the_results(full: Results) -> None:
    for results in _without(full).values():
        figures, skipped = make_all([results])
        assert set(figures) | set(skipped) == ALL
