"""Arms that a study declares and its answer says nothing of, why, and what would bring them in."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding, many, more_trials
from analysis.results.arms import declared
from analysis.results.load import Results
from analysis.results.points import finished, finished_search
from analysis.text import joined
from study import schema
from study.schema import wording


def uncompared(results: Results) -> Finding:
    """Declared methods without a finished trial or without a confirmed point, and whether nothing tuned was confirmed.

    Cannot be told as long as the study is not at its end.
    """
    title = "Arms left out"
    if results.manifest["status"] != "finished" or not len(results.trials):
        return Finding("uncompared", title, UNKNOWN, ("The study is not at its end.",))
    confirmed, sets, said = finished(results, schema.CONFIRM), dict[str, str](), list[str]()
    stage = schema.CONFIRM if len(confirmed) else schema.SEARCH
    there = set((confirmed if len(confirmed) else finished_search(results))["method"])
    for method in declared(results):
        if method not in there:
            sentence, more = _why(results, method, stage)
            said.append(sentence)
            sets |= more
    if len(confirmed) and confirmed["baseline"].all():
        sentence, more = _only_baselines(results)
        said.append(sentence)
        sets |= more
    if not said:
        what = "confirmed" if len(confirmed) else "finished"
        return Finding("uncompared", title, FINE, (f"Every method of the study has a {what} point.",))
    if sets:
        shown = " ".join(f"--set {name}={value}" for name, value in sets.items())
        said.append(f"For more of them go on with {shown}; a point under baselines is always trained to its end.")
    return Finding("uncompared", title, ACT if sets else WATCH, tuple(said), sets)


def _why(results: Results, method: str, stage: str) -> tuple[str, dict[str, str]]:
    """A sentence on a method without a point, and the settings that would help."""
    search = results.observed
    mine = search[search["method"] == method]
    if mine.empty:
        more = more_trials(results)
        return f"{method} is not compared: the search has drawn no point of it in {many(len(search))}.", more
    done = mine[mine["status"] == schema.COMPLETED]
    if done.empty:
        return f"{method} is not compared: {_none_finished(mine, 'its')} ({_fates(mine)}).", _help(results, mine)
    if stage == schema.SEARCH:
        return f"{method} is not compared: no finished trial of it has an accuracy.", {}
    begun = results.stage(schema.CONFIRM)
    begun = begun[begun["method"] == method]
    if len(begun):
        return f"{method} is not compared: {_none_finished(begun, 'its')} ({_fates(begun)}).", {}
    if results.manifest.get("per_method"):
        why = "but the places of confirm.max_points went to others"
        return f"{method} is not confirmed: {many(len(done))} of it finished, {why}.", {}
    which = f"{method} is not confirmed: {many(len(done))} of it finished, but none is on the front"
    return f"{which}.", {"confirm.per_method": "true"}


def _only_baselines(results: Results) -> tuple[str, dict[str, str]]:
    """Why nothing but baselines was confirmed."""
    search = results.observed
    tuned = search[~search["baseline"].astype(bool)]
    head = "Only baselines were confirmed, so nothing that the search has tuned is compared: "
    if tuned.empty:
        what = f"the search had {many(len(search))}, baselines alone."
        return head + what, more_trials(results)
    done = tuned[tuned["status"] == schema.COMPLETED]
    if len(done):
        return f"{head}none of its {many(len(done))} that finished is on a front that baselines have no part in.", {}
    return f"{head}{_none_finished(tuned, 'its other')} ({_fates(tuned)}).", _help(results, tuned)


def _none_finished(trials: pd.DataFrame, whose: str) -> str:
    kind = "confirm trial" if (trials["stage"] == schema.CONFIRM).all() else "trial"
    return f"{whose} {many(len(trials), kind) if len(trials) > 1 else f'only {kind}'} did not finish"


def _fates(trials: pd.DataFrame) -> str:
    """`all stopped at rung 2`, `3 stopped at rung 2 and 1 at rung 4; 2 failed: RuntimeError: no`."""
    parts = []
    for status, group in trials.groupby("status", sort=False):
        if status == schema.STOPPED:
            rungs = group["epochs"].value_counts().sort_index()
            first, *rest = [f"{n} stopped at rung {int(epoch)}" for epoch, n in rungs.items()]
            if not rest and len(group) == len(trials):
                first = f"all stopped at rung {int(rungs.index[0])}"
            parts.append(joined([first, *(text.replace(" stopped", "") for text in rest)]))
        else:
            errors: Iterable[str] = group["error"].dropna().map(str).unique() if "error" in group else []
            first_error = next((f": {wording.shorten(text)}" for text in errors), "")
            parts.append(f"{len(group)} {str(status).replace('_', ' ')}{first_error}")
    return "; ".join(parts)


def _help(results: Results, trials: pd.DataFrame) -> dict[str, str]:
    """More trials; where all of these were stopped by rungs, trials to come are stopped by none."""
    sets = more_trials(results)
    scheduler = results.study.get("scheduler")
    name = scheduler.get("name") if isinstance(scheduler, dict) else None
    if (trials["status"] == schema.STOPPED).all() and name in ("pareto_asha", "asha", "hyperband"):
        sets["scheduler.name"] = "none"
    return sets
