"""All figures of a report. A new one is named here; the order is that of the page, the front first."""

from __future__ import annotations

from analysis.figures import (
    ablation,
    attainment,
    belief,
    by_method,
    fronts,
    offline,
    optuna,
    prototypes,
    search,
    space,
    training,
    tuning,
)
from analysis.figures.figure import Maker

MAKERS: tuple[Maker, ...] = (
    fronts.front,
    by_method.front_by_method,
    attainment.seed_attainment,
    attainment.study_attainment,
    fronts.search_front,
    belief.believed_accuracy,
    belief.believed_front,
    belief.confirm_moved,
    ablation.ablation,
    offline.offline_accuracy,
    optuna.parameter_importance,
    optuna.parallel_coordinates,
    prototypes.prototype_stills,
    prototypes.prototype_animation,
    search.rung_survival,
    search.hypervolume_over_time,
    search.rank_agreement,
    tuning.tuning_curves,
    space.accuracy_vs_k,
    space.temperature_map,
    training.accuracy_per_epoch,
    training.acc5_per_epoch,
    training.forgetting_interval,
    training.support_diagnostics,
)
