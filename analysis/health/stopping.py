"""What stopping early saved, and how likely it stopped a point of the front.

A trial that was stopped after an epoch would have ended at an accuracy that is not known. Of the trials that finished
both is known, the accuracy after that epoch and at the end; how well their ranks agree (Kendall's tau) says how much
the early one foretells. The model: early and final accuracy are jointly normal with the correlation sin(pi tau / 2)
(Greiner's relation, which holds whatever the scales), and Student's t in the normal's place with n - 2 degrees of
freedom for what n finished trials leave open. The finished ones are those that the rungs let through, whose ranks agree
less than all trials' would; so the probabilities are rather too high than too low.

Shape legend: F finished trials.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.figure_data.common import completed
from analysis.figure_data.search_info import MIN_RANKED, Agreement, agreement
from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding, many, share
from analysis.results.load import Results
from analysis.text import number
from study import schema

MUCH = 0.5
"""Front points stopped (expected) from which on stopping later is proposed."""


class Foretold(NamedTuple):
    """What the accuracy after one epoch foretells of the final one, over the trials that finished."""

    epoch: int
    agreement: Agreement
    early_F: np.ndarray
    final_F: np.ndarray

    def exceeds(self, early: float, threshold: float, tau: float | None = None) -> float:
        """Probability that a trial with this accuracy (%) after the epoch ends above the threshold (%).

        tau: in place of the agreement's own. NaN where the ranks cannot be compared.
        """
        tau = self.agreement.tau if tau is None else tau
        if not (math.isfinite(tau) and math.isfinite(early)):
            return math.nan
        if threshold == -math.inf:
            return 1.0
        n, correlation = len(self.early_F), math.sin(math.pi / 2 * tau)
        spread, final = self.early_F.std(ddof=1), self.final_F.std(ddof=1)
        off = early - self.early_F.mean()
        expected = self.final_F.mean() + correlation * final / spread * off
        left = final * math.sqrt(max(1 - correlation**2, 1e-12) * (n - 1) / (n - 2))
        error = left * math.sqrt(1 + 1 / n + off**2 / ((n - 1) * spread**2))
        return float(stats.t.sf((threshold - expected) / error, n - 2))


class Stopped(NamedTuple):
    """What early stopping did to a search. epochs: trained and left out by the stopped trials."""

    trials: pd.DataFrame
    """The stopped trials, with `chance`, `chance_low` and `chance_high` of having been on the front."""
    spent: int
    saved: int
    taus: dict[int, Agreement]
    """Epoch at which trials were stopped -> agreement of its ranking with the final one."""


def finished(results: Results) -> pd.DataFrame:
    """Completed search trials that have all objectives."""
    return completed(results.trials, schema.SEARCH).dropna(subset=list(results.objectives))


def early(results: Results, epoch: int) -> pd.Series:
    """trial_id -> accuracy after that epoch, of the search's trials."""
    rows = results.reports[(results.reports["stage"] == schema.SEARCH) & (results.reports["epoch"] == epoch)]
    return rows.set_index("trial_id")[schema.ACCURACY]


def foretold(results: Results, epoch: int) -> Foretold:
    """Over the completed trials that reported that epoch."""
    done = finished(results).set_index("trial_id")[schema.ACCURACY]
    pair = pd.concat([early(results, epoch).rename("early"), done.rename("final")], axis=1, join="inner").dropna()
    values = pair["early"].to_numpy(float), pair["final"].to_numpy(float)
    return Foretold(epoch, agreement(*values), *values)


def threshold(results: Results, row: pd.Series, others: pd.DataFrame) -> float:
    """The accuracy (%) that a trial of these costs must exceed to be on the front beside the others."""
    cheaper = pd.Series(True, index=others.index)
    for name in results.costs:
        less = results.objectives[name] == "min"
        cheaper &= others[name] <= row[name] if less else others[name] >= row[name]
    return float(others.loc[cheaper, schema.ACCURACY].max()) if cheaper.any() else -math.inf


def stopped(results: Results) -> Stopped:
    """Of the trials that a scheduler ended at a rung."""
    search = results.stage(schema.SEARCH)
    rows, done = search[search["status"] == schema.STOPPED], finished(results)
    models = {int(epoch): foretold(results, int(epoch)) for epoch in rows["epochs"].unique()}
    chances = []
    for _, row in rows.iterrows():
        model, least = models[int(row["epochs"])], threshold(results, row, done)
        possible = (None, model.agreement.tau_high, model.agreement.tau_low)
        ends = [model.exceeds(float(row[schema.ACCURACY]), least, tau) for tau in possible]
        chances.append((ends[0], min(ends), max(ends)))
    named = pd.DataFrame(chances, columns=["chance", "chance_low", "chance_high"], index=rows.index, dtype=float)
    left = (rows["max_epochs"] - rows["epochs"]).sum()
    taus = {epoch: model.agreement for epoch, model in sorted(models.items())}
    return Stopped(rows.join(named), int(rows["epochs"].sum()), int(left), taus)


def stopping(results: Results) -> Finding:
    """How much was saved, and at what risk."""
    title = "Early stopping"
    found = stopped(results)
    if found.trials.empty:
        return Finding("stopping", title, FINE, ("No trial of the search was stopped early, so nothing was at risk.",))
    spent = int(results.stage(schema.SEARCH)["epochs"].sum())
    saved = (
        f"Stopping ended {len(found.trials)} of {len(results.stage(schema.SEARCH))} trials early and saved "
        f"{found.saved:,} epochs, {100 * found.saved / (spent + found.saved):.0f} % of what the search would have "
        f"trained without it ({spent:,} were)."
    )
    known = found.trials.dropna(subset=["chance"])
    if known.empty:
        count = len(finished(results))
        why = f"How likely it stopped a point of the front cannot be told: {many(count)} finished"
        why += f", and ranks are compared from {MIN_RANKED} on." if count < MIN_RANKED else ", whose ranks are tied."
        return Finding("stopping", title, UNKNOWN, (saved, why))
    expected = float(known["chance"].sum())
    any_one = 1 - float((1 - known["chance"]).prod())
    low, high = (1 - float((1 - known[f"chance_{end}"]).prod()) for end in ("low", "high"))
    likely = known.loc[known["chance"].idxmax()]
    risk = (
        f"It stopped a point of the front with a probability of {share(any_one)} ({share(low)} to {share(high)} over "
        f"the interval of tau); {expected:.2g} such points are expected among {len(known)}, most likely "
        f"{likely['label']} ({share(likely['chance'])})."
    )
    agree = "; ".join(f"epoch {epoch}: {_tau(one)}" for epoch, one in found.taus.items())
    ranks = f"That is from how the ranks of the finished trials agree with their last ones, Kendall's tau, at {agree}."
    if expected < MUCH:
        return Finding("stopping", title, FINE if any_one < MUCH else WATCH, (saved, risk, ranks))
    return Finding("stopping", title, *_later(results, found, (saved, risk, ranks)))


def _tau(one: Agreement) -> str:
    if not math.isfinite(one.tau):
        return f"too few to rank (n = {one.n})"
    return f"{number(one.tau)} [{number(one.tau_low)}, {number(one.tau_high)}], n = {one.n}".replace("-", "−")


def _later(results: Results, found: Stopped, said: tuple[str, ...]) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Proposes to begin stopping later, where a later rung is left."""
    scheduler = results.study.get("scheduler")
    grace = scheduler.get("grace_period") if isinstance(scheduler, dict) else None
    factor = scheduler.get("reduction_factor") if isinstance(scheduler, dict) else None
    pausing = isinstance(scheduler, dict) and scheduler.get("name") == "promote"
    if pausing or not (isinstance(grace, int) and isinstance(factor, int)):
        return WATCH, said, {}
    later = grace * factor
    if later >= int(found.trials["max_epochs"].max()):
        sets, how = {"scheduler.name": "none"}, "Stop nobody"
    else:
        sets, how = {"scheduler.grace_period": str(later)}, "Stop later"
    shown = " ".join(f"--set {name}={value}" for name, value in sets.items())
    return ACT, (*said, f"{how}, for the trials to come: {shown}."), sets
