"""What a study will do and cost, before anything is trained: `--plan`, and the head of every run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from study import cost as estimates
from study.search.rungs import make_rungs
from study.settings import loading, space
from study.settings.config import RangeSpec, StudyConfig
from study.settings.loading import Loaded
from trainables.settings import edge
from trainables.settings.presets import PRESETS
from trainables.vocabulary import OBJECTIVES
from trainables.wording import bytes_in_words, seconds_in_words, value_in_words

PIPE_WIDTH = 120


@dataclass(frozen=True)
class Cost:
    """What one run of a study costs on this machine, from a short timed probe; seconds and bytes."""

    epoch_s: float
    memory_bytes: int
    checkpoint_bytes: int


@dataclass(frozen=True)
class Plan:
    """Everything `--plan` prints. Epochs are counted over all trials; hours assume `concurrent` trials at once."""

    loaded: Loaded
    folder: Path
    device: str
    concurrent: int
    rungs: tuple[int, ...]
    worst_epochs: int
    expected_epochs: int
    confirm_trials: int
    confirm_epochs: int
    cost: Cost
    data_bytes: int
    foreign: bool = False
    """Trials train on a cluster's GPUs and this machine has none, so `cost` is what its CPU would take."""

    @property
    def hours(self) -> tuple[float, float]:
        """Wall hours of both stages as expected, and at worst, if nobody is stopped."""
        trials = self.loaded.study.search.trials + self.confirm_trials
        expected, worst = (
            estimates.wall_hours(epochs + self.confirm_epochs, trials, self.cost.epoch_s, self.concurrent)
            for epochs in (self.expected_epochs, self.worst_epochs)
        )
        return expected, worst

    @property
    def disk_bytes(self) -> int:
        """Checkpoints kept at the end and while running, and the decoded data."""
        trials = self.loaded.study.search.trials + self.confirm_trials + 2 * self.concurrent
        return trials * self.cost.checkpoint_bytes + self.data_bytes


def has_gpu() -> bool:
    """Whether PyTorch sees a CUDA device."""
    from trainables.devices import pick_device

    return pick_device("auto").type == "cuda"


def data_sizes(study: StudyConfig) -> Any:
    """Shape and counts of the data without reading it where they are known; own data are read (and cached)."""
    from trainables.data.dataset import load_dataset
    from trainables.pretrain import Sizes

    known = {"cifar10": (10, 50_000), "cifar100": (100, 50_000)}
    if study.data.name in known and study.data.image_size is None:
        classes, images = known[study.data.name]
        held_out = study.data.validation_per_class * classes
        return Sizes(3, 32, classes, min(study.data.train_limit or images, images - held_out), held_out)
    return load_dataset(study.data)


def measure(study: StudyConfig, sizes: Any, on_cpu: bool = False) -> Cost:
    """Time a few training steps of a middling point on this machine (a few seconds); on_cpu: whatever its device."""
    from trainables.pretrain import estimate

    method = "kmclr" if "kmclr" in space.methods_of(study) else space.methods_of(study)[0]
    run = space.to_run(study, space.complete_point(study, {"method": method}), seed=0)
    if on_cpu:
        run = run.model_copy(update={"train": run.train.model_copy(update={"compile": "none"})})
    found = estimate(run, sizes, device="cpu" if on_cpu else None)
    return Cost(found.epoch_s, found.peak_memory_bytes, found.checkpoint_bytes)


def _image_bytes(sizes: Any) -> int:
    count = getattr(sizes, "sizes", None)
    images = sum(v or 0 for v in count.values()) if count else sizes.train + sizes.validation
    return images * sizes.channels * sizes.image_size**2


def _share(study: StudyConfig, address: str | None) -> Any:
    """What a trial takes of the cluster at `address` (its GPUs count, not this machine's), or of this machine."""
    from study.tune import session

    if address:
        on_gpu = None if study.device == "auto" else study.device.startswith("cuda")
        return session.look(address, study.resources, on_gpu=on_gpu)
    on_gpu = study.device.startswith("cuda") or (study.device == "auto" and has_gpu())
    cores, gpus = os.cpu_count() or 1, _gpu_count() if on_gpu else 0
    return session.share(study.resources, cores=cores, gpus=gpus, on_gpu=on_gpu)


def make_plan(loaded: Loaded, *, out: Path | str = "results", address: str | None = None) -> Plan:
    """The plan of a study on this machine, or on the cluster at `address`.

    Takes a few seconds: it times some training steps, here in either case. Raises ValueError if no trial fits, or if no
    cluster answers.
    """
    study = loaded.study
    share = _share(study, address)
    on_gpu = bool(share.gpu) if address else study.device.startswith("cuda") or (study.device == "auto" and has_gpu())
    foreign = bool(address) and on_gpu and not has_gpu()
    rungs = make_rungs(study.scheduler, study.objectives, study.train.epochs)
    epochs = rungs.epochs if rungs else ()
    points = study.confirm.max_points + len(study.baselines) if study.confirm.enabled else 0
    confirm_trials = points * len(study.confirm.seeds)
    sizes = data_sizes(study)
    return Plan(
        loaded=loaded,
        folder=Path(out) / loaded.name_on_disk,
        device="cuda" if on_gpu else "cpu",
        concurrent=share.concurrent,
        rungs=epochs,
        worst_epochs=study.search.trials * study.train.epochs,
        expected_epochs=estimates.expected_epochs(study),
        confirm_trials=confirm_trials,
        confirm_epochs=confirm_trials * (study.confirm.epochs or study.train.epochs),
        cost=measure(study, sizes, foreign),
        data_bytes=_image_bytes(sizes),
        foreign=foreign,
    )


def _gpu_count() -> int:
    from study.record.manifest import gpus

    return max(1, len(gpus()))


# --- printing ---


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
    console.print(f"[bold]{title}[/]  {study.question}", highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in _facts(plan):
        table.add_row(f"[cyan]{name}[/]", value)
    console.print(table)
    _render_space(study, console)
    _render_changes("preset", f"what preset '{study.preset}' changes", _preset_rows(study), console)
    if plan.loaded.changes:
        _render_changes("changed", "what the rehearsal and --set change", plan.loaded.changes, console)


def _facts(plan: Plan) -> Iterable[tuple[str, str]]:
    study, cost = plan.loaded.study, plan.cost
    low, high = (_hours(h) for h in plan.hours)
    shown = ", ".join(map(str, plan.rungs)) or "none"
    yield "arms", ", ".join(map(str, space.methods_of(study)))
    yield "objectives", ", ".join(f"{name} {mode}" for name, mode in study.objectives.items())
    yield "search", f"{study.search.trials} trials ({study.search.sampler}), {len(study.baselines)} of them baselines"
    yield "rungs", f"{shown} of {study.train.epochs} epochs ({study.scheduler.name})"
    yield "confirm", _confirm_text(plan)
    yield (
        "seeds",
        f"search {study.search.seed}, trials {study.seed}, confirm {', '.join(map(str, study.confirm.seeds))}",
    )
    searched = f"search about {plan.expected_epochs} (at worst {plan.worst_epochs})"
    yield "epochs", f"{searched}, confirm up to {plan.confirm_epochs}"
    yield "device", f"{plan.device}, {plan.concurrent} trials at once"
    epoch = value_in_words(cost.epoch_s, OBJECTIVES["epoch_s"])
    timed = f"about {low}, at worst {high} ({epoch} an epoch, timed now on this machine"
    yield "time", f"not known: this machine has no GPU; on its CPU {timed})" if plan.foreign else f"{timed})"
    yield "memory", f"about {bytes_in_words(cost.memory_bytes)} a trial" + (" (on a CPU)" if plan.foreign else "")
    yield "disk", f"about {bytes_in_words(plan.disk_bytes)} at most"
    yield "results", str(plan.folder)


def _confirm_text(plan: Plan) -> str:
    confirm = plan.loaded.study.confirm
    if not confirm.enabled:
        return "no"
    return (
        f"up to {plan.confirm_trials} trainings: at most {confirm.max_points} front points and the baselines, "
        f"{len(confirm.seeds)} seeds each, then offline evaluation on test"
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
        table.add_row(name, spec_text(study.space[name]), where + needs, parameter.path)
    console.print(table)


def _preset_rows(study: StudyConfig) -> list[loading.Change]:
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


def _render_changes(kind: str, title: str, rows: Iterable[loading.Change], console: Console) -> None:
    rows = [row for row in rows if row[1] != row[2]]
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("setting", "before" if kind == "changed" else "default", "now"):
        table.add_column(column, overflow="fold")
    for name, before, after in rows:
        table.add_row(name, _short(before), _short(after))
    console.print(table)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(space.label(v) if isinstance(v, dict) else str(v) for v in value)
    return "-" if value is None else str(value)


def announce_rehearsal(real: Loaded, *, out: Path | str = "results") -> None:
    """Say why the study is not run but rehearsed: what it would take on this machine, which has no GPU."""
    print("No GPU here: timing a few training steps of the real study ...", flush=True)
    low, high = map(_hours, make_plan(real, out=out).hours)
    print(
        f"The real study would take {low} to {high} on this machine, so this is its rehearsal, on embedded data "
        f"(--device cpu insists on the real one).",
        flush=True,
    )


def show(loaded: Loaded, *, out: Path | str = "results", address: str | None = None) -> None:
    """Make the plan and print it on standard output. Raises ValueError for a device or data that are not there.

    address: of a Ray cluster, whose GPUs count instead of this machine's.
    """
    from trainables.data.dataset import check_available
    from trainables.devices import pick_device

    if not (address and loaded.study.device.startswith("cuda")):
        pick_device(loaded.study.device)
    check_available(loaded.study.data, test=loaded.study.confirm.enabled)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    render(make_plan(loaded, out=out, address=address), console)
