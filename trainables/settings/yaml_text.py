"""Strict reading of YAML files, with one clear line per problem.

YAML is read by the 1.2 core rules, with what surprises people taken out: `yes`, `on`, `010`, `1:30` and dates are text,
`1e-5` is a number, infinities are refused, a key may occur once.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

from trainables.vocabulary.errors import UserError


class ConfigError(UserError):
    """What a person wrote is wrong; one line per problem."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with the resolvers and checks of this module."""

    yaml_implicit_resolvers: dict = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise _Bad(f"a key must be text, got {show(key)}", key_node)
            if key in seen:
                raise _Bad(f"'{key}' is given twice, first in line {seen[key]}", key_node)
            seen[key] = line
        return super().construct_mapping(node, deep)

    def number(self, node: yaml.ScalarNode) -> int | float:
        text = node.value.replace("_", "")
        value = int(text) if node.tag.endswith("int") else float(text)
        if not math.isfinite(value):
            raise _Bad(f"{node.value} is not a finite number", node)
        return value


class _Bad(yaml.MarkedYAMLError):
    def __init__(self, problem: str, node: yaml.Node) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark)


def _resolve(kind: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$"), list(first))


_resolve("null", "~|null|Null|NULL", "~nN")
_Loader.yaml_implicit_resolvers[""] = [("tag:yaml.org,2002:null", re.compile("^$"))]  # nothing at all
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789")
_resolve("float", r"[-+]?(?:[0-9][0-9_]*\.[0-9]*|\.[0-9]+|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789")
_resolve("merge", "<<", "<")
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)


def parse(text: str, source: str) -> Any:
    """One YAML document. Raises ConfigError with `source`, line and column."""
    try:
        content = yaml.load(text, _Loader)
        json.dumps(content, default=str)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_yaml_line(error, source)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    except (RecursionError, ValueError):
        raise ConfigError(f"{source}: nested too deeply, or an alias that holds itself") from None
    return content


def _yaml_line(error: yaml.MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = error.problem or "not YAML"
    if problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    if "'\\t'" in problem:
        problem += " (indent with spaces, not tabs)"
    return f"{source}{where}: {problem}"


def read_file(path: str | Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping. Raises ConfigError naming the file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{_files_like(path)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a YAML file") from None
    content = parse(text, str(path))
    if content is None:
        raise ConfigError(f"{path}: the file is empty; see configs/ for examples")
    if not isinstance(content, dict):
        kind = "a list" if isinstance(content, list) else f"the single value {show(content)}"
        raise ConfigError(f"{path}: the top level must be a mapping of settings (key: value), got {kind}")
    return content


def _files_like(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("configs")
    names = sorted(p.name for p in folder.glob("*.yaml")) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, 1, 0.5)
    return f"; did you mean {folder / close[0]}?" if close else f"; {folder} has: {', '.join(names) or 'no YAML files'}"


def show(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, dict | list):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        text = json.dumps(value, default=str)
        return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"
    if isinstance(value, str):
        return f"'{value}'"
    return json.dumps(value, default=str)
