"""Tables of `benchmarks.search_strategies`: shares of the best hypervolume, by strategy, budget and task.

Shape legend: S seeds, B epochs, T tasks. `Shares`: world or task -> strategy -> shares [S, B] after each epoch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.common import table

Shares = Mapping[str, Mapping[str, np.ndarray]]
PLAIN = "tpe, no stopping"
GOAL = 0.9
"""Share of the best hypervolume whose price in epochs is reported."""


def interval(values_S: np.ndarray) -> str:
    """`mean ± half-width of the 95 % t interval` in %; the mean alone of a single value."""
    values_S = 100 * np.asarray(values_S)
    if len(values_S) < 2:
        return f"{values_S.mean():.1f}"
    half = stats.t.ppf(0.975, len(values_S) - 1) * values_S.std(ddof=1) / math.sqrt(len(values_S))
    return f"{values_S.mean():.1f} ± {half:.1f}"


def at_budgets(rows: np.ndarray, epochs: int, budgets: Sequence[int]) -> dict[int, np.ndarray]:
    """Budget in full trainings -> shares [S]."""
    return {b: rows[:, b * epochs - 1] for b in budgets}


def as_json(shares: Shares, epochs: int, budgets: Sequence[int]) -> str:
    """`{strategy: {world or task: {budget: [share per seed]}}}`."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for world, by_strategy in shares.items():
        for name, rows in by_strategy.items():
            cells = {str(b): values.tolist() for b, values in at_budgets(rows, epochs, budgets).items()}
            found.setdefault(name, {})[world] = cells
    return json.dumps(found, indent=1)


def write_json(path: Path, shares: Shares, epochs: int, budgets: Sequence[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(shares, epochs, budgets) + "\n")


def one_world(by_strategy: Mapping[str, np.ndarray], ours: str, epochs: int, budgets: Sequence[int]) -> str:
    """A row per strategy, a column per budget; then what `ours` adds to each other, paired by seed."""
    at = {name: at_budgets(rows, epochs, budgets) for name, rows in by_strategy.items()}
    head = [f"{b} trainings" for b in budgets]
    plain = [[name, *(interval(values[b]) for b in budgets)] for name, values in at.items()]
    parts = [table(["strategy", *head], plain)]
    if ours in at and len(at) > 1:
        others = {name: values for name, values in at.items() if name != ours}
        paired = [[name, *(interval(at[ours][b] - values[b]) for b in budgets)] for name, values in others.items()]
        parts.append(table([f"{ours} minus", *head], paired))
    return "\n\n".join(parts)


def many_tasks(shares: Shares, ours: str, epochs: int, budgets: Sequence[int]) -> str:
    """Over tasks: means, differences, ranks, the price of GOAL; then a table per budget with a row per task."""
    tasks, names = list(shares), list(next(iter(shares.values())))
    mean = means(shares, epochs, budgets)
    head = [f"{b} trainings" for b in budgets]
    parts = [
        table(["strategy", *head], [[n, *(interval(mean[b][:, i]) for b in budgets)] for i, n in enumerate(names)])
    ]
    if ours in names and len(names) > 1:
        own = names.index(ours)
        rows = [
            [n, *(_difference(mean[b][:, own] - mean[b][:, i], tasks) for b in budgets)]
            for i, n in enumerate(names)
            if n != ours
        ]
        parts.append(f"Paired by task (interval over {len(tasks)} tasks; in brackets the worst task):")
        parts.append(table([f"{ours} minus", *head], rows))
    if len(names) > 1:
        ranks = {b: stats.rankdata(-mean[b], axis=1).mean(0) for b in budgets}
        parts.append(f"Average rank among these {len(names)} over the tasks (1 is best):")
        parts.append(
            table(["strategy", *head], [[n, *(f"{ranks[b][i]:.2f}" for b in budgets)] for i, n in enumerate(names)])
        )
    parts.append(f"Epochs until {GOAL:.0%} of the best hypervolume, median over tasks of the median over seeds:")
    price = {n: _prices([shares[t][n] for t in tasks]) for n in names}
    plain = price.get(PLAIN)
    rows = [
        [n, _said(price[n], epochs * max(budgets)), *([_ratio(price[n], plain)] if plain is not None else [])]
        for n in names
    ]
    parts.append(
        table(["strategy", "epochs", *([f"share of {PLAIN}'s, median over tasks"] if plain is not None else [])], rows)
    )
    for b in budgets:
        rows = [[t, *(interval(shares[t][n][:, b * epochs - 1]) for n in names)] for t in tasks]
        parts += [f"## By task, {b} trainings", table(["task", *names], rows)]
    return "\n\n".join(parts)


def means(shares: Shares, epochs: int, budgets: Sequence[int]) -> dict[int, np.ndarray]:
    """Budget -> means over seeds [tasks, strategies]."""
    rows = [list(by_strategy.values()) for by_strategy in shares.values()]
    return {b: np.array([[shares_SB[:, b * epochs - 1].mean() for shares_SB in row] for row in rows]) for b in budgets}


def _difference(difference_T: np.ndarray, tasks: Sequence[str]) -> str:
    worst = int(np.argmin(difference_T))
    return f"{interval(difference_T)} ({tasks[worst]}: {100 * difference_T[worst]:.1f})"


def _prices(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Epochs until GOAL [T], median over seeds; infinite where the median search did not get there."""
    reached = [np.where((r >= GOAL).any(1), (r >= GOAL).argmax(1) + 1.0, np.inf) for r in rows]
    return np.array([np.median(epochs_S) for epochs_S in reached])


def _said(price_T: np.ndarray, budget: int) -> str:
    median = float(np.median(price_T))
    return f"{median:.0f}" if math.isfinite(median) else f"> {budget}"


def _ratio(price_T: np.ndarray, plain_T: np.ndarray) -> str:
    """Of tasks where either got there; where only the other did, the ratio is infinite or 0."""
    either_T = np.isfinite(price_T) | np.isfinite(plain_T)
    if not either_T.any():
        return "-"
    price_T, plain_T = price_T[either_T], plain_T[either_T]
    ratio_T = np.where(np.isinf(plain_T), 0.0, np.where(np.isinf(price_T), np.inf, price_T / plain_T))
    return f"{np.median(ratio_T):.2f} ({either_T.sum()} tasks)"
