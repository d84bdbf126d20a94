"""All figures, in the order of the report."""

from __future__ import annotations

from analysis.figures import headline, offline, optuna, prototypes, search, space, training
from analysis.figures.figure import Maker

MAKERS: tuple[Maker, ...] = (
    *headline.MAKERS,
    *offline.MAKERS,
    *optuna.MAKERS,
    *prototypes.MAKERS,
    *search.MAKERS,
    *space.MAKERS,
    *training.MAKERS,
)
