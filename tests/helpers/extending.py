"""The files of docs/extending.md, in a folder of their own."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import run_study
from study.tune import engine
from tests.helpers import without_ray
from trainables.vocabulary.methods_and_support_sets import METHODS, SUPPORT_KINDS
from trainables.vocabulary.metrics_and_objectives import REPORT_METRICS
from trainables.vocabulary.parts import FIGURES, PLACES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
_MODULES = re.findall(r"The module `([\w.]+)`((?:(?!The module `).)*?)```python\n(.*?)```", PAGE, re.DOTALL)
FILES = {f"{name.replace('.', '/')}.py": code for name, _, code in _MODULES}
"""Each python block of the page, by the module that the text before it names."""
STUDY, *PARTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
"""The study of the page, and what its sections would have in it."""
ENTRY_POINTS = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL).group(1)
HOUSE = [(registry, set(registry)) for registry in (METHODS, SUPPORT_KINDS, REPORT_METRICS)]


def part(section: str) -> dict:
    """The page's settings of this section, outside its study."""
    return next(found for text in PARTS if section in (found := yaml.safe_load(text)))


def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's files, which is the current one; what they register is forgotten afterwards."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            "import torch\n" + text if "torch." in text and "import torch" not in text else text
        )
    (tmp_path / "mypkg" / "__init__.py").touch()
    (tmp_path / "own.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(engine, "run_stage", without_ray.run_stage)
    yield tmp_path
    forget()


def forget() -> None:
    """As if no part of one's own had been loaded by this process."""
    of_the_house = [*HOUSE, *((kind.registry, set(kind.registry) - set(kind.registry.loaded)) for kind in PLACES)]
    of_the_house.append((FIGURES, set(FIGURES) - set(FIGURES.loaded)))
    for registry, names in of_the_house:
        for name in set(registry) - names:
            registry.forget(name)
    for name in [name for name in sys.modules if name.split(".")[0] == "mypkg"]:
        del sys.modules[name]


def install(place: Path, *figures: str) -> None:
    """The page's package as if it were installed, with its entry points, and more figures of this kind: name = code."""
    facts = place / "mypkg-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mypkg\nVersion: 1.0\n")
    text = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", ENTRY_POINTS).replace('"', "")
    text = "\n".join([text, "[kmclr_study.figures]", *figures]) if figures else text
    (facts / "entry_points.txt").write_text(text)
    sys.path.insert(0, str(place))


def change(place: Path, **sections: object) -> None:
    """Put these sections in place of those of the page's study; what is None goes."""
    settings = {**yaml.safe_load(STUDY), **sections}
    kept = {name: section for name, section in settings.items() if section is not None}
    (place / "own.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))


def run(*arguments: str) -> int:
    return run_study.main(["own.yaml", "--quiet", *arguments])
