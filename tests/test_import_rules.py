"""Who may import whom: the table of the architecture, enforced on every file by its syntax tree.

Counted are all imports: at the top, inside functions, relative ones, `importlib.import_module("...")` and
`__import__("...")`. Imports for type annotations alone (`if TYPE_CHECKING:`) do not run and are left out.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from study import schema
from trainables.settings import config

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("trainables", "study", "analysis")
OWN = (*PACKAGES, "run_study", "benchmarks", "tests")
MATHS = ("trainables/maths", "trainables/support")
GROUND = (
    "trainables.vocabulary",
    "trainables.files",
    "trainables.wording",
    "trainables.dominance",
    "trainables.exit_codes",
)
"""What `study.schema` hands on to `analysis`: standard library and numpy."""
NEEDS_RAY = ("study/tune", "study/search/proposals.py")
"""What of study/ talks to Ray; everything else imports without it."""
TOP_LEVEL = {".ci", ".gitignore", "CHANGELOG.md", "README.md", "pyproject.toml", "run_study.py", "uv.lock"} | {
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


def breaches(path: Path, root: Path = ROOT) -> list[str]:
    """`study/plan.py:12 imports torch`, for each import that the table forbids."""
    return [
        f"{path.relative_to(root)}:{found.line} imports {found.module}"
        for found in imports(path, root)
        if not allowed(path.relative_to(root), found.module)
    ]


def allowed(path: Path, module: str) -> bool:
    """The table: `path` relative to the root, the module it imports."""
    top = path.parts[0]
    own, ray, torch = within(module, *OWN), within(module, "ray"), within(module, "torch", "torchvision")
    if module == "?":
        return False
    if top == "run_study.py":
        return not ray and not torch and (not own or within(module, "study", "analysis"))
    if top == "analysis":
        return not ray and not torch and (not own or within(module, "analysis", "study.schema"))
    if path == Path("study/schema.py"):
        return module.split(".")[0] in sys.stdlib_module_names or within(module, *GROUND)
    if top == "study":
        return (
            not torch
            and (not ray or str(path).startswith(NEEDS_RAY))
            and (not own or within(module, "study", "trainables"))
        )
    if str(path).startswith(MATHS):
        ours = within(module, *(folder.replace("/", ".") for folder in MATHS))
        return torch or ours or module.split(".")[0] in sys.stdlib_module_names
    return (not ray or path == Path("trainables/tune_adapter.py")) and (not own or within(module, "trainables"))


def files() -> list[Path]:
    return [ROOT / "run_study.py", *(path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py")))]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_table_of_imports(path: Path) -> None:
    assert breaches(path) == []


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("analysis/a.py", "import torch", "imports torch"),
        ("analysis/a.py", "def f():\n    from ray import tune", "a.py:2 imports ray"),
        ("analysis/a.py", "from study import config", "imports study.config"),
        ("analysis/a.py", "import importlib\nimportlib.import_module('ray.tune')", "imports ray.tune"),
        ("analysis/a.py", "import importlib\nimportlib.import_module(name)", "imports ?"),
        ("analysis/a.py", "__import__('torch')", "imports torch"),
        ("analysis/a.py", "import importlib\nimportlib.import_module(f'study.{x}')", "imports study.?"),
        ("analysis/sub/a.py", "from ...trainables import trial", "imports trainables.trial"),
        ("study/plan.py", "import ray", "imports ray"),
        ("study/tune/engine.py", "import torch.nn", "imports torch.nn"),
        ("study/schema.py", "import yaml", "imports yaml"),
        ("study/runner.py", "from analysis.report.make import make_report", "imports analysis.report.make"),
        ("trainables/trial.py", "if x:\n    from ray import tune", "imports ray"),
        ("trainables/trial.py", "from study import schema", "imports study.schema"),
        (
            "trainables/maths/losses.py",
            "from ..settings.config import LossConfig",
            "imports trainables.settings.config",
        ),
        ("trainables/maths/losses.py", "import numpy", "imports numpy"),
        ("run_study.py", "def f():\n    from trainables import data", "imports trainables.data"),
    ],
)
def test_checker_finds(tmp_path: Path, path: str, code: str, found: str) -> None:
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(code)
    assert any(found in line for line in breaches(tmp_path / path, tmp_path))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("analysis/a.py", "from study import schema\nfrom study.schema import METHODS\nfrom analysis import load"),
        ("analysis/a.py", "import importlib\nimportlib.import_module(f'analysis.{x}')"),
        ("trainables/tune_adapter.py", "from ray import tune"),
        ("trainables/maths/losses.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import config"),
        ("trainables/support/build.py", "import torch\nfrom trainables.maths import kmeans"),
        ("study/plan.py", "def f():\n    from trainables.estimate import estimate"),
        ("run_study.py", "def f():\n    from analysis.report.make import make_report"),
    ],
)
def test_checker_lets_pass(tmp_path: Path, path: str, code: str) -> None:
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(code)
    assert breaches(tmp_path / path, tmp_path) == []


def test_init_files_are_empty() -> None:
    assert [str(p) for name in PACKAGES for p in (ROOT / name).rglob("__init__.py") if p.read_text().strip()] == []
    assert all((ROOT / name / "__init__.py").exists() for name in PACKAGES)


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
    rooms = (p.relative_to(ROOT).with_suffix("") for p in (ROOT / "analysis").rglob("*.py"))
    modules = [".".join(p.parts) for p in rooms if not p.stem.startswith("__")]
    found = loaded_by("study.schema", *modules)
    assert not found & {"ray", "torch", "optuna", "pydantic"}


def test_reading_a_study_loads_neither_ray_nor_torch() -> None:
    assert not loaded_by("run_study") & {"ray", "torch", "study", "trainables", "pydantic", "rich"}
    assert not loaded_by("study.settings.loading", "study.settings.space") & {"ray", "torch", "optuna"}


# --- the words that both sides of the disk share ---


def test_methods_are_the_same_everywhere() -> None:
    assert get_args(config.MethodName) == tuple(schema.METHODS)


@pytest.mark.parametrize("method", schema.METHODS)
def test_schema_names_every_metric_that_a_trial_reports(method: str) -> None:
    from trainables.estimate import Sizes
    from trainables.estimate import noise_dataset as noise
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
    report = Trial(config.RunConfig(**run), noise(Sizes(1, 8, 2, 32, 32), 32)).run_epoch()
    assert set(report) - {"epoch"} <= set(schema.REPORT_METRICS)
    partly = {"neighbour_purity", "self_hit_rate", "prototypes_used", "prototype_entropy"}
    assert set(schema.REPORT_METRICS) - set(report) <= partly
    assert report[schema.SUPPORT_BYTES] == 0 or schema.METHODS[method].support != "none"


def test_scores_are_metrics() -> None:
    assert set(get_args(config.Score)) < set(schema.REPORT_METRICS)
