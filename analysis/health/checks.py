"""All that is looked at, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Callable

from analysis.health.apart import apart
from analysis.health.failing import collapse, failing
from analysis.health.finding import Finding
from analysis.health.question import question
from analysis.health.ranges import ranges
from analysis.health.spent import spent
from analysis.health.stopping import stopping
from analysis.health.tested import tuning, validation_and_test
from analysis.health.uncompared import uncompared
from analysis.results.load import Results

CHECKS: tuple[Callable[[Results], Finding], ...] = (
    question, uncompared, ranges, apart, stopping, validation_and_test, tuning, failing, collapse, spent,
)  # fmt: skip


def findings(results: Results) -> list[Finding]:
    """One of each check; a study of which little is known gives `cannot be told` and the reason."""
    return [check(results) for check in CHECKS]
