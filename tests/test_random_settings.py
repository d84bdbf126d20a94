"""Random studies, made of the settings' own models: a valid one can be planned, any other gives lines that name it."""

from __future__ import annotations

import contextlib
import io
import types
import typing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import yaml
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from study import cost, plan
from study.cost import Cost
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from tests.helpers.random_damage import damaged
from trainables.settings.edge import ConfigError
from trainables.settings.fields import Named
from trainables.vocabulary.errors import UserError

K_SWEEP = (Path(__file__).resolve().parents[1] / "configs" / "k_sweep.yaml").read_bytes()
WILD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1,
        2,
        3.5,
        1e-9,
        10**10,
        10**30,
        "",
        "auto",
        "[/]",
        "\0",
        "~",
        "x" * 5000,
        [],
        [1],
        {},
        {"a": 1},
    ]
)


def numbers(field: FieldInfo, whole: bool) -> st.SearchStrategy[Any]:
    """Numbers at and beside the bounds of a setting, and others."""
    bounds = [getattr(mark, name) for mark in field.metadata for kind, name in
              ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")) if isinstance(mark, kind)]  # fmt: skip
    near = [bound + step for bound in bounds for step in (-1, 0, 1)]
    small = st.integers(1, 20) if whole else st.floats(0, 2)
    return small | (st.sampled_from([int(n) if whole else float(n) for n in near]) if near else small)


def values(field: FieldInfo, annotation: Any) -> st.SearchStrategy[Any]:
    """What a setting may be by its type, mostly."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is typing.Annotated:
        return values(field, inner[0])
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(field, one) for one in inner])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return sections(annotation)
    house = [word for mark in field.metadata if isinstance(mark, Named) for word in mark.house]
    if annotation is str and house:
        return st.sampled_from(house) | st.text(max_size=5)
    simple = {type(None): st.none(), bool: st.booleans(), str: st.text(max_size=5) | st.just("auto")}
    if annotation in simple:
        return simple[annotation]
    return numbers(field, annotation is int) if annotation in (int, float) else WILD


def sections(model: type[BaseModel], without: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """A few settings of a model; new ones come along by themselves."""
    fields = {name: field for name, field in model.model_fields.items() if name not in without}

    @st.composite
    def some(draw: st.DrawFn) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True))
        wild = draw(st.integers(0, 9)) == 0
        return {name: draw(WILD if wild else values(fields[name], fields[name].annotation)) for name in names}

    return some()


BASE = {
    "name": "random",
    "device": "cpu",
    "data": {"name": "digits", "validation_per_class": 10},
    "space": {"method": ["kmclr", "none"], "k": {"low": 5, "high": 50}},
    "confirm": {"seeds": [1, 2]},
}


def loads_or_says(content: bytes, make_plan: bool) -> None:
    with TemporaryDirectory() as place, contextlib.chdir(place):  # where a random cache_dir is made
        path = Path(place) / "study.yaml"
        path.write_bytes(content)
        try:
            loaded = load_study(path)
            if make_plan:
                with (
                    mock.patch.object(cost, "measure", return_value=Cost(1.0, 10**6, 10**6)),
                    mock.patch.object(cost, "has_gpu", return_value=False),
                ):
                    plan.render(cost.make_plan(loaded), plan.Console(file=io.StringIO(), width=100))
            return
        except ConfigError as error:
            said = str(error).splitlines()
            of_a_file = True
        except UserError as error:
            said = str(error).splitlines()
            of_a_file = False
        assert said
        assert max(map(len, said)) < 3000
        assert not of_a_file or all(line.startswith((str(path), "random, ")) for line in said)


@example({"device": "\x1e"})
@given(changes=sections(StudyConfig, without=("name", "rehearsal")))
def test_random_studies(changes: dict[str, Any]) -> None:
    merged = {**BASE, **changes}
    for name in ("data", "confirm"):
        if isinstance(changes.get(name), dict):
            merged[name] = {**BASE[name], **changes[name]}
    loads_or_says(yaml.safe_dump(merged, allow_unicode=True).encode("utf-8", "replace"), make_plan=True)


@given(content=damaged(K_SWEEP) | st.binary(max_size=100))
def test_text_of_a_study_changed_at_random(content: bytes) -> None:
    loads_or_says(content, make_plan=False)
