"""A declared baseline by its name: what `ablate.from` may say."""

from __future__ import annotations

from typing import Any

from study.settings.config import StudyConfig
from study.settings.space import complete_point, label
from trainables.vocabulary.errors import UserError
from trainables.wording import close_to, shorten

MOST_NAMED = 8


def named_baseline(study: StudyConfig, name: str | None) -> dict[str, Any]:
    """The complete point of the baseline of that name; None: the first one. A label goes before a method.

    Raises UserError, naming `ablate.from`, if there is none, or if several have the name.
    """
    rows = [(label(partial), complete_point(study, partial)) for partial in study.baselines]
    if not rows:
        raise UserError("ablate.from: the study has no baselines to begin at; add one under baselines")
    if name is None:
        return rows[0][1]
    asked = " ".join(name.split())
    meant = [point for declared, point in rows if asked in (declared, label(point))]
    meant = meant or [point for _, point in rows if asked == point["method"]]
    meant = [point for i, point in enumerate(meant) if point not in meant[:i]]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UserError(
            f"ablate.from is '{shorten(asked)}', a name of {len(meant)} baselines; say which: "
            f"{_listed(list(map(label, meant)))}"
        )
    known = [declared for declared, _ in rows]
    close = close_to(asked, [*known, *(label(point) for _, point in rows)]) or "."
    raise UserError(f"ablate.from is '{shorten(asked)}', which is no baseline{close} Baselines: {_listed(known)}")


def _listed(names: list[str]) -> str:
    return "; ".join(names[:MOST_NAMED]) + ("; ..." if len(names) > MOST_NAMED else "")
