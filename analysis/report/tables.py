"""Tables for a paper: what stands in them, as text and as numbers; `table_formats` writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import pandas as pd

from analysis.figures.pareto import cost_in_words
from analysis.figures.style import rehearsal_label
from analysis.results import points
from analysis.results.intervals import paired_difference
from analysis.results.load import Results
from study import schema

PUBLISHED_SOURCE = (
    "Published: M. Rossini, Beyond Single Instance Positives For Contrastive Visual Representation Learning; "
    "CIFAR-100, ResNet-18, offline linear evaluation on test, one seed each"
)


class Table(NamedTuple):
    """rows: what people read (strings); data: the same in numbers, for the CSV file."""

    name: str
    title: str
    caption: str
    rows: pd.DataFrame
    data: pd.DataFrame
    label: str | None
    """The rehearsal label, or None."""


def published() -> pd.DataFrame:
    """The original study's results: model, method, k, queue_size, forget_every, acc1, acc5 (%), vectors, note."""
    source = resources.files("analysis.report") / "published.csv"
    with resources.as_file(source) as path:
        return pd.read_csv(path, keep_default_na=True)


# --- numbers as text ---


def number(value: float, digits: int = 2) -> str:
    """Fixed digits; an en dash for NaN."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def whole(value: float) -> str:
    """`98,304`; an en dash for NaN."""
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def with_interval(mean: float, low: float, high: float, digits: int = 2) -> str:
    """`57.20 [56.90, 57.50]`, without brackets where there is no interval."""
    if not math.isfinite(low):
        return number(mean, digits)
    return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"


def seeds_in_words(counts: Sequence[int]) -> str:
    """`n = 3 seeds`, `n = 2 to 3 seeds`."""
    low, high = min(counts), max(counts)
    return f"n = {low} seed{'s' * (low != 1)}" if low == high else f"n = {low} to {high} seeds"


# --- tables ---


def front_table(results: Results, x: str = "support_bytes") -> Table | None:
    """Every confirmed point, by rising cost, and whether it is on the front; of a search the front alone.

    None if no trial has finished.
    """
    found = points.front_of(results, x)
    if found is None:
        return None
    confirmed = found.score.stage == points.CONFIRM
    shown = found.points if confirmed else found.points[found.points["on_front"]]
    vectors = shown["vectors"] if "vectors" in shown else shown["trial_id"].map(_vectors(results))
    low, high = (shown[c] if c in shown else [math.nan] * len(shown) for c in ("low", "high"))
    rows = pd.DataFrame(
        {
            "Point": shown["label"],
            "Vectors": [whole(v) for v in vectors],
            found.axis.title: [cost_in_words(v, found.axis) for v in shown[x]],
            found.score.title: [with_interval(*v) for v in zip(shown["y"], low, high, strict=True)],
            "n": shown["n"],
        }
    )
    if confirmed:
        rows["On front"] = ["yes" if on else "–" for on in shown["on_front"]]
    if shown["p_front"].notna().any():
        rows["Probability"] = [number(p, 2) for p in shown["p_front"]]
    caption = f"{found.score.title} against {found.axis.title.lower()}, {seeds_in_words(shown['n'])}."
    if shown["n"].max() > 1:
        caption += (
            " Brackets: 95 % interval of the mean over seeds. On front: no other mean is better at the same or lower "
            "cost. Probability: share of resampled means in which the point is on the front."
        )
    else:
        caption += " Single runs: no intervals."
    data = points.for_csv(found.points)
    title = "Confirmed points and the Pareto front" if confirmed else "Pareto front of the search"
    return Table("front", title, caption, rows, data, rehearsal_label([results]))


def _vectors(results: Results) -> dict[str, float]:
    return dict(zip(results.trials["trial_id"], results.trials["support_vectors"], strict=True))


def is_published_setting(results: Results) -> bool:
    """Whether the published numbers are of this data: the whole of CIFAR-100 at 32 pixels, in a real study."""
    data = results.manifest["data"] if isinstance(results.manifest["data"], dict) else {}
    sizes = (data.get("classes"), data.get("test"), data.get("image_size"))
    return not results.rehearsal and sizes == (100, 10000, 32)


def _published_for(row: Any, table: pd.DataFrame) -> tuple[float, float, str]:
    match = table[table["method"] == row.method]
    for name in ("k", "queue_size", "forget_every"):
        value = getattr(row, f"p_{name}", None)
        if value is not None and not pd.isna(value):
            match = match[match[name] == value]
        elif match[name].notna().any() and name != "forget_every":
            return math.nan, math.nan, ""
    return (math.nan, math.nan, "") if match.empty else tuple(match.iloc[0][["acc1", "acc5", "model"]])


def offline_table(results: Results) -> Table | None:
    """Offline acc@1 and acc@5 on test with intervals, beside published values where they are of the same data."""
    done = points.finished(results, points.CONFIRM)
    if not len(done) or done["test_acc1"].isna().all():
        return None
    first = points.confirmed(results, "test_acc1")
    fifth = points.confirmed(results, "test_acc5").set_index("point")
    data = first.rename(columns={"y": "acc1", "low": "acc1_low", "high": "acc1_high"}).drop(
        columns=["how", "values", "x_values", "x_low", "x_high"]
    )
    for name, column in (("acc5", "y"), ("acc5_low", "low"), ("acc5_high", "high")):
        data[name] = data["point"].map(fifth[column])
    beside = is_published_setting(results)
    known = [_published_for(row, published()) if beside else (math.nan, math.nan, "") for row in data.itertuples()]
    data["published_acc1"], data["published_acc5"] = [v[0] for v in known], [v[1] for v in known]
    data["published_model"] = [v[2] for v in known]
    rows = pd.DataFrame(
        {
            "Point": data["label"],
            "Vectors": [whole(v) for v in data["vectors"]],
            "Acc@1 (%)": [with_interval(*v) for v in data[["acc1", "acc1_low", "acc1_high"]].to_numpy()],
            "Acc@5 (%)": [with_interval(*v) for v in data[["acc5", "acc5_low", "acc5_high"]].to_numpy()],
            "n": data["n"],
        }
    )
    caption = f"Offline linear evaluation on test: mean [95 % interval], {seeds_in_words(data['n'])}."
    if beside:
        rows["Published acc@1"] = [number(v) for v in data["published_acc1"]]
        rows["Published acc@5"] = [number(v) for v in data["published_acc5"]]
        caption += f" {PUBLISHED_SOURCE}; epochs and recipe may differ from this study's."
    else:
        caption += " The published numbers are of CIFAR-100 and are not comparable, so they are left out."
    return Table("offline", "Offline evaluation", caption, rows, data, rehearsal_label([results]))


def paired_table(results: Results) -> Table | None:
    """Each confirmed point minus the reference (the largest queue, else the best point) at equal seeds."""
    score = points.confirm_score(results)
    if score is None:
        return None
    table = points.confirmed(results, score.column)
    reference = reference_point(table)
    if len(table) < 2 or len(reference["values"]) < 2:
        return None
    rows = []
    for row in table.itertuples():
        if row.point == reference["point"]:
            continue
        found = paired_difference(row.values, reference["values"])
        rows.append((row.method, row.label, found.mean, found.low, found.high, found.n))
    data = pd.DataFrame(rows, columns=["method", "label", "difference", "low", "high", "n"])
    data.insert(2, "reference", reference["label"])
    shown = pd.DataFrame(
        {
            "Point": data["label"],
            "Difference (percentage points)": [
                with_interval(*v) for v in data[["difference", "low", "high"]].to_numpy(float)
            ],
            "n pairs": data["n"],
        }
    )
    caption = (
        f"{score.title} minus that of {reference['label']}, paired at equal seeds: mean [95 % interval of the paired "
        f"difference]. Not corrected for the number of comparisons ({len(data)})."
    )
    return Table("paired", "Paired comparisons", caption, shown, data, rehearsal_label([results]))


def reference_point(table: pd.DataFrame) -> pd.Series:
    """Of confirmed points: the queue that holds the most vectors (a baseline if there is one), else the best point."""
    queues = table[table["method"] == "nnclr"]
    queues = queues[queues["baseline"]] if queues["baseline"].any() else queues
    if len(queues):
        return queues.sort_values(["vectors", "y"]).iloc[-1]
    return table.loc[table["y"].idxmax()]


def failed_table(results: Results) -> Table | None:
    """Trials that ended by themselves, with their error; None if there are none."""
    bad = (schema.FAILED, schema.DIVERGED, schema.OUT_OF_MEMORY, schema.TIMED_OUT, schema.INTERRUPTED)
    data = results.trials[results.trials["status"].isin(bad)]
    data = data[["trial_id", "stage", "label", "seed", "status", "epochs", "max_epochs", "error"]]
    if not len(data):
        return None
    rows = pd.DataFrame(
        {
            "Trial": data["trial_id"],
            "Point": data["label"],
            "Seed": data["seed"],
            "Status": data["status"].str.replace("_", " "),
            "Epochs": [f"{a} of {b}" for a, b in zip(data["epochs"], data["max_epochs"], strict=True)],
            "Error": [e if isinstance(e, str) else "–" for e in data["error"]],
        }
    )
    return Table("failed", "Trials that did not finish", "", rows, data, rehearsal_label([results]))
