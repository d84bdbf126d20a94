"""A report of one or several studies: figures, tables and one self-contained page, from their folders alone."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from analysis.figures import all as all_figures
from analysis.figures import render
from analysis.figures.figure import Figure, Maker, Skipped
from analysis.figures.gifs import write_gifs
from analysis.figures.style import Style, get_style, rehearsal_label
from analysis.health.checks import findings
from analysis.report import (
    ablated,
    believed,
    explorer,
    health,
    history,
    latex,
    live,
    own_figures,
    page,
    table_formats,
    tables,
)
from analysis.report import answer as words
from analysis.report.page import esc
from analysis.results import notes
from analysis.results.front import against
from analysis.results.load import Results, load
from study import schema
from study.schema import UserError, files, wording

MAIN = ("pareto", "ablation", "accuracy_per_epoch")
"""Figures that always become images; the others do with images='all'."""
FRONTS = ("pareto", "pareto_by_method")
"""Figures that stand with the front, before the tables."""
IMAGES = ("main", "all", "none")
FORMATS = (".svg", ".png", ".pdf")
TEX = ".tex"
"""Of a paper's figures, their float with its caption."""
ABLATION = ("ablation",)
BELIEF = ("believed_accuracy", "believed_front", "confirm_moved")
"""Figures that stand in sections of their own."""


def make_report(
    folders: Path | str | Sequence[Path | str],
    *,
    out: Path | str | None = None,
    style: str = "web",
    columns: str | None = None,
    x: str | None = None,
    images: str = "main",
    figures: Sequence[str] = (),
    allow_code: bool = False,
    progress: Callable[[str], None] = print,
) -> Path:
    """Write figures/, tables/ and report.html for these results folders; returns the page's path.

    out: where to (default: the folder itself; `comparison` beside the first of several). style: paper | slides | web,
    for the files in figures/. columns: of a page in two that a paper's tables and figures take, `1` (default; what does
    not fit takes both) or `2`. x: a cost, or `gpu_hours`, that fronts are over instead of the studies' own objectives.
    images: `main` draws the main figures as SVG, PNG and PDF and the animations as GIF (seconds), `all` every figure;
    `none` makes HTML alone. figures: of one's own, beside the installed ones; `module:function` only with allow_code.
    Raises UserError for what the user can put right: a folder that is none, a broken line, an unknown style, axis or
    figure.
    """
    if images not in IMAGES:
        raise UserError(f"--images: {wording.one_of(images, IMAGES)}")
    folders = [folders] if isinstance(folders, (str, Path)) else list(folders)
    if not folders:
        raise UserError("no results folder given; for example: python -m analysis results/k_sweep")
    look = get_style(style, columns)
    page_of = latex.COLUMNS[columns or "1"] if style == "paper" else latex.WHOLE
    own = own_figures.makers(figures, allow_code=allow_code, progress=progress)
    places = [files.user_path(folder, "RESULTS") for folder in folders]
    results = distinct([against(load_with_notes(place, progress), x) for place in places])
    target = files.user_path(out, "--out") if out else folders_home(results)
    for name in (schema.FIGURES_DIR, schema.TABLES_DIR):
        (target / name).mkdir(parents=True, exist_ok=True)
    made, skipped = draw_all(results, look, progress, own)
    page_made = made if style == "web" else draw_all(results, get_style("web"), progress, own)[0]
    _write_figures(made, target / schema.FIGURES_DIR, look, images, progress)
    if images != "none":
        write_gifs(results, target / schema.FIGURES_DIR)
    found = [(r, t) for r in results for t in _tables(r)]
    for one, table in found:
        table_formats.write(table, target / schema.TABLES_DIR, f"{one.name}-" if len(results) > 1 else "", page_of)
    path = target / schema.REPORT_HTML
    stills = target / schema.FIGURES_DIR if images != "none" and style == "web" else None
    files.write_atomically(path, _page(results, page_made, skipped, found, stills))
    return path


def load_with_notes(folder: Path, progress: Callable[[str], None]) -> Results:
    """Load a folder; warnings become lines of progress."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = load(folder)
    for note in caught:
        progress(str(note.message))
    return results


def folders_home(results: Sequence[Results]) -> Path:
    """Where a report goes by default."""
    return results[0].folder if len(results) == 1 else results[0].folder.resolve().parent / "comparison"


def distinct(results: list[Results]) -> list[Results]:
    """Studies of the same name are told apart by their parent folders. Raises UserError for the same folder twice."""
    places = [r.folder.resolve() for r in results]
    if len(set(places)) < len(places):
        raise UserError(f"{max(places, key=places.count)}: given twice")
    names = [r.name for r in results]
    return [
        dataclasses.replace(r, name=f"{r.folder.resolve().parent.name}_{r.name}") if names.count(r.name) > 1 else r
        for r in results
    ]


def draw_all(
    results: Sequence[Results], style: Style, progress: Callable[[str], None], own: Sequence[Maker] = ()
) -> tuple[list[Figure], list[Skipped]]:
    """All figures that these results allow, the user's `own` last. An error in one is told and costs that figure alone,
    as does a name that another one has."""
    made, skipped = list[Figure](), list[Skipped]()
    for maker in (*all_figures.MAKERS, *own):
        try:
            drawn = maker(results, style)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300]
            progress(f"figure {maker.__name__}: not drawn ({reason})")
            drawn = Skipped(maker.__name__, f"an error: {reason}")
        if isinstance(drawn, Figure) and drawn.name in [*(one.name for one in made), *(one.name for one in skipped)]:
            progress(f"figure {drawn.name}: not drawn (there is another of that name)")
        elif isinstance(drawn, Figure):
            made.append(drawn)
        else:
            skipped.append(drawn)
    return made, skipped


def _tables(results: Results) -> list[tables.Table]:
    found = (tables.front_table(results), tables.offline_table(results), tables.paired_table(results),
             ablated.ablation_table(results), believed.moved_table(results), tables.failed_table(results))  # fmt: skip
    return [t for t in found if t is not None]


# --- figures ---


def _write_figures(
    made: Sequence[Figure], folder: Path, style: Style, images: str, progress: Callable[[str], None]
) -> None:
    """NAME.html and NAME.csv of every figure, its images, and in a paper's style its NAME.tex."""
    jobs: list[render.Job] = []
    for figure in made:
        files.write_atomically(folder / f"{figure.name}.csv", figure.data.to_csv(index=False))
        render.write_html(figure.figure, folder / f"{figure.name}.html", alone=figure.name in MAIN)
        drawn: tuple[str, ...] = FORMATS if images == "all" or (images == "main" and figure.name in MAIN) else ()
        jobs += [render.Job(figure.figure, folder / f"{figure.name}{s}", style.scale) for s in drawn]
        if drawn and style.name == "paper":
            files.write_atomically(folder / f"{figure.name}{TEX}", latex.figure_tex(figure))
            drawn = (*drawn, TEX)
        for suffix in {*FORMATS, TEX} - {*drawn}:
            (folder / f"{figure.name}{suffix}").unlink(missing_ok=True)
    render.write_images(jobs, progress)


# --- the page ---


def _page(
    results: Sequence[Results],
    made: Sequence[Figure],
    skipped: Sequence[Skipped],
    found: Sequence[tuple[Results, tables.Table]],
    stills: Path | None,
) -> str:
    names = ", ".join(r.name for r in results)
    body = [_head(results), *_answers(results)]
    figures = {f.name: live.embedded(f, i, stills) for i, f in enumerate(made)}
    body.append('<h2 id="front">The front</h2>')
    body += [figures[n] for n in FRONTS if n in figures]
    body += _shown(results, found, ("front",))
    if any(t.name in ("offline", "paired") for _, t in found):
        body.append('<h2 id="tables">Tables</h2>')
        body += _shown(results, found, ("offline", "paired"))
    body += _ablation(results, figures, found)
    body += _belief(results, figures, found)
    body.append('<h2 id="figures">Figures</h2>')
    body += [code for name, code in figures.items() if name not in (*FRONTS, *ABLATION, *BELIEF)]
    if skipped:
        items = "".join(f"<li>{esc(s.name)}: {esc(s.reason)}</li>" for s in skipped)
        body.append(f'<p class="note">Figures that these results do not allow:</p><ul class="note">{items}</ul>')
    body += ['<h2 id="trials">Every trial</h2>', explorer.section(results)]
    body += _health(results)
    body += _methods(results)
    body.append('<h2 id="failed">Failed trials</h2>')
    body += _shown(results, found, ("failed",)) or ["<p>No trial has failed, diverged or been interrupted.</p>"]
    return page.page(f"Report: {names}", body, explorer.head(), live.scripts() + explorer.script())


def _head(results: Sequence[Results]) -> str:
    label = rehearsal_label(results)
    banner = f'<p class="banner">{esc(label)}.</p>' if label else ""
    steps = [("ablated", "Ablation")] * any(map(ablated.sentences, results))
    links = (("answer", "Answer"), ("front", "Front"), *steps, ("belief", "What the search believed"),
             ("figures", "Figures"), ("trials", "Every trial"), ("health", "Health"),
             ("methods", "Methods and settings"),
             ("reproduce", "Reproduce"), ("failed", "Failed trials"))  # fmt: skip
    nav = " ".join(f'<a href="#{target}">{text}</a>' for target, text in links)
    questions = dict.fromkeys(str(r.manifest["question"]) for r in results if r.manifest["question"])
    asked = "".join(f'<p class="question">{esc(q)}</p>' for q in questions)
    return f"{banner}<h1>{esc(', '.join(r.name for r in results))}</h1>{asked}<nav>{nav}</nav>"


def _answers(results: Sequence[Results]) -> list[str]:
    parts = ['<h2 id="answer">Answer</h2>']
    for one in results:
        name = f"<h3>{esc(one.name)}</h3>" if len(results) > 1 else ""
        said = "".join(f"<p>{esc(sentence)}</p>" for sentence in words.answer(one))
        parts.append(f'{name}<div class="answer">{said}</div>')
    parts.append(
        '<p class="note">Brackets are 95 % intervals over seeds; they say how other seeds would move the numbers on '
        'this data, not how other data would. How they are made stands under <a href="#methods">Methods</a>.</p>'
    )
    return parts


def _belief(
    results: Sequence[Results], figures: Mapping[str, str], found: Sequence[tuple[Results, tables.Table]]
) -> list[str]:
    parts = ['<h2 id="belief">What the search believed</h2>']
    for one in results:
        said = " ".join(believed.sentences(one))
        parts.append(f"<p>{esc(f'{one.name}: {said}' if len(results) > 1 else said)}</p>" if said else "")
        if line := believed.command(one):
            parts.append(f'<p class="note">To train that point alone:</p><pre>{esc(line)}</pre>')
    parts += [figures[name] for name in BELIEF if name in figures]
    parts += _shown(results, found, ("moved",))
    return parts if any(parts[1:]) else []


def _ablation(
    results: Sequence[Results], figures: Mapping[str, str], found: Sequence[tuple[Results, tables.Table]]
) -> list[str]:
    """Nothing where none was asked for."""
    said = [(one, ablated.sentences(one)) for one in results]
    words_of = [f"{one.name}: {' '.join(told)}" if len(results) > 1 else " ".join(told) for one, told in said if told]
    parts = [f"<p>{esc(one)}</p>" for one in words_of]
    parts += [figures[name] for name in ABLATION if name in figures]
    parts += _shown(results, found, ("ablation",))
    return ['<h2 id="ablated">Ablation</h2>', *parts] if parts else []


def _health(results: Sequence[Results]) -> list[str]:
    parts = ['<h2 id="health">Health</h2>']
    for one in results:
        found = findings(one)
        parts += [f"<h3>{esc(one.name)}</h3>"] if len(results) > 1 else []
        parts.append(page.verdicts([(f.title, f.verdict, f.said) for f in found]))
        ahead = health.run_next(one, found)
        parts.append(f'<p id="next"><b>Run next.</b> {esc(ahead.why)}</p>')
        parts += [f"<pre>{esc(ahead.command)}</pre>"] if ahead.command else []
    return parts


def _shown(
    results: Sequence[Results], found: Sequence[tuple[Results, tables.Table]], names: Sequence[str]
) -> list[str]:
    return [
        f"<h3>{esc(t.title + (f', {r.name}' if len(results) > 1 else ''))}</h3>{table_formats.to_html(t)}"
        for r, t in found
        if t.name in names
    ]


def _methods(results: Sequence[Results]) -> list[str]:
    parts = ['<h2 id="methods">Methods and settings</h2>']
    for one in results:
        name = [f"<h3>{esc(one.name)}</h3>"] if len(results) > 1 else []
        rows = [*page.facts(one), ("Trials", page.stages(one)), ("Intervals", notes.interval_rule(one))]
        parts += [*name, page.plain_table(rows), page.settings(one)]
    parts.append('<h2 id="reproduce">How to reproduce</h2>')
    for one in results:
        parts.append(
            f'<p class="history">{esc(history.history(one))}</p><pre>{esc(history.commands_to_repeat(one))}</pre>'
        )
    return parts
