"""Who may import whom: between rooms, and between the folders of a room, enforced on every file by its syntax tree.

Counted are all imports: at the top, inside functions, relative ones, `importlib.import_module("...")` and
`__import__("...")`. Imports for type annotations alone (`if TYPE_CHECKING:`) do not run and are left out.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from study import schema

ROOT = Path(__file__).resolve().parents[1]
GROUND = (
    "vocabulary",
    "exit_codes",
    "failures",
    "wording",
    "command_line",
    "files",
    "shapes",
    "lines",
    "reported",
    "places",
    "dominance",
    "intervals",
)
"""Words, failures, files, numbers and fronts, without torch; `study.schema` hands them on to `analysis`."""
BY_NAME = ("trainables.settings.own_import",)
"""Imports what settings name: code of the user's own, where that is allowed."""
SHARED = (*GROUND, "settings.needs", "settings.yaml_text", "settings.own_import")
"""What `study.schema` may import."""
ORDER = {
    "trainables": (
        *GROUND,
        "maths",
        "settings",
        "devices",
        "clocks",
        "checkpoint",
        "data",
        "augment",
        "support",
        "model",
        "evaluation",
        "trial",
        "progress",
        "timings",
        "estimate",
        "tune_adapter",
        "pretrain",
        "linear_eval",
        "export",
    ),
    "study": (
        "schema",
        "settings",
        "record",
        "interrupt",
        "disk_and_storage",
        "search",
        "listeners",
        "tune",
        "cost",
        "plan",
        "new",
        "training",
        "options",
        "runner",
        "launch",
    ),
    "analysis": ("text", "results", "figure_data", "health", "figures", "report", "__main__"),
}
"""Room -> its folders and the files at its top, in order: each may import its own folder and what stands before it."""
OTHER_ROOMS = {"trainables": (), "study": ("trainables",), "analysis": ("study.schema",)}
RAY = ("study.tune", "trainables.tune_adapter")
WITHOUT_TORCH = ("study", "analysis", "run_study", "trainables.settings", *(f"trainables.{name}" for name in GROUND))
TORCH_ALONE = ("trainables.maths",)
"""Plain functions on tensors: no other package, not even numpy."""
OWN = (*ORDER, "run_study", "benchmarks", "tests")
TOP_LEVEL = {".ci", ".gitignore", "CHANGELOG.md", "README.md", "pyproject.toml", "run_study.py", "uv.lock"} | {
    ".pre-commit-config.yaml",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "mkdocs.yml",
    "analysis",
    "benchmarks",
    "configs",
    "docs",
    "study",
    "tests",
    "trainables",
}


class Import(NamedTuple):
    line: int
    module: str
    """Dotted; with a `?` where it is only known when it runs."""


def is_package(module: str, root: Path) -> bool:
    return (root / module.replace(".", "/") / "__init__.py").exists()


def imports(path: Path, root: Path = ROOT) -> Iterator[Import]:
    """Everything a file imports. `from package import module` counts as package.module."""
    package = ".".join(path.relative_to(root).parts[:-1])
    nodes = [ast.parse(path.read_text(), str(path))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes.extend(node.orelse)
            continue
        nodes.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            within = is_package(base, root)
            yield from (Import(node.lineno, f"{base}.{alias.name}" if within else base) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield Import(node.lineno, named_by(node.args[0]) if node.args else "?")


def named_by(argument: ast.expr) -> str:
    """The module of a literal, `package.?` of f"package.{name}", `?` of anything else."""
    if isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        start = str(argument.values[0].value)
        return f"{start}?" if start.endswith(".") else "?"
    literal = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    return argument.value.lstrip(".") if literal else "?"


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def name_of(path: Path) -> str:
    """The dotted name of a file's module; `path` relative to the root."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def allowed(path: Path, module: str) -> bool:
    """Whether the file at `path` (relative to the root) may import the module."""
    here = name_of(path)
    if module == "?":
        return here in BY_NAME
    if within(module, "ray"):
        return within(here, *RAY)
    if within(module, "torch", "torchvision") and within(here, *WITHOUT_TORCH):
        return False
    if within(module, *OWN):
        return own_allowed(here, module)
    return not within(here, *TORCH_ALONE) or within(module, "torch") or module.split(".")[0] in sys.stdlib_module_names


def own_allowed(here: str, module: str) -> bool:
    """Whether a module of the house may import another."""
    room, other = here.split(".")[0], module.split(".")[0]
    if room == "run_study":
        return other in ("study", "analysis") or module == "trainables.command_line"
    if here == "study.schema":
        return module == "trainables" or within(module, *(f"trainables.{name}" for name in SHARED))
    if other != room:
        return within(module, *OTHER_ROOMS[room])
    mine, theirs = here.split(".")[1:2], module.split(".")[1:2]
    order = ORDER[room]
    if not theirs or not mine or mine[0] not in order or theirs[0] not in order:
        return False
    return order.index(theirs[0]) < order.index(mine[0]) or (mine == theirs and here.count(".") > 1)


def breaches(path: Path, root: Path = ROOT) -> list[str]:
    """`study/plan.py:12 imports torch`, for each import that is not allowed."""
    return [
        f"{path.relative_to(root)}:{found.line} imports {found.module}"
        for found in imports(path, root)
        if not allowed(path.relative_to(root), found.module)
    ]


def files() -> list[Path]:
    return [ROOT / "run_study.py", *(path for name in ORDER for path in sorted((ROOT / name).rglob("*.py")))]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    assert breaches(path) == []


@pytest.mark.parametrize("room", ORDER)
def test_every_folder_has_its_place_in_the_order(room: str) -> None:
    there = {
        p.stem for p in (ROOT / room).iterdir() if p.suffix == ".py" or (p.is_dir() and (p / "__init__.py").exists())
    }
    assert there - {"__init__"} == set(ORDER[room])


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_imported_is_there(path: Path) -> None:
    """Late imports too, which may run on a machine with a GPU or a cluster alone."""
    absent = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and within(node.module, *ORDER):
            source = importlib.import_module(node.module)
            absent += [
                f"{node.lineno}: {node.module}.{alias.name}"
                for alias in node.names
                if not hasattr(source, alias.name) and not module_file(f"{node.module}.{alias.name}").exists()
            ]
    assert [line for line in absent if not line.endswith(".*")] == []


def module_file(name: str) -> Path:
    return ROOT / f"{name.replace('.', '/')}.py"


def test_no_circle_of_imports() -> None:
    """Within a folder too, late imports included."""
    modules = {name_of(p.relative_to(ROOT)): p for p in files() if p.stem != "__init__"}
    edges = {
        name: {m for found in imports(path) for m in modules if m != name and within(found.module, m)}
        for name, path in modules.items()
    }
    while leaves := [name for name, needs in edges.items() if not needs & edges.keys()]:
        for name in leaves:
            del edges[name]
    assert sorted(edges) == []


@pytest.mark.parametrize("room", ORDER)
def test_no_two_modules_of_a_room_share_a_name(room: str) -> None:
    names = [p.stem for p in (ROOT / room).rglob("*.py") if not p.stem.startswith("__")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_tests_lie_where_the_code_lies() -> None:
    """tests/<room>/<folder>/test_<file>.py is about <room>/<folder>/<file>.py; whole runs stand at a room's top."""
    strangers = []
    for room in ORDER:
        for path in sorted((ROOT / "tests" / room).rglob("test_*.py")):
            inside = path.relative_to(ROOT / "tests" / room)
            code = ROOT / room / inside.with_name(inside.name.removeprefix("test_"))
            if len(inside.parts) > 1 and not code.exists():
                strangers.append(str(path.relative_to(ROOT)))
    assert strangers == []


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("analysis/text.py", "import torch", "imports torch"),
        ("analysis/results/a.py", "def f():\n    from ray import tune", "a.py:2 imports ray"),
        ("analysis/results/a.py", "from study import runner", "imports study.runner"),
        ("analysis/results/a.py", "from trainables import files", "imports trainables.files"),
        ("analysis/results/a.py", "from analysis.figures import style", "imports analysis.figures.style"),
        ("analysis/results/a.py", "import importlib\nimportlib.import_module('ray.tune')", "imports ray.tune"),
        ("analysis/results/a.py", "import importlib\nimportlib.import_module(name)", "imports ?"),
        ("analysis/results/a.py", "__import__('torch')", "imports torch"),
        ("analysis/results/a.py", "import importlib\nimportlib.import_module(f'study.{x}')", "imports study.?"),
        ("analysis/results/a.py", "from ...trainables import trial", "imports trainables.trial"),
        ("analysis/strange/a.py", "from analysis import text", "imports analysis.text"),
        ("study/plan.py", "import ray", "imports ray"),
        ("study/search/a.py", "from ray import tune", "imports ray"),
        ("study/record/a.py", "def f():\n    from study.search import stages", "imports study.search.stages"),
        ("study/tune/engine.py", "import torch.nn", "imports torch.nn"),
        ("study/schema.py", "from trainables import trial", "imports trainables.trial"),
        ("study/runner.py", "from analysis.report.make import make_report", "imports analysis.report.make"),
        ("trainables/trial.py", "if x:\n    from ray import tune", "imports ray"),
        ("trainables/trial.py", "from study import schema", "imports study.schema"),
        ("trainables/vocabulary/errors.py", "import torch", "imports torch"),
        ("trainables/maths/losses.py", "from ..settings import config", "imports trainables.settings"),
        ("trainables/maths/losses.py", "import numpy", "imports numpy"),
        ("run_study.py", "def f():\n    from trainables import data", "imports trainables.data"),
    ],
)
def test_checker_finds(tmp_path: Path, path: str, code: str, found: str) -> None:
    assert any(found in line for line in breaches(written(tmp_path, path, code), tmp_path))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (
            "analysis/results/a.py",
            "from study import schema\nfrom study.schema import METHODS",
        ),
        ("analysis/results/a.py", "from analysis.results import load"),
        ("trainables/tune_adapter.py", "from ray import tune"),
        ("trainables/maths/losses.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import config"),
        ("trainables/support/build.py", "import torch\nfrom trainables.maths import kmeans"),
        ("study/schema.py", "from trainables import dominance"),
        ("study/plan.py", "def f():\n    from trainables.pretrain import estimate"),
        ("run_study.py", "def f():\n    from analysis.report.make import make_report"),
    ],
)
def test_checker_lets_pass(tmp_path: Path, path: str, code: str) -> None:
    assert breaches(written(tmp_path, path, code), tmp_path) == []


def written(root: Path, path: str, code: str) -> Path:
    """The file with this code, in rooms and folders that are packages."""
    for package in [*ORDER, *(f"{room}/{name}" for room in ORDER for name in ORDER[room]), str(Path(path).parent)]:
        (root / package).mkdir(parents=True, exist_ok=True)
        (root / package / "__init__.py").touch()
    (root / path).write_text(code)
    return root / path


def test_init_files_are_empty() -> None:
    assert [str(p) for name in ORDER for p in (ROOT / name).rglob("__init__.py") if p.read_text().strip()] == []
    folders = {p.parent for name in ORDER for p in (ROOT / name).rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_top_level_is_fixed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= TOP_LEVEL


def loaded_by(*modules: str) -> set[str]:
    """Top-level packages in memory after importing these modules in a fresh interpreter."""
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_analysis_loads_neither_ray_nor_torch() -> None:
    paths = (p.relative_to(ROOT) for p in (ROOT / "analysis").rglob("*.py"))
    assert not loaded_by("study.schema", *(name_of(p) for p in paths if p.stem != "__main__")) & {
        "ray",
        "torch",
        "optuna",
        "pydantic",
    }


def test_reading_a_study_loads_neither_ray_nor_torch() -> None:
    assert not loaded_by("run_study") & {"ray", "torch", "study", "trainables", "pydantic", "rich"}
    assert not loaded_by("study.settings.loading", "study.settings.space") & {"ray", "torch", "optuna"}


@pytest.mark.parametrize("method", schema.METHODS)
def test_the_vocabulary_names_every_metric_that_a_trial_reports(method: str) -> None:
    from trainables.estimate import Sizes, noise_dataset
    from trainables.settings.config import RunConfig
    from trainables.trial import Trial

    run = {
        "method": method,
        "device": "cpu",
        "encoder": {"name": "small_conv", "width": 4},
        "heads": {"projector_hidden": 8, "embedding_dim": 4, "predictor_hidden": 8},
        "support": {"k": 4, "queue_size": 8},
        "train": {"epochs": 1, "batch_size": 8},
        "optimizer": {"warmup_epochs": 0},
    }
    report = Trial(RunConfig(**run), noise_dataset(Sizes(1, 8, 2, 32, 32), 32)).run_epoch()
    assert set(report) - {"epoch"} <= set(schema.REPORT_METRICS)
    partly = {"neighbour_purity", "self_hit_rate", "prototypes_used", "prototype_entropy"}
    assert set(schema.REPORT_METRICS) - set(report) <= partly
    assert report[schema.SUPPORT_BYTES] == 0 or schema.METHODS[method].support != "none"


def test_scores_are_metrics() -> None:
    assert set(schema.SCORES) < set(schema.REPORT_METRICS)
