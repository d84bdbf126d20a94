"""The pages say what is there: files they name, and parameters that docstrings explain."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from study.settings import shown
from tests.test_import_rules import ORDER, files

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
PLACES = ("", "trainables", "study", "analysis", "benchmarks")
"""Where a page's paths may begin."""


def paths_of(text: str) -> set[str]:
    """What stands between backticks and looks like a file of ours."""
    return set(re.findall(r"`([\w./]+\.(?:py|md|yaml))`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    made_elsewhere = {"study.yaml", "next.yaml", "NEW.py", "summary.md"}
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
