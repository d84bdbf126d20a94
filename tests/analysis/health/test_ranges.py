"""The optimum at the edge of a range: which one, how sure, and which way to widen it."""

from __future__ import annotations

import pytest

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH
from analysis.health.ranges import ranges, widened
from study.settings.config import RangeSpec, StudyConfig
from study.settings.space import PARAMETERS, to_run
from tests.helpers.health_inputs import curve, search_trial, studied

LOG = {"low": 25, "high": 2000, "log": True, "step": None}


def found(values, accuracy, name="k", spec=LOG, **more):
    trials = [search_trial(i, curve(accuracy(v)), **{f"p_{name}": v}, **more) for i, v in enumerate(values)]
    return ranges(studied(*trials, study={"space": {"method": ["kmclr"], name: spec}}))


SIZES = [30, 60, 120, 250, 500, 900, 1400, 1990]


def test_an_optimum_at_the_upper_edge_is_widened_upwards():
    finding = found(SIZES, lambda k: 40 + k / 100)
    assert finding.verdict == ACT
    assert finding.sets == {"space.k.high": "6000"}  # 2000 * 80^(1/4) = 5981, rounded outwards
    assert "k: the most accurate kmclr trial (59.90 %) has 1990, at the upper edge (2000)" in finding.said[0]
    assert "of the 3 best of 8 trials 3 lie" in finding.said[0]
    assert "chance gives in 2 % of cases" in finding.said[0]  # 1 / C(8, 3) = 1.8 %: just three lie in that quarter
    assert "--set space.k.high=6000" in finding.said[0]


def test_an_optimum_at_the_lower_edge_is_widened_downwards():
    finding = found([26, *SIZES], lambda k: 60 - k / 100)
    assert finding.sets == {"space.k.low": "8"}  # 25 / 80^(1/4) = 8.4


def test_an_optimum_inside_is_fine():
    finding = found(SIZES, lambda k: 60 - abs(k - 250) / 100)
    assert (finding.verdict, dict(finding.sets)) == (FINE, {})


def test_one_lucky_trial_at_the_edge_is_watched_not_followed():
    finding = found(SIZES, lambda k: 90 if k == 1990 else 60 - k / 100)
    assert finding.verdict == WATCH
    assert dict(finding.sets) == {}
    assert "one lucky run; widening it would be --set space.k.high=6000" in finding.said[0]


def test_a_baseline_beyond_the_range_takes_the_range_to_it():
    finding = found([*SIZES, 9000], lambda k: 40 + k / 1000)
    assert "has 9000, beyond the upper edge (2000)" in finding.said[0]
    assert finding.sets == {"space.k.high": "9000"}


def test_few_trials_and_no_range_say_so():
    assert found(SIZES[:3], float).verdict == UNKNOWN
    lists = ranges(studied(search_trial(0, curve(50)), study={"space": {"method": ["kmclr", "none"]}}))
    assert lists.verdict == FINE
    assert "no range" in lists.said[0]


def test_methods_are_looked_at_one_by_one():
    trials = [search_trial(i, curve(40 + k / 100), p_k=k) for i, k in enumerate(SIZES)]
    trials += [search_trial(10 + i, curve(40), method="none", p_k=None) for i in range(6)]
    finding = ranges(studied(*trials))
    assert finding.sets == {"space.k.high": "6000"}


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("name", [n for n, p in PARAMETERS.items() if p.kind != "choice"])
def test_what_is_proposed_is_within_the_settings_own_bounds(name, upper):
    """Whatever the range, even at the bounds themselves; the study would be refused otherwise."""
    whole = PARAMETERS[name].kind == "int"
    study = StudyConfig(name="s", space={"method": ["kmclr", "nnclr"]})
    for low, high, more in (
        (1, 2, {"step": 1}), (2, 9, {}), (2, 9, {"log": True}), (3, 10, {"step": 1}),
        *([] if whole else [(0.5, 1.0, {}), (0.1, 0.9, {"log": True}), (0.0, 0.95, {}), (0.0, 1.0, {"step": 0.25})]),
    ):  # fmt: skip
        try:
            for end in (low, high):
                _run(study, name, end, whole)
        except ValueError:
            continue  # no study has this range
        end = widened(name, {"low": low, "high": high, "log": False, **more}, upper, high if upper else low, whole)
        if end is not None:
            assert end > high if upper else end < low
            RangeSpec(**{"low": low, "high": high, **more, "high" if upper else "low": end})
            _run(study, name, end, whole)


def _run(study, name, value, whole):
    method = "nnclr" if name == "queue_size" else "kmclr"
    more = {"prototype_update": "ema"} if name == "half_life" else {}
    to_run(study, {"method": method, **more, name: int(value) if whole else float(value)}, seed=0)
