"""The whole report from synthetic folders: what is written, that it stands alone, and odd but honest studies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from analysis.figures import all as all_figures
from analysis.figures.style import STYLES
from analysis.report.make import draw_all, make_report
from analysis.results.load import load
from study import schema
from tests.helpers.synthetic_results import write_results


def make(folder: Path, **more) -> tuple[str, list[str]]:
    """The page of a report without images, and the lines of progress."""
    lines: list[str] = []
    path = make_report(folder, images="none", progress=lines.append, **more)
    return path.read_text(), lines


@pytest.fixture(scope="module")
def reported(tmp_path_factory) -> tuple[Path, str, list[str]]:
    folder = write_results(tmp_path_factory.mktemp("r") / "k_sweep", trials=12, epochs=6, confirm_seeds=(1, 2, 3))
    return folder, *make(folder)


def test_everything_is_written(reported):
    folder, _, lines = reported
    assert lines == []
    for name in ("pareto", "pareto_search", "accuracy_per_epoch"):
        assert (folder / schema.FIGURES_DIR / f"{name}.html").is_file()
        assert (folder / schema.FIGURES_DIR / f"{name}.csv").is_file()
    for name in ("front", "offline", "paired"):
        for suffix in ("md", "csv", "tex"):
            assert (folder / schema.TABLES_DIR / f"{name}.{suffix}").is_file()
    assert not list(folder.rglob("*.partial"))


def test_page_holds_question_answer_settings_and_how_to_reproduce(reported):
    _, page, _ = reported
    for text in (
        "How few prototypes (KMCLR) reach", "prototypes (", "n = 3 seeds, paired", "confirm: 1, 2, 3",
        "0123456789abcdef0123456789abcdef01234567", "torch 2.14.0", "Made-up CPU", "queue_size:",
        "uv run run_study.py configs/k_sweep.yaml", "Trials that did not finish",
    ):  # fmt: skip
        assert text in page, text
    assert "Rehearsal" not in page
    assert 'id="ablated"' not in page
    assert "ablation: no ablation was asked for (--stage ablate)" in page


def test_page_has_a_section_on_health(reported):
    _, page, _ = reported
    section = page[page.index('<h2 id="health">') : page.index('<h2 id="methods">')]
    assert section.count('<span class="verdict') == 10
    assert '<a href="#health">Health</a>' in page
    assert "<b>Run next.</b>" in section
    assert "<code>--set" in section or "--set" not in section.split('id="next"')[0]


def test_page_stands_alone(reported):
    """plotly.js once, and no element that would fetch anything."""
    _, page, _ = reported
    assert page.count('<script type="text/plain" id="plotly">/**') == 1
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.findall(r'(?:src|href)="(?!#|data:)', markup)
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]*\b(?:src|href)=\"(?!data:)", page)
    assert "@import" not in page.split("</style>")[0]


def test_every_maker_draws_or_says_why_not(reported):
    results = [load(reported[0])]
    for style in (STYLES["paper"], STYLES["slides"]):
        lines: list[str] = []
        made, skipped = draw_all(results, style, lines.append)
        assert lines == []
        assert len({f.name for f in made}) == len(made)
        assert all(s.reason for s in skipped)
        for figure in made:
            assert figure.caption
            assert len(figure.data)
            assert figure.figure.layout.width in (style.width, style.wide)


def test_rehearsal_is_on_every_figure_and_table(tmp_path):
    folder = write_results(
        tmp_path / "k_sweep-rehearsal", trials=10, epochs=4, confirm_seeds=(1, 2), rehearsal=True, device="cpu"
    )
    page, _ = make(folder)
    made, _ = draw_all([load(folder)], STYLES["web"], print)
    for figure in made:
        assert any("Rehearsal on digits" in (a.text or "") for a in figure.figure.layout.annotations), figure.name
    assert page.count("Rehearsal on digits") >= 1 + page.count('<div class="table">')
    assert "This is a rehearsal" in page


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"trials": 0, "confirm_seeds": ()}, "It cannot be told: no trial has finished."),
        ({"trials": 1, "confirm_seeds": ()}, "The best of 1 finished trials"),
        ({"trials": 6, "confirm_seeds": (), "running": 2}, "The study is still running (6 trials ended; last report"),
        ({"trials": 5, "confirm_seeds": (1,)}, "n = 1 seed, fewer than 3, paired, no interval"),
        ({"trials": 6, "confirm_seeds": (1, 2), "methods": ("kmclr",)}, "Front of means"),
        ({"trials": 6, "confirm_seeds": (1, 2), "methods": ("none",)}, "Without a support set"),
        ({"trials": 6, "epochs": 1, "confirm_seeds": (1, 2)}, "prototypes ("),
    ],
)
def test_odd_studies_give_a_sensible_report(tmp_path, more, said):
    folder = write_results(tmp_path / "odd", **{"epochs": 4, **more})
    page, lines = make(folder)
    assert said in page
    assert lines == []


def test_no_finished_trial_lists_what_failed(tmp_path):
    folder = write_results(tmp_path / "bad", trials=3, epochs=3, confirm_seeds=())
    lines = [json.loads(row) for row in (folder / schema.TRIALS_FILE).read_text().splitlines()]
    bad = [{**line, "status": schema.FAILED, "error": "OSError: <disk> full", "metrics": {}} for line in lines]
    (folder / schema.TRIALS_FILE).write_text("".join(json.dumps(line) + "\n" for line in bad))
    page, _ = make(folder)
    assert "no trial has finished." in page
    assert page[page.index('<h2 id="failed">') :].count("OSError: &lt;disk&gt; full") == 3


def test_torn_line_is_one_line_of_progress(tmp_path):
    folder = write_results(tmp_path / "torn", trials=4, epochs=2, confirm_seeds=())
    with (folder / schema.REPORTS_FILE).open("a") as file:
        file.write('{"schema": 1')
    _, lines = make(folder)
    assert len(lines) == 1
    assert "dropped a torn last line" in lines[0]


def test_several_studies_together(tmp_path):
    one = write_results(tmp_path / "a", trials=6, epochs=3, confirm_seeds=(1, 2))
    two = write_results(tmp_path / "b", trials=6, epochs=3, confirm_seeds=(), seed=3)
    path = make_report([one, two], images="none")
    assert path == tmp_path / "comparison" / schema.REPORT_HTML
    assert {"a-front.md", "b-front.md", "a-offline.tex"} <= {p.name for p in (path.parent / "tables").iterdir()}
    assert "<h3>a</h3>" in path.read_text()
    assert not (one / schema.REPORT_HTML).exists()


def test_studies_of_one_name_are_told_apart(tmp_path):
    folders = [
        write_results(tmp_path / d / "k_sweep", trials=4, epochs=2, confirm_seeds=(), seed=i)
        for i, d in enumerate(("x", "y"))
    ]
    path = make_report(folders, out=tmp_path / "out", images="none")
    assert {"x_k_sweep-front.md", "y_k_sweep-front.md"} <= {p.name for p in (path.parent / "tables").iterdir()}
    with pytest.raises(ValueError, match="k_sweep: given twice"):
        make_report([folders[0], folders[0]], images="none")


def test_an_error_in_one_figure_costs_that_figure_alone(reported, tmp_path, monkeypatch):
    def broken(results, style):
        raise KeyError("p_k")

    makers = all_figures.MAKERS
    monkeypatch.setattr(all_figures, "MAKERS", (broken, *makers[:1]))
    page, lines = make(reported[0], out=tmp_path)
    assert lines == ["figure broken: not drawn (KeyError: 'p_k')"]
    assert "broken: an error: KeyError" in page
    assert 'id="pareto"' in page


@pytest.mark.parametrize("x", ["peak_memory_bytes", "epoch_s", "gpu_hours"])
def test_other_cost_axes(reported, tmp_path, monkeypatch, x):
    makers = all_figures.MAKERS[:2]
    monkeypatch.setattr(all_figures, "MAKERS", makers)
    page, _ = make(reported[0], out=tmp_path, x=x)
    csv = (tmp_path / "figures" / "pareto.csv").read_text()
    assert x in csv.splitlines()[0]
    assert "Accuracy against" in page


def test_registry_puts_the_front_first():
    made = all_figures.MAKERS
    assert made[0].__name__ == "front"
    assert len(made) == len(set(made))
