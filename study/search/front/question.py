"""A study as the question that the sampler `front` answers: its space, its objectives, and which of them are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from study.search.front.belief import Known, Question
from study.settings import space
from study.settings.config import StudyConfig
from trainables.settings import edge
from trainables.vocabulary.methods_and_support_sets import support_bytes
from trainables.vocabulary.metrics_and_objectives import SUPPORT_BYTES


def _support_bytes(study: StudyConfig) -> Callable[[Mapping[str, Any]], float]:
    """Bytes at a point, without validating it as a run: thousands are asked for."""
    own = study.support.model_dump()
    paths = {name: parameter.path.partition(".") for name, parameter in space.PARAMETERS.items()}

    def at(point: Mapping[str, Any]) -> float:
        changed = edge.unflatten(
            (paths[name][2], value) for name, value in point.items() if paths[name][0] == "support"
        )
        dim = point.get("embedding_dim", study.heads.embedding_dim)
        return float(support_bytes(point.get("method", study.method), _Settings(edge.merge(own, changed)), dim))

    return at


class _Settings:
    """A section's settings as attributes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)


FORMULAS = {SUPPORT_BYTES: _support_bytes}
"""Of each objective that is known before training: study -> (point -> value)."""


def known_of(study: StudyConfig) -> Known:
    """Point -> values of the study's objectives that follow from its settings."""
    formulas = {name: FORMULAS[name](study) for name in study.objectives if name in FORMULAS}
    return lambda point: {name: formula(point) for name, formula in formulas.items()}


def arm_of(study: StudyConfig) -> Callable[[Mapping[str, Any]], str] | None:
    """Point -> its method, where each method's own front is confirmed and so searched for; None: one front of all."""
    return (lambda point: str(point.get("method", study.method))) if space.confirms_per_method(study) else None


def question_of(study: StudyConfig) -> Question:
    return Question(
        space.define(study),
        known_of(study),
        study.objectives,
        study.train.epochs,
        arm_of=arm_of(study),
        wanted=study.wanted_limits,
    )
