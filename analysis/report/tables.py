"""Tables for a paper: what stands in them, as text and as numbers; `table_formats` writes them."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from analysis.figures.style import rehearsal_label
from analysis.results import notes, points, published
from analysis.results.front import AXES, front_of, names_of
from analysis.results.intervals import compared
from analysis.results.load import Results
from analysis.text import few_note, n_cell, number, seeds_in_words, whole, with_interval
from study import schema
from study.schema import wording


class Table(NamedTuple):
    """rows: what people read (strings); data: the same in numbers, for the CSV file."""

    name: str
    title: str
    caption: str
    rows: pd.DataFrame
    data: pd.DataFrame
    label: str | None
    """The rehearsal label, or None."""
    spare: tuple[str, ...] = ()
    """Columns that a narrow page may do without, the first of them first."""


# --- tables ---


def front_table(results: Results) -> Table | None:
    """Every confirmed point, by rising cost, and whether it is on the front; of a search the front alone.

    None if no trial has finished.
    """
    found = front_of(results)
    if found is None:
        return None
    confirmed = found.score.stage == schema.CONFIRM
    shown = found.points if confirmed else found.points[found.points["on_front"]]
    vectors = shown["vectors"] if "vectors" in shown else shown["trial_id"].map(_vectors(results))
    low, high = (shown[c] if c in shown else [math.nan] * len(shown) for c in ("low", "high"))
    rows = pd.DataFrame(
        {
            "Point": shown["label"],
            "Vectors": [whole(v) for v in vectors],
            **{AXES[c].title: [wording.value_in_words(v, AXES[c]) for v in shown[c]] for c in results.costs},
            found.score.title: [with_interval(*v) for v in zip(shown["y"], low, high, strict=True)],
            "n": [n_cell(n) for n in shown["n"]],
        }
    )
    if confirmed:
        own = "of its method" if shown["method"].nunique() > 1 else "–"
        rows["On front"] = [
            "yes" if on else own if on_own else "–"
            for on, on_own in zip(shown["on_front"], shown["on_own_front"], strict=True)
        ]
    if origins := set(shown.get("origin", [])) - {""}:
        rows["First tried in"] = [origin or "this study" for origin in shown["origin"]]
    if shown["p_front"].notna().any():
        rows["Probability"] = [number(p, 2) for p in shown["p_front"]]
    caption = f"{found.score.title} against {names_of(results.costs)}, {seeds_in_words(shown['n'])}."
    if shown["n"].max() > 1:
        own = "; of its method: the same among its points alone" if found.points["method"].nunique() > 1 else ""
        caption += (
            f" Brackets: {notes.interval_words(shown['values'])}. On front: {_on_front(results)}{own}. Probability: "
            "share of draws of the means in which the point is on the front."
        )
    else:
        caption += " Single runs: no intervals."
    caption += notes.sampling_note(results, found.score.column, shown["y"]) + notes.momentum_note([results])
    caption += few_note(shown["n"])
    caption += notes.learned_note(results) * bool(origins)
    data = points.for_csv(found.points)
    title = "Confirmed points and the Pareto front" if confirmed else "Pareto front of the search"
    spare = ("Vectors", "Probability")
    return Table("front", title, caption, rows, data, rehearsal_label([results]), spare)


def _on_front(results: Results) -> str:
    if [results.objectives[name] for name in results.costs] == ["min"]:
        return "no other mean is better at the same or lower cost"
    return f"no other point's means are as good in accuracy, {names_of(results.costs)} and better in one of them"


def _vectors(results: Results) -> dict[str, float]:
    trials = results.observed
    return dict(zip(trials["trial_id"], trials["support_vectors"], strict=True))


def offline_table(results: Results) -> Table | None:
    """Offline acc@1 and acc@5 on test with intervals, beside published values where they are of the same data."""
    done = points.finished(results, schema.CONFIRM)
    if not len(done) or done["test_acc1"].isna().all():
        return None
    first = points.confirmed(results, "test_acc1")
    fifth = points.confirmed(results, "test_acc5").set_index("point")
    data = first.rename(columns={"y": "acc1", "low": "acc1_low", "high": "acc1_high"}).drop(
        columns=["how", "values", *(f"{c}_{end}" for c in results.costs for end in ("values", "low", "high"))]
    )
    for name, column in (("acc5", "y"), ("acc5_low", "low"), ("acc5_high", "high")):
        data[name] = data["point"].map(fifth[column])
    beside = published.is_published_setting(results)
    known = published.beside(data, results)
    for name in known:
        data[f"published_{name}"] = known[name]
    rows = pd.DataFrame(
        {
            "Point": data["label"],
            "Vectors": [whole(v) for v in data["vectors"]],
            "Acc@1 (%)": [with_interval(*v) for v in data[["acc1", "acc1_low", "acc1_high"]].to_numpy()],
            "Acc@5 (%)": [with_interval(*v) for v in data[["acc5", "acc5_low", "acc5_high"]].to_numpy()],
            "n": [n_cell(n) for n in data["n"]],
        }
    )
    if "origin" in data and (data["origin"] != "").any():
        rows["First tried in"] = [origin or "this study" for origin in data["origin"]]
    caption = f"Offline linear evaluation on test: mean over seeds, {seeds_in_words(data['n'])}."
    if data["n"].max() > 1:
        caption += f" Brackets: {notes.interval_words(first['values'])}."
    caption += notes.sampling_note(results, "test_acc1", [*data["acc1"], *data["acc5"].dropna()])
    if beside:
        rows["Published acc@1"] = [number(v) for v in data["published_acc1"]]
        rows["Published acc@5"] = [number(v) for v in data["published_acc5"]]
        caption += f" {published.SOURCE}; epochs and recipe may differ from this study's."
    else:
        caption += " The published numbers are of CIFAR-100 and are not comparable, so they are left out."
    caption += few_note(data["n"])
    return Table("offline", "Offline evaluation", caption, rows, data, rehearsal_label([results]), ("Vectors",))


def paired_table(results: Results) -> Table | None:
    """Each confirmed point minus the reference (the largest queue, else the best point) at equal seeds."""
    score = points.confirm_score(results)
    if score is None:
        return None
    table = points.confirmed(results, score.column)
    reference = reference_point(table)
    if len(table) < 2 or len(reference["values"]) < 2:
        return None
    others = table[table["point"] != reference["point"]]
    count = len(others)
    found = compared(dict(zip(others["point"], others["values"], strict=True)), reference["values"],
                     choices=count if is_given(table) else count * (count + 1) // 2)  # fmt: skip
    paired = [dict.fromkeys(set(v) & set(reference["values"]), 0.0) for v in others["values"]]
    data = pd.DataFrame(
        [(r.method, r.label, *found[r.point][:4]) for r in others.itertuples()],
        columns=["method", "label", "difference", "low", "high", "n"],
    )
    data.insert(2, "reference", reference["label"])
    shown = pd.DataFrame(
        {
            "Point": data["label"],
            "Difference (percentage points)": [
                with_interval(*v) for v in data[["difference", "low", "high"]].to_numpy(float)
            ],
            "n pairs": [n_cell(n) for n in data["n"]],
        }
    )
    chosen = "" if is_given(table) else ", and that the best point was chosen to compare with"
    caption = (
        f"{score.title} minus that of {reference['label']}, paired at equal seeds. Brackets, of the differences: "
        f"{notes.interval_words(paired, 'intervals')}. Corrected for there being {count} "
        f"comparison{'s' * (count != 1)}{chosen} (Bonferroni): together the intervals hold with 95 %."
        f"{few_note(data['n'])}"
    )
    return Table("paired", "Paired comparisons", caption, shown, data, rehearsal_label([results]))


def reference_point(table: pd.DataFrame) -> pd.Series:
    """Of confirmed points: the queue that holds the most vectors (a baseline if there is one), else the best point."""
    queues = _reference_queues(table)
    return queues.sort_values(["vectors", "y"]).iloc[-1] if len(queues) else table.loc[table["y"].idxmax()]


def _reference_queues(table: pd.DataFrame) -> pd.DataFrame:
    queues = points.with_support(table, "queue")
    queues = queues[queues["baseline"]] if queues["baseline"].any() else queues
    return queues[queues["vectors"] == queues["vectors"].max()] if queues["vectors"].notna().any() else queues


def is_given(table: pd.DataFrame) -> bool:
    """Whether the reference was not chosen by its accuracy among several points."""
    return len(_reference_queues(table)) == 1 or len(table) == 1


def failed_table(results: Results) -> Table | None:
    """Trials that ended by themselves, with their error; None if there are none."""
    data = results.trials[~results.trials["status"].isin([schema.COMPLETED, schema.STOPPED])]
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
            "Error": [wording.shorten(e) if isinstance(e, str) else "–" for e in data["error"]],
        }
    )
    return Table("failed", "Trials that did not finish", "", rows, data, rehearsal_label([results]))
