"""What a study's trials say of points: accuracy where it was not measured, and what it would be worth.

The one uncertain objective of the search is the accuracy; objectives that follow from the settings (a support set's
bytes) are known. What is told to the model (`front.model`): a finished trial's last accuracy; an unfinished one's
foretold accuracy with its variance (`front.foretelling`); of a trial in flight without a report, what the model itself
believes, as if it had come, so that its like is not drawn. What failed says nothing but that its like may fail too.
An uncertain objective beside the accuracy (time, memory) is modelled by the last values that were seen.
Shape legend: N trials, C candidates, M objectives, U uncertain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from study.search.front.candidates import Candidate, Space, again
from study.search.front.foretelling import Line
from study.search.front.gain import Bounded, expected_gain
from study.search.front.model import Encoding, Model
from trainables import dominance
from trainables.vocabulary.metrics_and_objectives import ACCURACY, OBJECTIVES, Metric

FLOOR = 0.1
"""The box begins at this quantile of the accuracies, from the worst: what is worse counts as this bad."""
LIMIT_MARGIN = 0.05
"""Share of a known objective's range."""
SOFTNESS = 0.1
MARGIN = 0.3
"""Of the box of an arm, beyond its largest known cost, on the scale of costs: a factor of two in bytes."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(11)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
"""Of a standard normal variable."""

FINISHED, UNFINISHED, RUNNING, FAILED = "finished", "unfinished", "running", "failed"
"""Ran its whole budget; stopped or paused before; in flight; failed, or out of memory."""

Known = Callable[[Any], Mapping[str, float]]
"""Point (as the space gives it) -> values of the objectives that follow from it."""


class Seen(NamedTuple):
    """A trial as the search sees it."""

    params: Mapping[str, Any]
    state: str
    curve: Sequence[float] = ()
    """Accuracy after each epoch so far."""
    values: Mapping[str, float] = {}
    """The last values of other uncertain objectives."""


class Question(NamedTuple):
    """What is searched: see `study.settings.config.StudyConfig`."""

    space: Space
    known: Known
    objectives: Mapping[str, str]
    epochs: int
    """Full budget of a trial."""
    metrics: Mapping[str, Metric] = OBJECTIVES
    arm_of: Callable[[Any], str] | None = None
    """Point -> its arm, where each arm's own front is asked for (`confirm.per_method`); None: one front of all."""
    wanted: Mapping[str, float] = {}
    """Objective -> the worst value that is wanted: gains count within these alone."""


class Box(NamedTuple):
    """What is left to gain: the costs on a front so far [N, M], and the worst that count [M]."""

    front_NM: np.ndarray
    reference_M: np.ndarray


class Believed(NamedTuple):
    """Of candidates: scaled costs and their standard deviations [C, M] (of the accuracy: see `gain.Bounded`), and the
    chance to come through [C]; and whose front they would join."""

    mean_CM: np.ndarray
    deviation_CM: np.ndarray
    chance_C: np.ndarray
    arm_C: np.ndarray

    def __getitem__(self, index: Any) -> Believed:  # type: ignore[override]
        return Believed(*(tuple.__getitem__(self, i)[index] for i in range(4)))


class Belief:
    """Raises ValueError or LinAlgError if no model can be fitted."""

    def __init__(self, question: Question, seen: Sequence[Seen], pool: Sequence[Candidate]) -> None:
        self.question = question
        self._names = list(question.objectives)
        self._known_M = np.array([question.metrics[name].known for name in self._names])
        placed = [(one, c) for one in seen if (c := again(question.space, one.params)) is not None]
        everybody = [*pool, *(candidate for _, candidate in placed)]
        distributions = {n: d for c in everybody for n, d in c.distributions.items()}
        self._encode = Encoding(distributions, {n for n in distributions if all(n in c.params for c in everybody)})
        costs_EM = self._known_costs(everybody)
        self._span_2M = np.stack([costs_EM.min(0), costs_EM.max(0)])
        self._lines: dict[int, Line] = {}
        curves = [np.asarray(s.curve, float) for s, _ in placed if len(s.curve)]
        self.bounded = Bounded(self._names.index(ACCURACY), -100.0 - _softness(curves))
        self._curves = [self.bounded.warped(-curve) for curve in curves]
        ends = [s.state == FINISHED for s, _ in placed if len(s.curve)]
        self._finished = [curve for curve, end in zip(self._curves, ends, strict=True) if end]
        told = [(s, c) for s, c in placed if s.state != FAILED and self._tells(s)]
        rows = [self._observed(s) for s, _ in told]
        mean_NU, variance_NU = (np.array([row[i] for row in rows]).reshape(len(rows), -1) for i in (0, 1))
        if len(rows) < 2:
            raise ValueError(f"{len(rows)} trials have reported")
        floor_U = np.quantile(mean_NU, 1 - FLOOR, axis=0)
        mean_NU = np.minimum(mean_NU, floor_U)
        x_ND = self._rows([c for _, c in told])
        owner_D = self._encode.owner_D
        owner_D = np.r_[owner_D, 1 + max(owner_D, default=-1) + np.arange(int(self._known_M.sum()))]
        self._models = [Model(x_ND, y, v, owner_D) for y, v in zip(mean_NU.T, variance_NU.T, strict=True)]
        flying = [c for s, c in placed if s.state == RUNNING and not self._tells(s)]
        if flying:
            x_FD = self._rows(flying)
            for model in self._models:
                model.add(x_FD, model.predict(x_FD)[0])
        self._failing = self._fit_failing(x_ND, [c for s, c in placed if s.state == FAILED], owner_D)
        counted = [(s, c) for s, c in told if s.state == FINISHED]
        finished_NU = mean_NU[[s.state == FINISHED for s, _ in told]]
        there_NM = self._as_costs(self._costs([c for _, c in counted], finished_NU))
        bound = [c for s, c in placed if s.state == RUNNING]  # one that is being trained will be there
        there_NM = np.concatenate([there_NM, self._as_costs(self.of(bound).mean_CM)])
        worst_M = np.zeros(len(self._names))
        worst_M[~self._known_M] = floor_U
        worst_M = self._as_costs(worst_M[None])[0] + 1e-9
        self._limit_M = self._limits()
        there = [*(c for _, c in counted), *bound]
        self.boxes = self._boxes(worst_M, everybody, costs_EM, there, there_NM, self._limit_M)
        if self.question.wanted and pool and not self.gains(self.of(pool)).any():
            # no point is expected that accurate: seek the best of those whose known costs are wanted
            known_M = np.where(self._known_M, self._limit_M, np.inf)
            self.boxes = self._boxes(worst_M, everybody, costs_EM, there, there_NM, known_M)

    def _boxes(
        self,
        worst_M: np.ndarray,
        everybody: Sequence[Candidate],
        costs_EM: np.ndarray,
        there: Sequence[Candidate],
        there_NM: np.ndarray,
        limit_M: np.ndarray,
    ) -> dict[str, Box]:
        """By arm. A box ends at the largest known costs that there are; that of one arm among several a little beyond
        its own, so that an arm whose points all cost the same has something to gain. None reaches beyond what is wanted
        (limit_M, scaled), of a known cost a little, so that a point at the limit itself has its worth."""
        arm_E, arm_N = self._arms(everybody), self._arms(there)
        arms = sorted(set(arm_E))
        beyond = MARGIN if len(arms) > 1 else 1e-9
        low_M, high_M = self._span_2M
        end_M = limit_M + np.where(self._known_M, LIMIT_MARGIN * np.maximum(high_M - low_M, 1e-6), 0.0)
        wanted_N = self._is_wanted(there_NM)
        boxes = {}
        for arm in arms:
            reference_M = np.where(self._known_M, costs_EM[arm_E == arm].max(0) + beyond, worst_M)
            front_NM = there_NM[(arm_N == arm) & wanted_N]
            boxes[arm] = Box(front_NM[dominance.on_front(front_NM)], np.minimum(reference_M, end_M))
        return boxes

    def _arms(self, candidates: Sequence[Candidate]) -> np.ndarray:
        arm_of = self.question.arm_of
        return np.array(["" if arm_of is None else arm_of(c.point) for c in candidates], dtype=object)

    # --- what is wanted ---
    def _limits(self) -> np.ndarray:
        """The worst scaled costs [M] that are wanted; infinite where anything is."""
        limits_M = np.full(len(self._names), np.inf)
        for place, name in enumerate(self._names):
            if name in self.question.wanted:
                one = {name: self.question.wanted[name]}
                sense = {name: self.question.objectives[name]}
                limits_M[place] = dominance.scaled_costs(one, sense, self.question.metrics)[0]
        return limits_M

    def _is_wanted(self, costs_CM: np.ndarray) -> np.ndarray:
        """Which candidates [C] keep within the limits of the known costs."""
        within_CM = costs_CM <= self._limit_M + 1e-9
        return np.asarray(within_CM[:, self._known_M].all(1))

    # --- what a trial says ---
    def _tells(self, seen: Seen) -> bool:
        values = [*seen.curve[-1:], *(seen.values.get(n, np.nan) for n in self._uncertain if n != ACCURACY)]
        return bool(len(seen.curve)) and bool(np.isfinite(values).all())

    @property
    def _uncertain(self) -> list[str]:
        return [name for name, known in zip(self._names, self._known_M, strict=True) if not known]

    def _observed(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Scaled costs [U] of the uncertain objectives and their variances."""
        mean, variance = float(self.bounded.warped(-seen.curve[-1])), 0.0
        if seen.state != FINISHED:
            mean, variance = self.line(len(seen.curve))(mean)
        chosen = {name: self.question.objectives[name] for name in self._uncertain}
        costs_U = dominance.scaled_costs({**seen.values, ACCURACY: 0.0}, chosen, self.question.metrics)
        is_accuracy_U = np.array([name == ACCURACY for name in chosen])
        return np.where(is_accuracy_U, mean, costs_U), np.where(is_accuracy_U, variance, 0.0)

    def line(self, epoch: int) -> Line:
        """What an accuracy at this epoch foretells."""
        if epoch not in self._lines:
            here = [float(c[epoch - 1]) for c in self._curves if len(c) >= epoch]
            self._lines[epoch] = Line(epoch, self._finished, here or [float(c[-1]) for c in self._curves])
        return self._lines[epoch]

    # --- what is believed of candidates ---
    def _rows(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Coordinates: those of the parameters, and each known objective as a share of its range: what a support set's
        size does is much the same for every kind of it."""
        low_M, high_M = self._span_2M
        shares_CM = (self._known_costs(candidates) - low_M) / np.maximum(high_M - low_M, 1e-9)
        return np.hstack([self._encode([c.params for c in candidates]), shares_CM[:, self._known_M]])

    def _known_costs(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Scaled costs [C, M] of the known objectives; 0 for the others."""
        costs_CM = np.zeros((len(candidates), len(self._names)))
        chosen = {n: s for n, s in self.question.objectives.items() if self.question.metrics[n].known}
        if chosen:
            rows = [
                dominance.scaled_costs(self.question.known(c.point), chosen, self.question.metrics) for c in candidates
            ]
            costs_CM[:, self._known_M] = np.array(rows).reshape(len(candidates), len(chosen))
        return costs_CM

    def _costs(self, candidates: Sequence[Candidate], uncertain_CU: np.ndarray) -> np.ndarray:
        costs_CM = self._known_costs(candidates)
        costs_CM[:, ~self._known_M] = uncertain_CU
        return costs_CM

    def _as_costs(self, mean_CM: np.ndarray) -> np.ndarray:
        costs_CM = mean_CM.copy()
        costs_CM[:, self.bounded.place] = self.bounded.cost(mean_CM[:, self.bounded.place])
        return costs_CM

    def of(self, candidates: Sequence[Candidate]) -> Believed:
        x_CD = self._rows(candidates)
        means, deviations = zip(*(model.predict(x_CD) for model in self._models), strict=True)
        deviation_CM = np.zeros((len(candidates), len(self._names)))
        deviation_CM[:, ~self._known_M] = np.stack(deviations, 1)
        chance_C = np.ones(len(candidates))
        if self._failing is not None:
            chance_C = np.clip(1.0 - self._failing.predict(x_CD)[0], 0.0, 1.0)
        return Believed(self._costs(candidates, np.stack(means, 1)), deviation_CM, chance_C, self._arms(candidates))

    def _fit_failing(self, x_ND: np.ndarray, failed: list[Candidate], owner_D: np.ndarray) -> Model | None:
        """1 for trials that failed and 0 for those that came through."""
        if not failed:
            return None
        x = np.concatenate([x_ND, self._rows(failed)])
        y = np.r_[np.zeros(len(x_ND)), np.ones(len(failed))]
        return Model(x, y, np.zeros(len(y)), owner_D)

    # --- what it would be worth ---
    def gains(self, believed: Believed) -> np.ndarray:
        """Expected gain of hypervolume [C] of training candidates to the end."""
        return np.asarray(self._gain(believed.mean_CM, believed.deviation_CM, believed.arm_C) * believed.chance_C)

    def _gain(self, mean_CM: np.ndarray, deviation_CM: np.ndarray, arm_C: np.ndarray) -> np.ndarray:
        gain_C = np.zeros(len(mean_CM))
        for arm, box in self.boxes.items():
            own_C = arm_C == arm
            gain_C[own_C] = expected_gain(mean_CM[own_C], deviation_CM[own_C], *box, self.bounded)
        return np.where(self._is_wanted(mean_CM), gain_C, 0.0) if self.question.wanted else gain_C

    def rates(self, believed: Believed, epoch: int, rungs: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Gain per epoch [C] of candidates that have been trained for `epoch` epochs (0: not begun), and the epoch [C]
        to train to for it: a rung, where it is decided anew, or the end.

        The best ratio of expected gain to expected epochs over rules of the form "to the rung, and on from there if
        the gain foretold then is large enough" (the reservation value of a box that costs something to open; Weitzman
        1979, "Optimal search for the best alternative").
        """
        end = self.question.epochs
        rate_C = self.gains(believed) / max(end - epoch, 1)
        until_C = np.full(len(rate_C), end)
        place = self._names.index(ACCURACY)
        variance_C = believed.deviation_CM[:, place] ** 2
        told = 1.0 / self.line(epoch).error if epoch else 0.0
        for rung in rungs:
            if not epoch < rung < end:
                continue
            news = max(1.0 / self.line(rung).error - told, 1e-12)
            left_C = 1.0 / (1.0 / np.maximum(variance_C, 1e-12) + news)
            moved_C = np.sqrt(np.maximum(variance_C - left_C, 0.0))
            gain_KC = np.zeros((len(NODES), len(rate_C)))
            deviation_CM = believed.deviation_CM.copy()
            deviation_CM[:, place] = np.sqrt(left_C)
            for k, node in enumerate(NODES):
                mean_CM = believed.mean_CM.copy()
                mean_CM[:, place] += node * moved_C
                gain_KC[k] = self._gain(mean_CM, deviation_CM, believed.arm_C)
            order_KC = np.argsort(-gain_KC, axis=0, kind="stable")
            weight_KC = WEIGHTS[order_KC]
            hoped_KC = np.cumsum(weight_KC * np.take_along_axis(gain_KC, order_KC, 0), 0) * believed.chance_C
            spent_KC = (rung - epoch) + (end - rung) * np.cumsum(weight_KC, 0)
            best_C = (hoped_KC / spent_KC).max(0)
            until_C = np.where(best_C > rate_C * (1 + 1e-9), rung, until_C)
            rate_C = np.maximum(rate_C, best_C)
        return rate_C, until_C


def _softness(curves: Sequence[np.ndarray]) -> float:
    """What is added to an error before its logarithm is taken, %: differences much smaller than the trials' own spread
    do not count."""
    last_N = np.array([curve[-1] for curve in curves if np.isfinite(curve[-1])])
    if len(last_N) < 2:
        return 1.0
    return max(SOFTNESS * float(last_N.max() - np.quantile(last_N, FLOOR)), 1e-3)
