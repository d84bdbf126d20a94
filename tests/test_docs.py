"""The pages say what is there: files they name, and parameters that docstrings explain."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from study import schema
from study.settings import shown
from tests.test_import_rules import ORDER, files

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
PLACES = ("", "trainables", "study", "analysis", "benchmarks")
"""Where a page's paths may begin."""


def paths_of(text: str) -> set[str]:
    """What stands between backticks and looks like a file of ours."""
    return set(re.findall(r"`([\w./]+\.(?:py|md|yaml))`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    made_elsewhere = {"study.yaml", "my.yaml", "NEW.py", "summary.md", "birds.yaml", "birds-run.yaml", "next.yaml"}
    named = {path for path in paths_of(page.read_text()) if Path(path).name not in made_elsewhere}
    assert sorted(path for path in named if not any((ROOT / place / path).exists() for place in PLACES)) == []


@pytest.mark.parametrize(("name", "content"), shown.made_files().items(), ids=list(shown.made_files()))
def test_what_is_made_of_the_settings_is_current(name: str, content: str) -> None:
    path = ROOT / name
    found = path.read_text() if path.exists() else ""
    assert found == content, f"{name} is stale: run `{shown.COMMAND}` and commit it"


@pytest.mark.parametrize("room", ORDER)
def test_the_architecture_lists_each_folder_in_its_order(room: str) -> None:
    table = ARCHITECTURE.read_text().split(f"| {room} | what it is |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|") and "---" not in line]
    named = [name.rstrip("/") for row in rows for name in re.findall(r"`([\w/]+)`", row)]
    assert named == [name for name in ORDER[room] if name != "__main__"]


def test_the_twelve_changes_touch_at_most_four_files() -> None:
    rows = ARCHITECTURE.read_text().split("| change | files |")[1].strip().splitlines()[1:]
    assert len(rows) == 12
    for row in rows:
        assert 0 < len(re.findall(r"`[\w/]+\.py`", row)) <= 4, row


def section(page: str, title: str) -> str:
    """The text below a heading, to the next one of its level or above."""
    level = re.search(rf"^(#+) {re.escape(title)}$", page, re.MULTILINE)
    assert level is not None, title
    return re.split(rf"^#{{1,{len(level[1])}}} ", page[level.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_the_page_on_results_folders_has_every_file_field_and_metric() -> None:
    """In the schema's order, with the metrics' own words."""
    page = (ROOT / "docs" / "results-format.md").read_text()
    fields = {
        schema.DRAWS_FILE: [*schema.DRAW_FIELDS],
        schema.TURNS_FILE: [*schema.TURN_FIELDS],
        schema.LEARNED_FILE: [*schema.LEARNED_FIELDS],
        schema.REPORTS_FILE: [*schema.REPORT_IDENTITY, *schema.METRICS],
        schema.TRIALS_FILE: [*schema.TRIAL_FIELDS, *schema.STATUSES],
        schema.MANIFEST_FILE: [*schema.MANIFEST_FIELDS, *schema.MANIFEST_MAY],
        schema.BELIEF_FILE: [*schema.BELIEF, "next"],
        schema.ABLATION_FILE: [*schema.ABLATION],
    }
    for name, wanted in fields.items():
        assert first_column(section(page, f"`{name}`")) == wanted, name
    assert all(f"| `{name}` | {metric.meaning} |" in page for name, metric in schema.METRICS.items())
    on_disk = {value for name, value in vars(schema).items() if name.endswith(("_FILE", "_DIR")) and name[0] != "_"}
    first = page.split("## ")[0]
    assert on_disk - {schema.LOCK_FILE} <= set(re.findall(r"`([\w.]+)`", first)) | {schema.REPORT_HTML}
    assert f"`{schema.REPORT_HTML}`" in first


def anchors(page: Path) -> set[str]:
    """Those that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """To files of ours and their headings; other sites are not asked."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_sites_navigation_has_every_page() -> None:
    """Below `nav:` of mkdocs.yml; the build refuses a page that is left out."""
    nav = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    assert sorted(re.findall(r"^  - [^:]+: (\S+\.md)$", nav, re.MULTILINE)) == sorted(
        path.name for path in (ROOT / "docs").glob("*.md")
    )


def explained(docstring: str) -> list[str]:
    """Parameters that a docstring explains: `name: ...` at the start of a sentence."""
    return re.findall(r"(?:^|[.;)] |\n *)([a-z_]+): ", docstring)


def functions(path: Path) -> list[tuple[str, str, set[str]]]:
    """Name, docstring and parameters (of a class: its constructor's, and its fields) of each function and class."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
            names |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a}
            found.append((node.name, ast.get_docstring(node) or "", names))
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_parameter_is_explained_that_does_not_exist(path: Path) -> None:
    wrong = [(n, name) for n, text, names in functions(path) for name in explained(text) if name not in names]
    assert wrong == []
