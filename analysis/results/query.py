"""A question over trials, `method=kmclr k=400 temperature<0.15`: read, and put to a study.

A name is that of a parameter in a search space (`k`), of any setting (`train.batch_size`), of a metric (`accuracy`), or
of the trial itself (`stage`, `status`, `seed`, `epochs`, `label`). A setting counts whether the study searched over it
or had it fixed, and only where it acts: `k` is nothing to a queue.
"""

from __future__ import annotations

import math
import operator
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.results.load import GPU_HOURS, Results, draws
from study import schema
from study.schema import UserError, wording

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
OF_TRIALS = ("stage", "status", "seed", "epochs", "max_epochs", "label", "trial_id", "point", "baseline", "wall_s")
OF_STUDIES = ("study",)
UNITS = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_CONDITION = re.compile(r"([A-Za-z_][\w.]*)\s*(!=|<=|>=|==|=|<|>)\s*(.+)", re.DOTALL)
_NUMBER = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(B|kB|MB|GB|TB|%|s)?")
EXAMPLE = 'for example --find "method=kmclr k=400 temperature<0.15"'


class Condition(NamedTuple):
    """One of a question's conditions, all of which must hold."""

    name: str
    sign: str
    value: float | bool | str

    def holds(self, found: Any) -> bool:
        """Whether a trial's value meets it; one that the trial does not have meets nothing."""
        if found is None or (isinstance(found, float) and math.isnan(found)):
            return False
        if isinstance(found, bool) or isinstance(self.value, bool | str):
            same = str(found).casefold() == str(self.value).casefold()
            return same if self.sign == "=" else not same if self.sign == "!=" else False
        if not isinstance(found, int | float):
            return self.sign == "!="
        if self.sign in ("=", "!="):
            return math.isclose(found, self.value, rel_tol=1e-9, abs_tol=1e-12) == (self.sign == "=")
        return OPERATORS[self.sign](found, self.value)


def parse(text: str) -> list[Condition]:
    """The conditions of a question. Raises UserError for what is none."""
    spaced = re.sub(r"\s*(!=|<=|>=|==|=|<|>)\s*", r"\1", text) if not re.search("['\"]", text) else text
    try:
        words = shlex.split(spaced)
    except ValueError as error:
        raise UserError(f"--find {wording.shorten(text)}: {str(error).lower()}; {EXAMPLE}") from None
    found = [_condition(word) for word in words]
    if not found:
        raise UserError(f"--find: expected conditions such as name=value, got none; {EXAMPLE}")
    return found


def _condition(word: str) -> Condition:
    match = _CONDITION.fullmatch(word)
    if match is None:
        raise UserError(
            f"--find: expected name=value, name<value or the like, got {wording.shorten(word)!r}; {EXAMPLE}"
        )
    name, sign, value = match[1], match[2].replace("==", "="), match[3]
    number = _NUMBER.fullmatch(value)
    if number is not None:
        return Condition(name, sign, float(number[1]) * UNITS.get(number[2] or "", 1.0))
    if sign not in ("=", "!="):
        raise UserError(f"--find {wording.shorten(word)}: {sign} needs a number, got {wording.shorten(value)!r}")
    return Condition(name, sign, {"true": True, "false": False}.get(value.casefold(), value))


# --- what a trial has by each name ---


class Asked(NamedTuple):
    """A study's trials [N] with a column for each name that was asked for."""

    trials: pd.DataFrame
    known: frozenset[str]
    """Names that this study could answer to."""


def answers(results: Results, names: Iterable[str]) -> Asked:
    """The trials of a study, also those of the search that have not ended, with what they have by these names."""
    trials = _with_unfinished(results)
    short, settings = schema.searchable(), flat(results.study)
    own = [name.removeprefix("p_") for name in trials if name.startswith("p_")]
    known = {*OF_STUDIES, *OF_TRIALS, "method", GPU_HOURS, *schema.METRICS, *short, *own, *settings}
    columns = {
        name: [_value(row, name, results, short, settings) for row in trials.to_dict("records")] for name in set(names)
    }
    return Asked(
        trials.assign(**{f"asked {name}": pd.Series(v, dtype=object) for name, v in columns.items()}), frozenset(known)
    )


def matching(asked: Asked, conditions: Iterable[Condition]) -> pd.DataFrame:
    """The trials that meet all conditions."""
    conditions = list(conditions)
    kept = [
        all(condition.holds(row[f"asked {condition.name}"]) for condition in conditions)
        for row in asked.trials.to_dict("records")
    ]
    return asked.trials[pd.Series(kept, index=asked.trials.index, dtype=bool)]


def _value(
    trial: Mapping[str, Any], name: str, results: Results, short: Mapping[str, str], settings: Mapping[str, Any]
) -> Any:
    if name == "study":
        return results.name
    if name in OF_TRIALS or name in schema.METRICS or name == GPU_HOURS or name == "method":
        return trial.get(name)
    path = short.get(name, name)
    own = {short.get(p[2:], p[2:]): v for p, v in trial.items() if p.startswith("p_") and not _absent(v)}
    mine = {**settings, **own, "method": trial["method"]}
    return mine.get(path) if schema.acts(path, mine) else None


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names of the settings."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def _with_unfinished(results: Results) -> pd.DataFrame:
    """Trials that ended, and those that were drawn or have reported and have not: with their last report, as `running`
    or `paused`, or `unfinished` where the study no longer runs. Only a search's draw says which point that is."""
    ended = set(results.trials["trial_id"])
    drawn = {draw["trial_id"]: draw for draw in draws(results)}
    rest = results.reports[~results.reports["trial_id"].isin(ended)]
    rows = []
    for trial in dict.fromkeys([*(t for t in drawn if t is not None and t not in ended), *rest["trial_id"]]):
        draw = drawn.get(trial, {"label": trial, "params": {}})
        reports = rest[rest["trial_id"] == trial]
        last = reports.iloc[-1].dropna().to_dict() if len(reports) else {}
        row = {"trial_id": trial, "label": draw["label"], "stage": last.get("stage", schema.SEARCH)}
        row |= {f"p_{name}": value for name, value in draw["params"].items()}
        row |= {"method": draw["params"].get("method"), "seed": last.get("seed"), "epochs": last.get("epoch", 0)}
        row["status"] = "paused" if trial in results.paused else "running" if results.running else "unfinished"
        rows.append({m: last.get(m, math.nan) for m in schema.METRICS} | row)
    if not rows:
        return results.trials
    return pd.concat([results.trials, pd.DataFrame(rows)], ignore_index=True)


def check_names(conditions: Iterable[Condition], known: Iterable[str]) -> None:
    """UserError, with what is close, for a name that no study answers to."""
    names = sorted(known)
    for condition in conditions:
        if condition.name not in names:
            close = wording.close_to(condition.name, names)
            raise UserError(
                f"--find: no study here has {wording.shorten(condition.name)}{close}; names are those of a search "
                f"space, of settings (train.batch_size), of metrics, and {', '.join(OF_TRIALS)}"
            )
