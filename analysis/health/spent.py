"""Budget that was spent where nothing could be gained, as far as hindsight tells."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.figure_data.search_info import MIN_RANKED
from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding, many
from analysis.health.stopping import early, finished, foretold, threshold
from analysis.results.front import on_front
from analysis.results.intervals import CONFIDENCE
from analysis.results.load import Results
from analysis.text import joined, number
from study import schema

HOPELESS = 0.05
"""Chance of the front below which going on counts as without gain."""
MUCH, SOME = 0.25, 0.1
"""Shares of the search's epochs from which on it is worth a change, or a look."""
LEVEL = 0.1
"""Percentage points; a last quarter that gained no more has levelled off."""


def spent(results: Results) -> Finding:
    """Epochs on failures, on trials without a chance, after the curves had levelled off, on methods off the front."""
    title = "Budget without gain"
    search = results.stage(schema.SEARCH)
    total = int(search["epochs"].sum())
    if not total:
        return Finding("spent", title, UNKNOWN, ("No trial of the search has ended.",))
    failed = search[search["status"].isin(schema.UNSUCCESSFUL)]
    lost = int(failed["epochs"].sum())
    said, wasted, sets = [], lost, dict[str, str]()
    if lost:
        said.append(f"{many(len(failed))} that failed took {lost:,} of the search's {total:,} epochs.")
    hopeless = without_chance(results)
    if hopeless is None:
        few = f"fewer than {MIN_RANKED} finished ones whose ranks can be compared."
        said.append(f"Whether trials were trained on without a chance of the front cannot be told: {few}")
    else:
        at, trials, epochs = hopeless
        wasted += epochs
        chance = (
            f"a chance below {100 * HOPELESS:.0f} % to end on the front (the model of early stopping, in hindsight)"
        )
        said.append(
            f"{many(trials)} that finished had after epoch {at} {chance}, and took {epochs:,} epochs "
            f"more, {100 * epochs / total:.0f} % of the search's {total:,}."
        )
        if epochs / total >= MUCH and _stops_nobody(results):
            sets = {"scheduler.name": "pareto_asha", "scheduler.grace_period": str(at)}
            shown = " ".join(f"--set {name}={value}" for name, value in sets.items())
            said.append(f"Stop such trials to come: {shown}.")
    level, off = _levelled(results), _never_on_front(results)
    said += [*level, *off]
    if hopeless is None and not (lost or level or off):
        return Finding("spent", title, UNKNOWN, tuple(said))
    share = wasted / total
    verdict = ACT if sets else WATCH if share >= SOME or level else FINE
    return Finding("spent", title, verdict, tuple(said), sets)


def without_chance(results: Results) -> tuple[int, int, int] | None:
    """The first epoch of decision, how many finished trials had no chance of the front after it, and the epochs that
    they took from there. Baselines are trained whatever they promise, and do not count. None if it cannot be told."""
    done = finished(results)
    if done.empty:
        return None
    epochs = int(done["max_epochs"].max())
    at = min([int(rung) for rung in results.manifest["rungs"]], default=max(1, epochs // 3))
    if at >= epochs:
        return None
    model, then = foretold(results, at), early(results, at)
    if not math.isfinite(model.agreement.tau):
        return None
    trials, more = 0, 0
    for index, row in done[~done["baseline"]].iterrows():
        if row["trial_id"] not in then:
            continue
        chance = model.exceeds(float(then[row["trial_id"]]), threshold(results, row, done.drop(index)))
        if chance < HOPELESS:
            trials, more = trials + 1, more + int(row["epochs"]) - at
    return at, trials, more


def _stops_nobody(results: Results) -> bool:
    scheduler = results.study.get("scheduler")
    return isinstance(scheduler, dict) and scheduler.get("name") == "none"


def _levelled(results: Results) -> list[str]:
    """That the last quarter of the epochs moved the finished trials by less than LEVEL, where its interval says so."""
    done = finished(results)
    budget = int(done["max_epochs"].max()) if len(done) else 0
    quarter = budget - budget // 4
    if budget < 4 or len(done) < MIN_RANKED:
        return []
    then = early(results, quarter)
    gains = (done.set_index("trial_id")[schema.ACCURACY] - then).dropna().to_numpy(float)
    if len(gains) < MIN_RANKED:
        return []
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(gains) - 1)) * gains.std(ddof=1) / math.sqrt(len(gains))
    low, high = gains.mean() - half, gains.mean() + half
    if not high < LEVEL:
        return []
    band = f"{number(gains.mean())} [{number(low)}, {number(high)}]".replace("-", "−")
    return [
        f"The last quarter of the epochs ({quarter} to {budget}) gained {band} percentage points over {len(gains)} "
        f"finished trials, {len(gains) * (budget - quarter):,} epochs: fewer would have done, which is another study "
        f"(--set train.epochs={quarter}), as trials of two budgets do not compare."
    ]


def _never_on_front(results: Results) -> list[str]:
    """Methods with enough finished trials of which none is on the front."""
    done = finished(results)
    if done["method"].nunique() < 2:
        return []
    on: np.ndarray = on_front(done.assign(y=done[schema.ACCURACY]), results.objectives)
    counts = pd.DataFrame({"method": done["method"], "on": on, "epochs": done["epochs"]}).groupby("method").agg(
        trials=("on", "size"), on=("on", "sum"), epochs=("epochs", "sum")
    )  # fmt: skip
    off = counts[(counts["on"] == 0) & (counts["trials"] >= MIN_RANKED)]
    told = [
        f"{name} ({row.trials} trials, {row.epochs:,} epochs)"
        for name, row in zip(off.index, off.itertuples(), strict=True)
    ]
    return [f"No finished trial is on the search's front of {joined(told)}."] if told else []
