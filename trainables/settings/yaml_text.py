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
from trainables.wording import MAX_SHOWN, shorten

MAX_DIGITS = 30
"""Of a whole number: no setting means one that is longer, and Python refuses to print the longest."""
MAX_DEPTH = 100
"""Mappings and lists inside each other."""
MAX_VALUES = 1_000_000
"""Of a document, with aliases written out."""


class ConfigError(UserError):
    """What a person wrote is wrong; one line per problem."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with the resolvers, checks, merges and scalars of this module, whatever PyYAML's version does."""

    yaml_implicit_resolvers: dict = {}
    yaml_constructors: dict = {}  # filled below: the tags of plain data alone, so no other code meets what people write

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()
        self._flattening: set[int] = set()

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
        return yaml.constructor.BaseConstructor.construct_mapping(self, node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what `<<` merges in the mapping's own pairs, once, however often and wherever its anchor is used.

        Own keys win over merged ones and an earlier mapping of a list over a later; a merged mapping is flat before.
        """
        if id(node) in self._flat:
            return
        if id(node) in self._flattening:
            raise _Bad("a mapping that merges itself", node)
        self._flattening.add(id(node))
        own, sources = self._own_pairs(node)
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for source in sources:
            self.flatten_mapping(source)
            for pair in source.value:
                merged.setdefault(self._key(pair[0]), pair)
        node.value = list({**merged, **own}.values())
        self._flattening.remove(id(node))
        self._flat.add(id(node))

    def _own_pairs(self, node: yaml.MappingNode) -> tuple[dict, list[yaml.MappingNode]]:
        """The pairs that the file gives in this mapping, by key, and the mappings that it merges, first come first."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merge: tuple[yaml.Node, yaml.Node] | None = None
        for key_node, value_node in node.value:
            is_merge = key_node.tag == "tag:yaml.org,2002:merge"
            key = "<<" if is_merge else self._key(key_node)
            earlier = merge if is_merge else own.get(key)
            if earlier is not None:
                hint = "; merge several with one list: <<: [*a, *b]" if is_merge else ""
                line = earlier[0].start_mark.line + 1
                raise _Bad(f"'{shorten(key)}' is given twice, first in line {line}{hint}", key_node)
            if is_merge:
                merge = key_node, value_node
            else:
                own[key] = key_node, value_node
        return own, _merged(merge[1]) if merge else []

    def _key(self, node: yaml.Node) -> str:
        key = self.construct_object(node, deep=True)
        if not isinstance(key, str):
            raise _Bad(f"a key must be text, got {show(key)}", node)
        return key

    def number(self, node: yaml.Node) -> int | float:
        given = self.construct_scalar(node)
        text, kind = given.replace("_", ""), int if node.tag.endswith("int") else float
        if kind is int and len(text) > MAX_DIGITS:
            raise _Bad(f"{show(given)} has {len(text)} digits; a whole number may have {MAX_DIGITS}", node)
        try:
            value = kind(text)
        except ValueError:
            raise _Bad(f"{show(given)} is not a number", node) from None
        if kind is float and not math.isfinite(value):
            raise _Bad(f"{shorten(given)} is not a finite number", node)
        return value

    def truth(self, node: yaml.Node) -> bool:
        text = self.construct_scalar(node)
        if text.lower() not in ("true", "false"):
            raise _Bad(f"{show(text)} is not true or false", node)
        return text.lower() == "true"


def _merged(node: yaml.Node) -> list[yaml.MappingNode]:
    """The mappings that a `<<` names."""
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            raise _Bad("expected a mapping or a list of mappings to merge (<<: *anchor)", source)
    return sources


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
for _tag, _construct in {
    "null": _Loader.construct_yaml_null,
    "bool": _Loader.truth,
    "int": _Loader.number,
    "float": _Loader.number,
    "str": _Loader.construct_yaml_str,
    "seq": _Loader.construct_yaml_seq,
    "map": _Loader.construct_yaml_map,
}.items():
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct)
_Loader.add_constructor(None, _Loader.construct_undefined)


def parse(text: str, source: str) -> Any:
    """One YAML document. Raises ConfigError with `source`, line and column."""
    try:
        content = yaml.load(text, _Loader)
        size, _ = _size(content, 0, {})
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_yaml_line(error, source)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply, or an alias that holds itself") from None
    if size > MAX_VALUES:
        raise ConfigError(f"{source}: holds more than {MAX_VALUES:,} values; give fewer, or fewer aliases of aliases")
    return content


def _size(value: Any, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Values in a tree and how deep it is, each alias counted wherever it stands, in time for one.

    Raises RecursionError beyond MAX_DEPTH.
    """
    if not isinstance(value, dict | list):
        return 1, 0
    if depth > MAX_DEPTH:
        raise RecursionError
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value
        parts = [_size(item, depth + 1, known) for item in inner]
        known[id(value)] = 1 + sum(size for size, _ in parts), 1 + max((height for _, height in parts), default=0)
    if depth + known[id(value)][1] > MAX_DEPTH:
        raise RecursionError
    return known[id(value)]


def _yaml_line(error: yaml.MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = shorten(error.problem or "not YAML", 2 * MAX_SHOWN)
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
    """A value as a message shows it, in at most about MAX_SHOWN characters."""
    if isinstance(value, dict | list):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        text = json.dumps(value, default=str)
        return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    return shorten(json.dumps(value, default=str))
