"""What the search believed and what confirming moved, in sentences, as a table, and as a command to go on with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pandas as pd

from analysis.figure_data.belief_info import belief_of, moved_info
from analysis.figure_data.common import NotEnough
from analysis.figures.style import rehearsal_label
from analysis.report.history import code_folder, commands, script_folder, with_path
from analysis.report.tables import Table
from analysis.results.front import AXES, costs_in_words
from analysis.results.load import Results
from analysis.text import few_note, joined, n_cell, number, short_name, with_interval
from study import schema
from study.schema import wording


def sentences(results: Results) -> list[str]:
    """What is worth trying next, and what confirming moved; empty where neither is known."""
    return [said for said in (_next(results), _moved(results)) if said]


# --- what is worth trying next ---
def _next(results: Results) -> str:
    try:
        found = belief_of(results)
    except NotEnough as reason:
        return f"There is {reason}." if results.belief else ""
    told = sum(trial["observed"] is not None for trial in found["trials"])
    others = sum(trial["trial_id"] in set(results.learned.get("trial_id", ())) for trial in found["trials"])
    of_others = f" ({others} of them of earlier studies)" if others else ""
    head = f"After {told} trials with a report{of_others} the model of the search"
    ahead = found.get("next")
    if ahead is None:
        return f"{head} expects no new point to gain anything."
    band = ahead["believed"]
    costs = costs_in_words(ahead["costs"], [name for name in results.costs if name in ahead["costs"]])
    share = f" ({100 * ahead['share']:.2g} % of the front's)" if "share" in ahead else ""
    return (
        f"{head} expects most of {ahead['label']}, a new point of {costs}: "
        f"{number(band['accuracy'])} % [{number(band['low_95'])}, {number(band['high_95'])}] (median and 95 % band of "
        f"its expected validation accuracy), an expected gain of {ahead['gain']:.2g} in hypervolume{share}."
    )


def command(results: Results) -> str | None:
    """A line for a shell that trains the point that is worth trying next; None if there is none."""
    path = results.folder / schema.NEXT_FILE
    if results.belief is None or "next" not in results.belief or not path.is_file():
        return None
    python = "python" if commands(results.manifest)[-1].startswith("python") else "uv run python"
    out = f"runs/{results.folder.resolve().name}-next"
    allowed = " --allow-code" * any(
        ":" in name for name in results.manifest.get(schema.OWN, {}).get("parts", {}).values()
    )
    line = f"{python} -m trainables.pretrain {shlex.quote(str(path))}{allowed} --out {shlex.quote(out)}"
    return with_path(line, script_folder(commands(results.manifest)[-1]), code_folder(results))


# --- what confirming moved ---
def _moved(results: Results) -> str:
    try:
        table = moved_info(results)
    except NotEnough:
        return ""
    done = table[table["n"] > 0]
    taken = done[~done["baseline"].astype(bool)]
    parts = []
    for group, who in ((taken, "chosen"), (done[done["baseline"].astype(bool)], "declared as baselines")):
        if len(group):
            parts.append(f"the {len(group)} point{'s' * (len(group) != 1)} {who} {_by(group['moved'].mean())}")
    said = f"Confirming moved the validation accuracy of {' and of '.join(parts)} in the mean"
    known = taken[taken["accuracy"].notna()]
    if len(known):
        off = (known["mean"] - known["accuracy"]).mean()
        said += f"; what the model had expected of those chosen it missed {_by(off)}"
    return f"{said}.{_choices(results, table)}"


def _by(moved: float) -> str:
    return f"by {moved:+.2f} percentage points".replace("-", "−")


def _choices(results: Results, table: pd.DataFrame) -> str:
    if table[["by_observed", "by_model"]].isna().any(axis=None):
        return ""
    observed, model = table["by_observed"].astype(bool), table["by_model"].astype(bool)
    confirm = results.study.get("confirm")
    name = confirm.get("choose", "observed") if isinstance(confirm, dict) else "observed"
    chosen = f" Points were chosen by confirm.choose: {wording.shorten(str(name))}."
    if (observed == model).all():
        return f"{chosen} Both choices, observed and model, take the same points."
    alone = (("observed", observed & ~model), ("model", model & ~observed))
    parts = [f"{who} alone takes {_labels(table[mask])}" for who, mask in alone if mask.any()]
    return f"{chosen} Of the two choices {'; '.join(parts)}."


def _labels(rows: pd.DataFrame) -> str:
    return joined([short_name(str(label)) for label in rows["label"]])


def moved_table(results: Results) -> Table | None:
    """The search's value of each point, what the model expected, the confirmed mean and by how much it moved; None if
    nothing was confirmed."""
    try:
        data = moved_info(results)
    except NotEnough:
        return None
    rows = pd.DataFrame(
        {
            "Point": data["label"],
            **{AXES[c].title: [wording.value_in_words(v, AXES[c]) for v in data[c]] for c in results.costs},
            "Search (%)": [number(v) for v in data["searched"]],
            "Model (%)": [with_interval(*v) for v in data[["accuracy", "low_95", "high_95"]].to_numpy(float)],
            "Confirmed (%)": [with_interval(*v) for v in data[["mean", "low", "high"]].to_numpy(float)],
            "n": [n_cell(n) if n else "–" for n in data["n"]],
            "Moved": [f"{v:+.2f}".replace("-", "−") if v == v else "–" for v in data["moved"]],
            "Chosen by": _chosen_by(data),
        }
    )
    confirmed = [n for n in data["n"] if n]
    caption = (
        "Validation accuracy, the metric of the search, of every point that was confirmed or that one of the two "
        "choices takes. Search: one run. Model: median [95 % band] of what it expected. Confirmed: mean [95 % "
        "interval] over new seeds. Moved: confirmed minus search, in percentage points."
    )
    caption += _budgets(results) + few_note(confirmed)
    spare = ("Chosen by", "Search (%)")
    return Table("moved", "What confirming moved", caption, rows, data, rehearsal_label([results]), spare)


def _chosen_by(data: pd.DataFrame) -> Sequence[str]:
    cells = []
    for row in data.itertuples():
        names = [name for name in ("observed", "model") if getattr(row, f"by_{name}")]
        cells.append(joined(names) or ("baseline" if row.baseline else "–"))
    return cells


def _budgets(results: Results) -> str:
    """That search and confirm stage train for different numbers of epochs, where they do."""
    searched, confirmed = (results.stage(stage)["max_epochs"].max() for stage in (schema.SEARCH, schema.CONFIRM))
    return "" if searched == confirmed else f" The search trains {searched} epochs and the confirm stage {confirmed}."
