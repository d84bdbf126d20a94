"""How often the intervals of a report hold the truth, over made-up studies whose truth is known.

    OMP_NUM_THREADS=1 uv run python -m benchmarks.coverage [--studies 1000] [--seed 1] [--only means,volumes]

A made-up study has some points and n seeds; value = truth of the point + the seed's part, which moves all points alike
+ the run's own part, normal. `shared` is the seed's share of the variance; the runs' deviations are equal, spread
evenly over a factor of 3, or three times as large at one point. Everything is asked of `analysis` itself. Coverage is
in % of studies; the Monte Carlo error of one cell is +-0.7 at 1,000 studies (one standard error at 95 %).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.figure_data.saturation import TOLERANCE, saturation
from analysis.figure_data.search_info import agreement
from analysis.results.front import front_statistics
from analysis.results.intervals import Values, compared, cost_intervals, half_widths
from benchmarks.common import environment, table, write_result

DEVIATION = 0.35
"""Of a run's accuracy around its point's, percentage points, on average over the points."""
SEEDS = (2, 3, 5, 10)
DEVIATIONS = ("equal", "spread", "one noisy")
SHARED = (0.0, 0.9)


class Made(NamedTuple):
    """What made-up studies are like."""

    truth_N: np.ndarray
    seeds: int
    deviations: str = "equal"
    shared: float = 0.0
    step: float = 0.0
    """Values are multiples of it, as accuracies of few images are; 0: of none."""


def spread_of(kind: str, points: int) -> np.ndarray:
    """Standard deviation [N] of the runs of each point, with a mean square of DEVIATION's."""
    shape = np.ones(points)
    if kind == "spread":
        shape = np.geomspace(1.0, 3.0, points)
    elif kind == "one noisy":
        shape[-1] = 3.0
    return DEVIATION * shape / np.sqrt((shape**2).mean())


def draw(made: Made, rng: np.random.Generator) -> np.ndarray:
    """Values [N, S] of one study."""
    points = len(made.truth_N)
    own = spread_of(made.deviations, points)[:, None] * rng.standard_normal((points, made.seeds))
    seed = DEVIATION * rng.standard_normal(made.seeds)
    values = made.truth_N[:, None] + np.sqrt(1 - made.shared) * own + np.sqrt(made.shared) * seed
    return np.round(values / made.step) * made.step if made.step else values


def by_seed(values_NS: np.ndarray) -> list[Values]:
    return [dict(enumerate(values_S.tolist(), 1)) for values_S in values_NS]


def settings() -> Iterator[tuple[int, str, float]]:
    """Seeds, deviations, share of the seed."""
    for seeds in SEEDS:
        for deviations in DEVIATIONS:
            for shared in SHARED:
                yield seeds, deviations, shared


def percent(hits: np.ndarray) -> str:
    return f"{100 * np.mean(hits):.1f}"


# --- one table each ---


def alternatives(values_NS: np.ndarray) -> dict[str, np.ndarray]:
    """Half-widths [N] of what was not chosen."""
    count, spread_N = values_NS.shape[1], values_NS.std(1, ddof=1)
    pooled = stats.t.ppf(0.975, len(values_NS) * (count - 1)) * np.sqrt((spread_N**2).mean() / count)
    return {
        "t of its own seeds alone": stats.t.ppf(0.975, count - 1) * spread_N / np.sqrt(count),
        "pooled deviation alone": np.full(len(values_NS), pooled),
    }


def means(studies: int, rng: np.random.Generator, points: int = 8) -> str:
    """Brackets of a point's mean: over all points, and of the point that is covered least."""
    rows = []
    for step in (0.0, 0.5):
        for seeds, deviations, shared in settings():
            made = Made(np.full(points, 55.0), seeds, deviations, shared, step)
            hits: dict[str, list[np.ndarray]] = {}
            widths = []
            for _ in range(studies):
                values_NS = draw(made, rng)
                missed_N = np.abs(values_NS.mean(1) - made.truth_N)
                ours_N = half_widths(np.full(points, seeds), values_NS.std(1, ddof=1))
                widths.append(np.median(np.nan_to_num(ours_N)))
                for name, half_N in {"ours": ours_N, **alternatives(values_NS)}.items():
                    hits.setdefault(name, []).append(np.where(np.isnan(half_N), np.nan, missed_N <= half_N))
            cells = [f"{100 * np.nanmean(v):.1f} / {100 * np.nanmean(v, axis=0).min():.1f}" for v in hits.values()]
            rows.append([f"{step:g}" if step else "none", seeds, deviations, shared, *cells,
                         f"{100 * np.mean(np.isfinite(hits['ours'])):.1f}", f"{np.median(widths):.2f}"])  # fmt: skip
    head = ["values are multiples of", "n", "deviations", "shared", "the rule: all points / least covered",
            "t of its own seeds alone", "pooled deviation alone", "means with an interval",
            "median half-width"]  # fmt: skip
    return table(head, rows)


def costs(studies: int, rng: np.random.Generator, points: int = 8) -> str:
    """Measured costs, as seconds of an epoch: log-normal, so that they vary in proportion."""
    truth_N, rows = np.geomspace(10.0, 30.0, points), []
    for variation in (0.02, 0.2):
        for seeds in SEEDS:
            hits = []
            for _ in range(studies):
                noise = rng.standard_normal((points, seeds))
                samples = by_seed(truth_N[:, None] * np.exp(variation * noise - variation**2 / 2))
                found = cost_intervals(dict(enumerate(samples)))
                hits.append([found[i].low <= truth_N[i] <= found[i].high for i in range(points)])
            rows.append([f"{100 * variation:g} %", seeds, percent(np.array(hits))])
    return table(["coefficient of variation", "n", "coverage"], rows)


def choices(studies: int, rng: np.random.Generator, points: int = 6) -> str:
    """The best of several points minus the one without a support set, for that point's gain and for the best gain."""
    rows = []
    for shape, gain in (("equal points", np.full(points, 2.0)), ("distinct points", np.linspace(0.5, 3.0, points))):
        truth_N = np.concatenate([[53.0], 53.0 + gain])
        for seeds, deviations, shared in settings():
            own, best, plain = [], [], []
            for _ in range(studies):
                values_NS = draw(Made(truth_N, seeds, deviations, shared), rng)
                bare, *others = by_seed(values_NS)
                chosen = int(values_NS[1:].mean(1).argmax())
                told = compared(dict(enumerate(others)), bare, choices=points)[chosen]
                naive = compared(dict(enumerate(others)), bare)[chosen]
                own.append(told.low <= gain[chosen] <= told.high)
                best.append(told.low <= gain.max() <= told.high)
                plain.append(naive.low <= gain[chosen] <= naive.high)
            rows.append([shape, seeds, deviations, shared, percent(own), percent(best), percent(plain)])
    head = ["", "n", "deviations", "shared", "holds the chosen point's gain", "holds the best gain",
            "not corrected: chosen point's gain"]  # fmt: skip
    return table(head, rows)


def on_par(studies: int, rng: np.random.Generator, points: int = 6) -> str:
    """The smallest set with at least 99 % of the queue's accuracy in the mean: interval of its ratio."""
    truth_N = np.array([57.0, *(57.0 * np.linspace(0.98, 1.0, points))])
    rows = []
    for seeds, deviations, shared in settings():
        hits, plain = [], []
        for _ in range(studies):
            queue, *others = by_seed(draw(Made(truth_N, seeds, deviations, shared), rng))
            ratios = compared(dict(enumerate(others)), queue, choices=points, ratio=True)
            enough = [i for i, ratio in ratios.items() if ratio.mean >= 0.99]
            if enough:
                true = truth_N[1 + enough[0]] / truth_N[0]
                hits.append(ratios[enough[0]].low <= true <= ratios[enough[0]].high)
                naive = compared(dict(enumerate(others)), queue, ratio=True)[enough[0]]
                plain.append(naive.low <= true <= naive.high)
        rows.append([seeds, deviations, shared, percent(hits), percent(plain)])
    return table(["n", "deviations", "shared", "holds the ratio", "not corrected"], rows)


SHAPES = {
    "equal": lambda n: np.full(n, 55.0),
    "saturating": lambda n: 57.0 - 9.0 * np.exp(-np.linspace(0.0, 8.0, n)),
    "distinct": lambda n: np.linspace(50.0, 60.0, n),
}


def volumes(studies: int, rng: np.random.Generator, points: int = 8) -> str:
    """Hypervolume of the front of true means, in % times decades of bytes."""
    objectives = {"accuracy": "max", "support_bytes": "min"}
    sizes, corner = (
        np.concatenate([[0.0], 10 ** np.linspace(3.0, 8.0, points - 1)]),
        np.array([0.0, np.log10(1 + 2**30)]),
    )
    rows = []
    for shape, truth in SHAPES.items():
        truth_N = truth(points)
        costs = [{s: float(b) for s in range(1, 11)} for b in sizes]
        exact = front_statistics(
            {"accuracy": [{1: v} for v in truth_N], "support_bytes": costs}, objectives, corner
        ).hypervolume
        for seeds, deviations, shared in settings():
            hits, width = [], []
            for _ in range(studies):
                samples = by_seed(draw(Made(truth_N, seeds, deviations, shared), rng))
                found = front_statistics({"accuracy": samples, "support_bytes": costs}, objectives, corner, draws=2)
                hits.append(found.low <= exact <= found.high)
                width.append(found.high - found.low)
            rows.append([shape, seeds, deviations, shared, percent(hits), f"{np.median(width):.1f}", f"{exact:.0f}"])
    return table(["points", "n", "deviations", "shared", "coverage", "median width", "truth"], rows)


def probabilities(studies: int, rng: np.random.Generator, points: int = 8) -> str:
    """Of points that were told to be on the front with so much probability, how many are on the true one."""
    objectives = {"accuracy": "max", "support_bytes": "min"}
    costs = [dict.fromkeys(range(1, 11), 10.0 ** (3 + 0.5 * i)) for i in range(points)]
    edges, corner, rows = [0.0, 0.05, 0.25, 0.75, 0.95, 1.0001], np.array([0.0, 9.0]), []
    for seeds in SEEDS:
        told, true = [], []
        for _ in range(studies):
            truth_N = 55.0 + 0.5 * rng.standard_normal(points)
            samples = by_seed(draw(Made(truth_N, seeds, "spread", 0.5), rng))
            found = front_statistics({"accuracy": samples, "support_bytes": costs}, objectives, corner, draws=400)
            told += found.probability_N[1:].tolist()
            true += (truth_N[1:] > np.maximum.accumulate(truth_N)[:-1]).tolist()
        place = np.digitize(told, edges) - 1
        rows.append([seeds, *(f"{percent(np.array(true)[place == i])} ({(place == i).sum():,})" for i in range(5))])
    return table(["n", "told 0-5 %", "5-25 %", "25-75 %", "75-95 %", "95-100 %"], rows)


def power(k: np.ndarray, point: float, c: float) -> np.ndarray:
    return 60.0 - TOLERANCE * (k / point) ** -c


def exponential(k: np.ndarray, point: float, c: float) -> np.ndarray:
    return 60.0 - TOLERANCE * np.exp(-c * (k - point))


FOUR, EIGHT = (50.0, 200.0, 400.0, 600.0), (10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)
CURVES: tuple[tuple[tuple[float, ...], Callable, float, float], ...] = (
    (FOUR, power, 1600.0, 0.6), (FOUR, power, 400.0, 1.0), (FOUR, power, 300.0, 1.5), (FOUR, exponential, 300.0, 0.01),
    (FOUR, exponential, 900.0, 0.004), (EIGHT, power, 900.0, 0.6), (EIGHT, exponential, 260.0, 1 / 90),
)  # fmt: skip


def saturations(studies: int, rng: np.random.Generator) -> str:
    """What is said of the saturation point: true or refused, by law and seeds."""
    rows = []
    for sizes, law, point, c in CURVES:
        for seeds, deviations in ((2, "equal"), (3, "equal"), (5, "equal"), (5, "spread"), (10, "equal")):
            sizes_K = np.array(sizes)
            made = Made(law(sizes_K, point, c), seeds, deviations, 0.5)
            hits, own, named, none = [], [], 0, 0
            for _ in range(studies):
                found = saturation(sizes_K, draw(made, rng))
                hits.append(holds(found.low, found.high, point, sizes) or np.isnan(found.low))
                mine = next(one for one in found.laws if one.law == law.__name__)
                own.append(holds(mine.low, mine.high, point, sizes))
                named, none = named + found.named, none + bool(np.isnan(found.low))
            rows.append([f"{law.__name__}, {point:,.0f}", len(sizes), seeds, deviations, percent(own), percent(hits),
                         f"{100 * named / studies:.1f}", f"{100 * none / studies:.1f}"])  # fmt: skip
    head = ["true law and point", "sizes", "n", "deviations", "the true law's set holds it",
            "what is said of both is true, or nothing is", "a point is named", "neither law fits"]  # fmt: skip
    return table(head, rows)


def holds(low: float, high: float, point: float, sizes: tuple[float, ...]) -> bool:
    """Whether the truth is in a set whose ends outside the sizes tried mean `anywhere there`."""
    return (low <= point or low < sizes[0]) and (point <= high or high > sizes[-1])


def ranks(studies: int, rng: np.random.Generator) -> str:
    """Kendall's tau and Spearman's rho of normal pairs."""
    rows = []
    for correlation in (0.0, 0.5, 0.9):
        tau, rho = 2 / np.pi * np.arcsin(correlation), 6 / np.pi * np.arcsin(correlation / 2)
        for n in (5, 8, 12, 24):
            hits = []
            for _ in range(studies):
                first, noise = rng.standard_normal((2, n))
                found = agreement(first, correlation * first + np.sqrt(1 - correlation**2) * noise)
                hits.append((found.tau_low <= tau <= found.tau_high, found.rho_low <= rho <= found.rho_high))
            rows.append([correlation, n, percent(np.array(hits)[:, 0]), percent(np.array(hits)[:, 1])])
    return table(["correlation of the scores", "n", "tau", "rho"], rows)


TABLES: dict[str, tuple[str, Callable[[int, np.random.Generator], str]]] = {
    "means": ("Means of points (8 points)", means),
    "costs": ("Means of measured costs (8 points)", costs),
    "choices": ("`Prototypes add at best`: the best of 6 points over one without", choices),
    "on_par": ("`The smallest set with at least 99 %`: of 6 sets, in ratio to the queue", on_par),
    "volumes": ("Hypervolume (8 points, 0 B to 100 MB)", volumes),
    "probabilities": ("Probability of being on the front: share truly on it, of so many points", probabilities),
    "saturation": ("Saturation over k", saturations),
    "ranks": ("Rank agreement (Fisher's z, approximate)", ranks),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="made-up studies per cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(TABLES), help="which tables, comma between")
    args = parser.parse_args()
    parts = []
    for number, name in enumerate(args.only.split(","), 1):
        title, make = TABLES[name]
        print(f"{number} of {len(args.only.split(','))}: {title} ...", flush=True)
        start = time.perf_counter()
        made = make(args.studies, np.random.default_rng((args.seed, list(TABLES).index(name))))
        print(f"{made}\n({time.perf_counter() - start:.0f} s)", flush=True)
        parts.append(f"## {title}\n\n{made}\n")
    head = (
        "# Coverage of the report's 95 % intervals in made-up studies\n\n"
        f"{environment(('numpy', 'scipy', 'pandas'))}\n- {args.studies:,} studies per cell, seed {args.seed}; a run's "
        f"deviation is {DEVIATION} points; `shared`: the seed's share of the variance; made by `benchmarks.coverage`\n"
    )
    print(f"written: {write_result('coverage', head + chr(10) + chr(10).join(parts))}")


if __name__ == "__main__":
    main()
