"""A study as frozen pydantic models: one YAML file = data + run settings + search space + search + stages + report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, create_model, field_validator, model_validator

from trainables.settings.config import RunSections
from trainables.settings.fields import (
    MOST,
    Amount,
    Epochs,
    Folder,
    Named,
    Ratio,
    Section,
    Seed,
    Trials,
    Unit,
    check_unit,
    checked_by,
)
from trainables.vocabulary.metrics_and_objectives import OBJECTIVES
from trainables.vocabulary.parts import FIGURES, SAMPLERS, SCHEDULERS, TRACKERS
from trainables.vocabulary.stages_and_statuses import BEST


class RangeSpec(Section):
    """A numeric range of the search space."""

    low: Ratio
    """Smallest value, in the setting's own unit."""
    high: Ratio
    """Largest value."""
    log: bool = False
    """Draw on a logarithmic scale."""
    step: Ratio | None = Field(None, gt=0)
    """Only `low` and multiples of this above it (default: any value; whole numbers where the setting is one)."""
    grid: Annotated[int, Unit("points")] = Field(4, ge=2, le=1000)
    """Points taken from the range by sampler: grid."""

    @model_validator(mode="before")
    @classmethod
    def _no_choices(cls, value: Any) -> Any:
        if isinstance(value, dict) and "choices" in value:
            raise ValueError("choices are written as a plain list, for example [50, 400]; a mapping is a range")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> RangeSpec:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be positive when log is true")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        return self


Bound = Annotated[Amount | None, Unit("the objective's unit; bytes, times and % may carry theirs, as 1MB, 2min, 55%")]

PAUSING = "promote"
"""The scheduler of the house whose trials pause at rungs (`study.search.turns`)."""


def is_pausing(scheduler: str) -> bool:
    """Whether trials pause under the scheduler of that name."""
    return scheduler == PAUSING or hasattr(SCHEDULERS.loaded.get(scheduler), "next_action")


def _kind_of_spec(value: Any) -> str:
    return "choices" if isinstance(value, list | tuple) else "range"


SpaceSpec = Annotated[
    Annotated[RangeSpec, Tag("range")] | Annotated[tuple[Any, ...], Tag("choices")], Discriminator(_kind_of_spec)
]


class WantedSpec(Section):
    """How far an objective may be from its best to be wanted; a bound stands on its worse side."""

    max: Bound = None
    """Of an objective of which less is better: the most that is wanted."""
    min: Bound = None
    """Of an objective of which more is better, such as accuracy: the least that is wanted."""


class SearchConfig(Section):
    """The search stage: short trials, validation accuracy only."""

    sampler: Annotated[str, Named(SAMPLERS, SAMPLERS.house)] = "tpe"
    """What proposes points. front: the largest expected gain of hypervolume, support bytes known, accuracy modelled;
    one of your own: an entry point's name, or `module:Class` (docs/extending.md)."""
    options: Annotated[dict[str, Any], checked_by(SAMPLERS, "sampler")] = {}
    """Of a sampler of your own, by its class."""
    trials: Trials = Field(64, ge=1, le=MOST)
    """Trials that the search stage begins, baselines included. Where they pause (scheduler: promote) the search ends
    when all have begun and at least as many epochs have gone to finishing some as to beginning them."""
    startup_trials: Trials = Field(10, ge=0, le=MOST)
    """tpe, front: random trials before the model is used (front: at most 6)."""
    seed: Seed = 0
    """Seed of the sampler."""
    learn_from: Annotated[tuple[Folder, ...], Field(max_length=100)] = ()
    """Results folders of earlier studies: their trials that compare with this study's (data, settings, budget, score,
    objectives) count as observations and are not trained again, at no cost of `trials` or of a budget."""


class SchedulerConfig(Section):
    """Which trials of the search end, or wait, before their full budget."""

    name: Annotated[str, Named(SCHEDULERS, SCHEDULERS.house)] = "asha"
    """pareto_asha ranks by all objectives, asha and hyperband by accuracy, none stops nobody.
    promote: trials pause at rungs, and go on from there where that promises most (`study.search.promotion`). One of
    your own: an entry point's name, or `module:Class` (docs/extending.md)."""
    options: Annotated[dict[str, Any], checked_by(SCHEDULERS)] = {}
    """Of a scheduler of your own, by its class."""
    grace_period: Epochs = Field(10, ge=1, le=MOST)
    """Epochs before a trial may be stopped or paused: the first rung."""
    max_paused: Trials = Field(100, ge=1, le=MOST)
    """promote, one of your own: most trials that wait at a rung, each with a checkpoint on disk; then one of them goes
    on first."""
    reduction_factor: Annotated[int, Unit("ratio")] = Field(3, ge=2, le=MOST)
    """At each rung the best 1/reduction_factor go on."""
    keep_front: bool = True
    """pareto_asha: so does every trial that no other dominates; false: exactly 1/reduction_factor (MO-ASHA's rule)."""


class ConfirmConfig(Section):
    """The confirm stage: the front's points and the baselines, trained again to the full budget and tested."""

    enabled: bool = True
    """Whether there is a confirm stage: the only one that reads test data."""
    seeds: Annotated[tuple[Seed, ...], Field(max_length=1000)] = (1, 2, 3)
    """Each point is trained once with each of them; three or more give an interval worth its name."""
    epochs: Epochs | None = Field(None, ge=1, le=MOST)
    """Full budget of the confirm stage (default: train.epochs)."""
    choose: Literal["observed", "model"] = "observed"
    """The front whose points are re-trained: of what the search measured, or of what a model expects of its trials."""
    per_method: bool | None = None
    """Confirm points of each method's own front, so that a question about one method is answered whichever wins; false:
    of the one front over all. None: where the study has several methods."""
    max_points: Annotated[int, Unit("points")] = Field(8, ge=1, le=MOST)
    """Most points of the search front that are re-trained, or of all methods' fronts together, which then take turns;
    baselines come on top."""
    linear_epochs: Epochs = Field(90, ge=1, le=MOST)
    """Epochs of the offline linear evaluation on test."""


class _AblateConfig(Section):
    """The stage that `--stage ablate` runs: from a baseline to a point of the front, one parameter at a time."""

    to: Annotated[str, Field(max_length=200)] = BEST
    """The point that it leads to: best (the most accurate one on validation, of the confirmed points if there are any,
    else of the search), or one of the search's trials by its id or its label."""
    seeds: Annotated[tuple[Seed, ...] | None, Field(max_length=1000)] = None
    """Each step is trained once with each of them (default: confirm.seeds)."""

    @property
    def start(self) -> str | None:
        """`from`, which is a word of Python."""
        found: str | None = getattr(self, "from")
        return found


_FROM = (
    "The baseline that it begins at: its label, as declared or whole, or its method if no other has it (default: the "
    "first one of `baselines`)."
)
if TYPE_CHECKING:
    AblateConfig = _AblateConfig
else:
    AblateConfig = create_model(
        "AblateConfig",
        __base__=_AblateConfig,
        __module__=__name__,
        __doc__=_AblateConfig.__doc__,
        **{"from": (Annotated[str | None, Field(max_length=200)], Field(None, description=_FROM))},
    )


class ResourcesConfig(Section):
    """What a trial gets of the machine."""

    cpu: Annotated[float | None, Unit("cores")] = Field(None, gt=0, le=MOST)
    """CPU cores per trial (default: 1 without GPU; cores / trials per GPU with one)."""
    gpu: Annotated[float | None, Unit("GPUs")] = Field(None, ge=0)
    """GPUs per trial; a fraction packs trials on a GPU (default: 1 on a GPU, 0 on a CPU)."""
    max_concurrent: Trials | None = Field(None, ge=1, le=MOST)
    """Most trials at a time (default: as many as fit); 1 makes a study repeatable."""
    reuse_actors: bool = True
    """Train the next trial in the same process, which saves the seconds of a start."""
    max_failures: Annotated[int, Unit("restarts")] = Field(2, ge=0, le=MOST)
    """Restarts of a trial whose process died."""


class BudgetConfig(Section):
    """The study stops cleanly at the first budget reached, with its report made. null: no limit."""

    wall_clock_h: Annotated[float | None, Unit("h")] = Field(None, gt=0)
    """Hours of wall-clock time, over all resumes."""
    epochs: Epochs | None = Field(None, ge=1, le=10**12)
    """Epochs of all trials together."""
    gpu_hours: Annotated[float | None, Unit("GPU h")] = Field(None, gt=0)
    """Hours that trials hold a GPU, times the share they hold: set-up, restoring and offline evaluation count."""
    reserve_for_confirm: bool = True
    """Keep what the confirm stage will take: the search ends as soon as the rest of a budget is no more than that, but
    not before a trial has completed; false: the search may use up all of it."""


class TrackingConfig(Section):
    """Who else is told of every epoch; the results folder is always written."""

    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online when logged in, offline otherwise."""
    project: str = "kmclr-study"
    """The project's name in Weights & Biases."""
    tensorboard: bool = False
    """Write event files for TensorBoard to the results folder."""
    tracker: Annotated[str | None, Named(TRACKERS)] = None
    """A tracker of your own: an entry point's name, or `module:Class` (docs/extending.md)."""
    options: Annotated[dict[str, Any], checked_by(TRACKERS, "tracker")] = {}
    """Of a tracker of your own, by its class."""
    prometheus: bool = False
    """The study's gauges and Ray's own on the nodes' metrics ports, which ask for no token (docs/security.md)."""


class ReportConfig(Section):
    """The report that follows the study."""

    figures: Annotated[tuple[Annotated[str, Named(FIGURES)], ...], Field(max_length=100)] = ()
    """Figures of your own beside those of the house and the installed ones: `module:function` (docs/extending.md)."""


class StudyConfig(RunSections):
    """One study. `space` maps parameter names (study.settings.space.PARAMETERS) to a list of choices or a range."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    """The results folder's name below --out; letters, digits, `.`, `_` and `-`."""
    question: str = ""
    """What the study answers, in a sentence; the report's heading."""
    space: dict[str, SpaceSpec]
    """What is searched: a parameter's name -> a list of choices, or a range."""
    baselines: tuple[dict[str, Any], ...] = ()
    """Points always measured, before any other; what one leaves out is taken from the study's own sections."""
    objectives: dict[str, Literal["max", "min"]] = {"accuracy": "max", "support_bytes": "min"}
    """What the front is made of, each with its sense: `accuracy: max` first, then any of the others."""
    wanted: dict[str, WantedSpec] = {}
    """The region of the objectives that is cared for, `{support_bytes: {max: 1MB}, accuracy: {min: 55}}`: sampler front
    and scheduler promote count gains within it alone, points within it are confirmed before any other, and the report
    speaks of it first. Accuracy is that of validation in the search and that of test in the report. Other samplers and
    schedulers search as without it."""
    search: SearchConfig = SearchConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    confirm: ConfirmConfig = ConfirmConfig()
    ablate: AblateConfig = AblateConfig()
    resources: ResourcesConfig = ResourcesConfig()
    budget: BudgetConfig = BudgetConfig()
    tracking: TrackingConfig = TrackingConfig()
    report: ReportConfig = ReportConfig()
    rehearsal: dict[str, Any] = {}
    """What --rehearse changes: a partial study, merged over this one."""

    @field_validator("wanted", mode="before")
    @classmethod
    def _units_fit(cls, value: Any) -> Any:
        for name, bounds in value.items() if isinstance(value, dict) else ():
            for bound in bounds.values() if isinstance(bounds, dict) and name in OBJECTIVES else ():
                check_unit(bound, OBJECTIVES[name].unit)
        return value

    @property
    def wanted_limits(self) -> dict[str, float]:
        """Objective -> the worst value that is wanted."""
        bounds = {name: spec.min if spec.max is None else spec.max for name, spec in self.wanted.items()}
        return {name: float(bound) for name, bound in bounds.items() if bound is not None}
