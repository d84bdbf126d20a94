"""What a study will do, printed before anything is trained: `--plan`, and the head of every run."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from study.cost import MARGIN, Cost, Need, Plan, make_plan
from study.record import learning
from study.search.scheduling import pauses
from study.settings import space
from study.settings.baselines import named_baseline
from study.settings.config import RangeSpec, StudyConfig
from study.settings.loading import Loaded
from trainables.settings import edge, own_code
from trainables.settings.changes import Change
from trainables.settings.presets import PRESETS
from trainables.vocabulary.metrics_and_objectives import OBJECTIVES
from trainables.vocabulary.parts import SCHEDULERS
from trainables.vocabulary.stages_and_statuses import BEST
from trainables.wording import bytes_in_words, counted, seconds_in_words, value_in_words

PIPE_WIDTH = 120


def _hours(hours: float) -> str:
    return seconds_in_words(3600 * hours)


def spec_text(spec: Any) -> str:
    """A parameter's choices or range."""
    if isinstance(spec, RangeSpec):
        return f"{spec.low:g} to {spec.high:g}" + (", log-uniform" if spec.log else "")
    return ", ".join(str(choice) for choice in spec)


def render(plan: Plan, console: Console) -> None:
    """Print the plan."""
    study = plan.loaded.study
    title = f"{plan.loaded.name_on_disk}" + (" (a rehearsal)" if plan.loaded.rehearsal else "")
    console.print(Text.assemble((title, "bold"), f"  {study.question}"), highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in _facts(plan):
        table.add_row(Text(name, "cyan"), Text(value))
    console.print(table)
    _render_space(study, console)
    _render_changes("preset", f"what preset '{study.preset}' changes", _preset_rows(study), console)
    if plan.loaded.changes:
        _render_changes("changed", "what the rehearsal and --set change", plan.loaded.changes, console)


def _facts(plan: Plan) -> Iterable[tuple[str, str]]:
    study, cost = plan.loaded.study, plan.cost
    shown = ", ".join(map(str, plan.rungs)) or "none"
    yield "data", "\n".join(_data_lines(study, plan.sizes))
    if own := own_code.names_in(study.model_dump()):
        yield "your own", ", ".join(f"{setting} {name}" for setting, name in own.items())
    yield "arms", ", ".join(map(str, space.methods_of(study)))
    yield "objectives", ", ".join(f"{name} {mode}" for name, mode in study.objectives.items())
    if study.wanted_limits:
        yield "wanted", _wanted_text(study)
    yield "search", f"{study.search.trials} trials ({study.search.sampler}), {len(study.baselines)} of them baselines"
    for folder in study.search.learn_from:
        yield "learned", _learned_text(folder, plan)
    yield "rungs", f"{shown} of {study.train.epochs} epochs ({study.scheduler.name})"
    if pauses(study.scheduler):
        yield "paused", _paused_text(study.scheduler.max_paused, plan.concurrent)
    yield "confirm", _confirm_text(plan)
    seeds = f"search {study.search.seed}, trials {study.seed}, confirm {', '.join(map(str, study.confirm.seeds))}"
    if plan.ablate_trials:
        yield "ablate", _ablate_text(plan)
        seeds += f", ablate {', '.join(map(str, study.ablate.seeds or study.confirm.seeds))}"
    yield "seeds", seeds
    searched = f"search about {plan.expected_epochs} (at worst {plan.worst_epochs})"
    if study.scheduler.name in SCHEDULERS.loaded:
        searched = f"search at most {plan.worst_epochs} (what a scheduler of your own spares is not foretold)"
    ablated = f", ablate up to {plan.ablate_epochs}" if plan.ablate_trials else ""
    yield "epochs", f"{searched}, confirm up to {plan.confirm_epochs}{ablated}"
    yield "device", f"{plan.device}, {plan.concurrent} trials at once"
    timed = f"{_range_text(plan)}, at worst {_hours(MARGIN * plan.hours[1])} ({_measured_text(cost)})"
    yield "time", f"not known: this machine has no GPU; on its CPU {timed}" if plan.foreign else timed
    for need in plan.needs:
        yield "budget", _budget_text(need)
        if need.total < math.inf and need.limit < need.total:
            yield "ends early", _shortage(need, study)
    yield "memory", f"about {bytes_in_words(cost.memory_bytes)} a trial" + (" (on a CPU)" if plan.foreign else "")
    for line in plan.too_large:
        yield "does not fit", f"{line}; such a trial ends out_of_memory"
    yield "disk", _disk_text(plan)
    yield "results", str(plan.folder)


def _wanted_text(study: StudyConfig) -> str:
    """The region, and who seeks it."""
    sides = {"max": "at least", "min": "at most"}
    told = [
        f"{name} {sides[study.objectives[name]]} {value_in_words(limit, OBJECTIVES[name])}"
        for name, limit in study.wanted_limits.items()
    ]
    seeking = [f"sampler {study.search.sampler}"] * (study.search.sampler == "front")
    seeking += [f"scheduler {study.scheduler.name}"] * (study.scheduler.name == "promote")
    who = (
        f"sought by {' and '.join(seeking)}"
        if seeking
        else ("the search does not seek it (sampler: front and scheduler: promote do)")
    )
    return f"{', '.join(told)}; {who}; points within it are confirmed before any other"


def _learned_text(folder: str, plan: Plan) -> str:
    """What there is to learn of an earlier study, and what is left out for which reason."""
    note = next((one.note for one in plan.learned if one.note["folder"] == folder), None)
    if note is None:
        return f"{folder} is not there"
    unread = "" if hasattr(plan.sizes, "fingerprint") else ", if its data are the same, which have not been read yet"
    first = (
        f"{counted(note['learned'], 'trial')} of {folder} count beside the {plan.loaded.study.search.trials}{unread}"
    )
    return "\n".join([first, *learning.left_out(note)])


def _disk_text(plan: Plan) -> str:
    usual, most = (bytes_in_words(size) for size in (plan.expected_disk_bytes, plan.disk_bytes))
    return f"about {usual}, at most {most} (if every trial ends with a checkpoint of the largest method)"


def _range_text(plan: Plan) -> str:
    """Hours that are expected, from those of an idle machine to those of one as crowded as it is now."""
    low, high = map(_hours, plan.hours_range)
    return f"about {low}" if low == high else f"{low} to {high}"


def _measured_text(cost: Cost) -> str:
    """What an epoch takes, and how that is known."""
    objective = OBJECTIVES["epoch_s"]
    idle, now = (value_in_words(value, objective) for value in (cost.idle().epoch_s, cost.epoch_s))
    epoch = now if idle == now else f"{idle} idle, {now} now"
    known = "timed now on this machine"
    if cost.epochs:
        known = f"{'partly ' if cost.partly else ''}measured on this machine in {cost.epochs:,} epochs of earlier runs"
    busy = "" if cost.load is None else f", load {cost.load:.1f} on {os.cpu_count()} cores"
    return f"{epoch} an epoch, {known}{busy}"


def _paused_text(most: int, concurrent: int) -> str:
    """How many trials wait at most: those that are trained when the bound is reached may pause too."""
    text = f"at most {most} trials wait at a rung, each with a checkpoint (scheduler.max_paused)"
    return text if concurrent == 1 else f"{text}, and up to {concurrent - 1} more with {concurrent} at a time"


def _amount(name: str, value: float) -> str:
    return f"{math.ceil(value):,} epochs" if name == "epochs" else _hours(value)


def _budget_text(need: Need) -> str:
    """A budget beside the estimate."""
    limit = f"budget.{need.name} {need.limit:,g}"
    if need.total == math.inf:
        return f"{limit}; not known whether that is enough"
    search, total = (_amount(need.name, value) for value in (need.search, need.total))
    return f"{limit}; expected: {search} to the end of the search, {total} in all"


def _shortage(need: Need, study: StudyConfig) -> str:
    """Where a budget ends the study, and the way out."""
    enough = math.ceil(need.total) if need.name == "epochs" else math.ceil(need.total * 100) / 100
    way = f"budget.{need.name}={enough} would do; or lower search.trials or train.epochs"
    if not study.confirm.enabled:
        return f"in the search stage: {way}"
    way += " or confirm.max_points"
    if need.limit >= need.confirmed:
        return f"in the ablate stage, if it takes all its trainings: {way}"
    if study.budget.reserve_for_confirm:
        confirming = need.confirmed - need.search
        kept = f"up to {_amount(need.name, confirming)}, which confirming takes"
        if need.limit > confirming:
            return f"the search, to keep {kept} (budget.reserve_for_confirm): {way}"
        return (
            f"the search, after its first completed trials, as it is less than {kept}; not all may be confirmed: {way}"
        )
    if need.limit <= need.search:
        return f"in the search stage, before anything is confirmed on test: {way}"
    return f"in the confirm stage, if it takes all {study.confirm.max_points} points: {way}"


def _data_lines(study: StudyConfig, found: Any) -> list[str]:
    """Classes and images a split, and what was converted or left out where the data have been read."""
    from trainables.data.dataset import Dataset, counts_line
    from trainables.data.sources import source_of

    if isinstance(found, Dataset):
        return found.lines()
    counts = {"train": found.train, "validation": found.validation, "test": source_of(study.data).count("test")}
    return [counts_line(found.num_classes, counts)]


def _confirm_text(plan: Plan) -> str:
    confirm = plan.loaded.study.confirm
    if not confirm.enabled:
        return "no"
    whose = "a model expects" if confirm.choose == "model" else "the search measured"
    methods, front = space.methods_of(plan.loaded.study), f"of the front that {whose}"
    most = counted(confirm.max_points, "point")
    if space.confirms_per_method(plan.loaded.study):
        front = f"in all, of each method's own front that {whose}, in turns ({', '.join(map(str, methods))})"
        if confirm.max_points < len(methods):
            front += f"; too few for all methods, confirm.max_points={len(methods)} has one for each"
    beside = "; beside them every baseline" if plan.loaded.study.baselines else ""
    seeds = counted(len(confirm.seeds), "seed")
    return (
        f"up to {plan.confirm_trials} trainings, {seeds} of each point, with offline evaluation on test: "
        f"at most {most} {front}{beside}"
    )


def _ablate_text(plan: Plan) -> str:
    study = plan.loaded.study
    start = space.label(named_baseline(study, study.ablate.start))
    end = "the most accurate point" if study.ablate.to == BEST else study.ablate.to
    tested = ", then offline evaluation on test" if study.confirm.enabled else ""
    seeds = len(study.ablate.seeds or study.confirm.seeds)
    return (
        f"up to {plan.ablate_trials} trainings: from {start} to {end}, one parameter at a time in the order that a "
        f"model expects most of, {seeds} seeds each{tested}; what is confirmed is not trained again"
    )


def _render_space(study: StudyConfig, console: Console) -> None:
    table = Table(title="search space", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("parameter", "values", "applies to", "setting"):
        table.add_column(column)
    for name, parameter in space.PARAMETERS.items():
        if name not in study.space:
            continue
        arms = [m for m in space.methods_of(study) if m in parameter.methods]
        where = "all" if len(arms) == len(space.methods_of(study)) else ", ".join(arms)
        needs = "".join(
            f" if {n} is {' or '.join(map(str, v))}" for n, v in parameter.requires.items() if n in study.space
        )
        table.add_row(*map(Text, (name, spec_text(study.space[name]), where + needs, parameter.path)))
    console.print(table)


def _preset_rows(study: StudyConfig) -> list[Change]:
    """What the preset sets, its default, and what holds in this study, which may search or overrule it."""
    plain = StudyConfig(name="defaults", space={})
    defaults, own = (edge.flatten(s.model_dump(mode="json")) for s in (plain, study))
    searched = {space.PARAMETERS[name].path for name in study.space}
    rows = []
    for name, value in PRESETS[study.preset].items():
        if defaults.get(name) == value:
            continue
        now = _short(own.get(name)) + (f" (the preset: {_short(value)})" if own.get(name) != value else "")
        rows.append((name, defaults.get(name), f"searched; else {now}" if name in searched else now))
    return rows


def _render_changes(kind: str, title: str, rows: Iterable[Change], console: Console) -> None:
    rows = [row for row in rows if row[1] != row[2]]
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("setting", "before" if kind == "changed" else "default", "now"):
        table.add_column(column, overflow="fold")
    for name, before, after in rows:
        table.add_row(*map(Text, (name, _short(before), _short(after))))
    console.print(table)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(space.label(v) if isinstance(v, dict) else str(v) for v in value)
    return "-" if value is None else str(value)


def announce_rehearsal(real: Loaded, *, out: Path | str = "results") -> None:
    """Say why the study is not run but rehearsed: what it would take on this machine, which has no GPU."""
    print("No GPU here: timing a few training steps of the real study ...", flush=True)
    print(
        f"The real study would take {_range_text(make_plan(real, out=out))} on this machine, so this is its rehearsal, "
        f"on embedded data (--device cpu runs the real one).",
        flush=True,
    )


def show(
    loaded: Loaded,
    *,
    out: Path | str = "results",
    address: str | None = None,
    run_next: bool = True,
    ablates: bool = False,
) -> None:
    """Make the plan and print it on standard output.

    address: of a Ray cluster, whose GPUs count instead of this machine's. ablates: whether --stage ablate is asked for,
    which needs a baseline. run_next: a run follows, so data that are
    neither there nor downloadable are refused; otherwise, where the data's sizes are known without them, a line says
    that they are missing, and no server is asked. Raises UserError for a device or data that the plan needs.
    """
    from trainables.data.dataset import check_available
    from trainables.data.sources import source_of

    if ablates:
        named_baseline(loaded.study, loaded.study.ablate.start)
    data = loaded.study.data
    source = source_of(data)
    if not run_next and source.shape is not None:
        if missing := source.missing():
            print(f"Data: {missing}", flush=True)
    else:
        check_available(data, test=loaded.study.confirm.enabled)
    if not (address and loaded.study.device.startswith("cuda")):
        from trainables.devices import pick_device

        pick_device(loaded.study.device)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    render(make_plan(loaded, out=out, address=address, ablates=ablates), console)
