"""The verdict, the report's first sentence: yes, no, or that it cannot be told, and how many seeds would tell."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.results.intervals import CONFIDENCE, Values, compared, pooled_of
from analysis.results.power import MOST, POWER, seeds_needed
from analysis.text import seeds_in_words


def verdict(samples: Mapping[str, Values], reference: Values, share: float, choices: int, what: str) -> str:
    """Whether any of the points reaches `share` of the reference; `what`: the question as a claim.

    Yes or no if the paired intervals of the ratios, corrected for so many choices, leave no doubt: one of them lies
    above the share, or all below it. Else the seeds that would tell for the best point, by a paired t test of the log
    ratio against the share, its deviation pooled over the points, with `POWER`.
    Empty if no point has a seed in common with the reference.
    """
    ratios = {k: r for k, r in compared(samples, reference, choices=choices, ratio=True).items() if r.n}
    if not ratios:
        return ""
    best = max(ratios.values(), key=lambda r: r.mean)
    seeds = seeds_in_words([r.n for r in ratios.values()])
    if any(r.low >= share for r in ratios.values()):
        return f"Yes: {what}, with {seeds}."
    if all(r.high < share for r in ratios.values()):
        return f"No: it is not so that {what}, with {seeds}."
    logs = [
        {s: math.log(v[s] / reference[s]) for s in set(v) & set(reference) if min(v[s], reference[s]) > 0}
        for v in samples.values()
    ]
    deviation, confidence = float(pooled_of(logs).deviation), 1 - (1 - CONFIDENCE) / max(choices, 1)
    m = seeds_needed(math.log(best.mean / share), deviation, confidence)
    would = f"about {m} would" if m and m > best.n else f"more than {MOST:,} would be needed"
    if not math.isfinite(deviation) or deviation == 0:
        would = "how much seeds scatter is not known"
    elif m and m <= best.n:
        would = f"more than {best.n} would be needed"
    chance = f" with a probability of {100 * POWER:.0f} %" if "about" in would else ""
    return f"It cannot be told whether {what} with {seeds}; {would}{chance}."
