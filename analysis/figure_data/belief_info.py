"""What the model made of a search, for its pictures: accuracy over sizes, both fronts, and what confirming moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.figure_data.common import NotEnough
from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.results import front, points
from analysis.results.load import Results
from study import schema
from study.schema import ACCURACY, BAND, SUPPORT_BYTES

OBSERVED, MODEL, CONFIRMED = "observed in the search", "expected by the model", "confirmed"


class BeliefInfo(NamedTuple):
    """A study's belief.

    trials: trial_id, method, label, state, epochs, x (its cost), x_drawn, y (last accuracy, %), and BAND where it is
    predicted. curves: method, label, x, x_drawn and BAND, by rising size of the support set within a method.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    ahead: dict[str, Any] | None
    """The point that is most worth trying next: as in the file, with x_drawn."""
    place: ParetoInfo
    """Axes."""
    cost: str
    """What x is: the bytes of the support set if they are an objective, else the first cost."""


def belief_of(results: Results) -> dict[str, Any]:
    """The belief of a study that has a model. NotEnough says why there is none."""
    found = results.belief
    if found is None:
        why = f"no {schema.BELIEF_FILE} in the results folder"
        raise NotEnough(f"{why}: the search has hardly begun, or an earlier version ran it (--resume writes it)")
    if found["without"] is not None:
        raise NotEnough(f"no model of the search: {found['without']}")
    return found


def belief_info(results: Results) -> BeliefInfo:
    """Raises NotEnough."""
    found = belief_of(results)
    cost = SUPPORT_BYTES if SUPPORT_BYTES in results.costs else results.costs[0]
    trials = trials_of(results)
    _check_costs(trials, [cost])
    trials = trials[trials["y"].notna() & trials[cost].notna()].reset_index(drop=True).assign(x=lambda t: t[cost])
    trials = trials[["trial_id", "method", "label", "state", "epochs", "x", "y", *BAND]]
    rows = [{**size, **size["believed"], "x": size["costs"][cost]} for c in found["curves"] for size in c["sizes"]]
    curves = pd.DataFrame(rows, columns=["method", "label", "x", *BAND])
    ahead = found.get("next")
    xs = [*trials["x"], *curves["x"], *([ahead["costs"][cost]] if ahead else [])]
    ys = [*trials["y"], *curves["accuracy"], *([50.0] if ahead else [])]
    table = pd.DataFrame({"method": "", "label": "", cost: xs, "y": ys})
    place = pareto_info(table, cost, sense=results.objectives[cost], y_title=points.search_score(results).title)
    drawn = place.points["x_drawn"].to_numpy()
    trials["x_drawn"] = drawn[: len(trials)]
    curves["x_drawn"] = drawn[len(trials) : len(trials) + len(curves)]
    return BeliefInfo(trials, curves, {**ahead, "x_drawn": float(drawn[-1])} if ahead else None, place, cost)


def _check_costs(trials: pd.DataFrame, costs: Sequence[str]) -> None:
    """NotEnough if the model knows nothing of one."""
    if missing := [name for name in costs if name not in trials]:
        raise NotEnough(f"the model is of the study's own objectives, and {missing[0]} is none of them")


def trials_of(results: Results) -> pd.DataFrame:
    """The search's trials as the model knew them: trial_id, method, label, state, epochs, y (last accuracy), BAND (NaN
    where it predicts nothing), support_bytes, and of each other cost what it expects."""
    rows = []
    for trial in (results.belief or {"trials": []})["trials"]:
        row = {name: trial[name] for name in ("trial_id", "method", "label", "state", "epochs")}
        observed = math.nan if trial["observed"] is None else trial["observed"]
        band = trial.get("believed", dict.fromkeys(BAND, math.nan))
        rows.append({**row, "y": observed, **trial["costs"], **band})
    columns = ["trial_id", "method", "label", "state", "epochs", SUPPORT_BYTES, "y", *BAND]
    return pd.DataFrame(rows, columns=columns if not rows else None)


# --- both fronts ---
def fronts_info(results: Results) -> pd.DataFrame:
    """Points of the observed front, of the model's and of the confirmed one: kind, trial_id, method, label, each cost,
    y, low, high (95 %; NaN: a single run). All accuracies are on validation. NotEnough without the model's."""
    belief_of(results)
    trials, objectives = trials_of(results), results.objectives
    _check_costs(trials, results.costs)
    done = trials[(trials["state"] == "finished") & trials["accuracy"].notna()]
    expected = done.assign(y=done["accuracy"], low=done["low_95"], high=done["high_95"])
    searched = points.searched(results)
    searched = searched[~searched["hollow"].astype(bool)].assign(low=math.nan, high=math.nan)
    tables = {OBSERVED: searched, MODEL: expected}
    if points.confirm_score(results) is not None:
        tables[CONFIRMED] = points.confirmed(results, ACCURACY).rename(columns={"point": "trial_id"})
    columns = ["trial_id", "method", "label", *results.costs, "y", "low", "high"]
    fronts = [
        t[front.on_front(t, objectives)][columns].assign(kind=kind, on_front=True)
        for kind, t in tables.items()
        if len(t)
    ]
    if not fronts:
        raise NotEnough("no trial of the search has finished")
    return pd.concat(fronts, ignore_index=True)


# --- what confirming moved ---
def moved_info(results: Results) -> pd.DataFrame:
    """A row per point that was confirmed, or that either choice would have taken, by rising first cost.

    trial_id, method, label, baseline, each cost, searched (one run, %), BAND (what the model expects; NaN without),
    mean, low, high (95 % interval) and n of the confirmed runs (NaN, 0: not confirmed), moved (mean - searched, in
    percentage points), by_observed and by_model (bool, or None where the choice is not on record). All accuracies are
    on validation, the metric of the search. NotEnough if no trial of the search was confirmed.
    """
    if points.confirm_score(results) is None:
        raise NotEnough("no point has been confirmed")
    again = points.confirmed(results, ACCURACY).set_index("point")
    choices = (results.belief or {"choices": {}})["choices"]
    wanted = dict.fromkeys([*again.index, *(t for taken in choices.values() for t in taken)])
    trials = points.finished_search(results).set_index("trial_id")
    band = trials_of(results).set_index("trial_id")
    rows = []
    for name in (name for name in wanted if name in trials.index):
        trial = trials.loc[name]
        confirmed = again.loc[name] if name in again.index else {"y": np.nan, "low": np.nan, "high": np.nan, "n": 0}
        rows.append(
            {
                "trial_id": name,
                **{column: trial[column] for column in ("method", "label", "baseline", *results.costs)},
                "searched": trial[ACCURACY],
                **{column: band[column].get(name, math.nan) for column in BAND},
                "mean": confirmed["y"],
                "low": confirmed["low"],
                "high": confirmed["high"],
                "n": int(confirmed["n"]),
                "moved": confirmed["y"] - trial[ACCURACY],
                **{f"by_{kind}": name in choices[kind] if kind in choices else None for kind in ("observed", "model")},
            }
        )
    if not rows:
        raise NotEnough("the trials of the search that were confirmed are not on record")
    return pd.DataFrame(rows).sort_values([*results.costs, "trial_id"], ignore_index=True)
