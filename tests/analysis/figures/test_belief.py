"""What the pictures of a belief show, beside what holds for all figures (`test_all`)."""

from __future__ import annotations

import dataclasses

from analysis.figures import belief
from analysis.figures.figure import Skipped
from analysis.figures.style import get_style
from analysis.results.load import Results

WEB = get_style("web")


def test_bands_lines_marks_and_the_star(full: Results) -> None:
    drawn = belief.believed_accuracy([full], WEB)
    traces = drawn.figure.data
    assert sum(trace.fill == "toself" for trace in traces) == 4  # 68 % and 95 % of kmclr and nnclr
    legend = [trace.name for trace in traces if trace.showlegend is not False]
    assert set(legend) == {"kmclr", "nnclr", "none", "finished", "stopped early", belief.NEXT}
    assert len(legend) == len(set(legend))
    star = next(trace for trace in traces if trace.name == belief.NEXT)
    assert (star.x[0], star.y[0], star.error_y.array[0]) == (158000.0, 55.0, 1.0)
    assert "kmclr k=77 t=0.2 f=3" in drawn.caption
    assert set(drawn.data["kind"]) == {"trial", "curve", "next"}


def test_paused_and_running_trials_have_marks_of_their_own(full: Results) -> None:
    trials = [{**trial, "state": state} for trial, state in zip(full.belief["trials"], belief.MARKS, strict=False)]
    drawn = belief.believed_accuracy([dataclasses.replace(full, belief={**full.belief, "trials": trials})], WEB)
    marks = [t.marker.symbol for t in drawn.figure.data if t.name in {words for _, words in belief.MARKS.values()}]
    assert len(set(marks)) == len(marks) == 5
    assert "1 paused" in drawn.caption


def test_an_arrow_for_each_confirmed_point(full: Results) -> None:
    drawn = belief.confirm_moved([full], WEB)
    table = drawn.data[drawn.data["n"] > 0]
    arrows = [note for note in drawn.figure.layout.annotations if note.showarrow]
    assert [(note.ax, note.x) for note in arrows] == list(zip(table["searched"], table["mean"], strict=True))
    assert len(drawn.figure.layout.yaxis.ticktext) == len(drawn.data)


def test_without_a_belief_two_figures_say_why_and_the_third_is_there(full: Results) -> None:
    bare = dataclasses.replace(full, belief=None)
    for maker in (belief.believed_accuracy, belief.believed_front):
        skipped = maker([bare], WEB)
        assert isinstance(skipped, Skipped)
        assert "earlier version" in skipped.reason
    drawn = belief.confirm_moved([bare], WEB)
    assert "What the model expected is not on record." in drawn.caption
