"""Bounds of settings: what nobody means is refused in one short line, and what is large is planned at once."""

from __future__ import annotations

import pytest

from study import cost
from study.search import expected_epochs
from study.settings import checks
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from tests.helpers.space_helpers import study
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError, validate

STUDY = "name: s\nspace: {k: [5, 50]}\n"
SEEDS = ("seed", "data.split_seed", "search.seed", "confirm.seeds[0]")


def refused(folder, *overrides: str) -> str:
    (folder / "s.yaml").write_text(STUDY)
    with pytest.raises(ConfigError) as caught:
        load_study(folder / "s.yaml", overrides=overrides)
    assert all(len(line) < 700 for line in str(caught.value).splitlines())
    return str(caught.value)


# --- seeds ---


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "must be greater than or equal to 0, got -1"),
        (2**32, "must be less than 4294967296, got 4294967296"),
        (2**63, "must be less than 4294967296, got 9223372036854775808"),
        (2**64, "must be less than 4294967296, got 18446744073709551616"),
        (12345678901234567890, "must be less than 4294967296, got 12345678901234567890"),
        (1.5, "must be a whole number, got 1.5"),
    ],
)
def test_a_seed_is_of_32_bits(tmp_path, name: str, value: float, message: str) -> None:
    given = f"{name.removesuffix('[0]')}={[value] if name.endswith(']') else value}"
    assert f"{name} {message}" in refused(tmp_path, given)


@pytest.mark.parametrize("name", SEEDS)
def test_the_largest_seed_is_one(tmp_path, name: str) -> None:
    (tmp_path / "s.yaml").write_text(STUDY)
    value = 2**32 - 1
    given = f"{name.removesuffix('[0]')}={[value] if name.endswith(']') else value}"
    load_study(tmp_path / "s.yaml", overrides=[given])


# --- sizes ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("heads.embedding_dim=1000000000000000000", "heads.embedding_dim must be less than or equal to 65536, got 1"),
        ("heads.projector_hidden=100000", "heads.projector_hidden must be less than or equal to 65536, got 100000"),
        ("support.k=10000000000", "support.k must be less than or equal to 10000000, got 10000000000"),
        ("support.queue_size=10000000000", "support.queue_size must be less than or equal to 1000000000, got"),
        ("space.k=[10000000000]", "support.k must be less than or equal to 10000000, got 10000000000"),
        ("train.epochs=1000000000", "train.epochs must be less than or equal to 1000000, got 1000000000"),
        ("train.batch_size=1000000000", "train.batch_size must be less than or equal to 1000000, got 1000000000"),
        ("search.trials=1000000000", "search.trials must be less than or equal to 1000000, got 1000000000"),
        ("confirm.seeds=" + str(list(range(1, 1002))), "confirm.seeds must have at most 1000 items"),
        ("name=" + "x" * 5000, "name must have at most 100 characters, got 'xxx"),
        ("space.k=" + str(list(range(1, 1002))), "space.k has 1,001 choices; at most 1,000, or give a range"),
        ("space.k=" + str([1, 1] * 500), "space.k gives a choice twice: [1, 1,"),
        ("space." + "x" * 5000 + "=[1]", "is not a known parameter"),
        ("train." + "x" * 5000 + "=1", "is not a known setting"),
        ("train.epochs=" + "x" * 5000, "(5,000 characters)': train.epochs must be a whole number, got 'xxx"),
        ("device=" + "x" * 5000, "characters) is not a device of a study"),
        ("method=" + "x" * 5000, "(5,000 characters)'; allowed: 'kmclr'"),
        ("x" * 5000, "expected a.dotted.name=value"),
        ("seed=" + "9" * 400, "has 400 digits; a whole number may have 30"),
        ("optimizer.learning_rate=" + "9" * 400, "has 400 digits; a whole number may have 30"),
        ("seed=" + "[" * 100_000, "nested too deeply"),
        ("data.split_seed=!!timestamp x", "could not determine a constructor for the tag"),
    ],
)
def test_what_nobody_means_gets_a_short_line(tmp_path, given: str, message: str) -> None:
    assert message in refused(tmp_path, given)


@pytest.mark.parametrize("gpu", [1.5, 2])
def test_a_trial_takes_one_gpu_at_most(gpu: float) -> None:
    with pytest.raises(
        ConfigError, match=rf"^s\.yaml: resources\.gpu is {gpu:g}, but a trial trains on one GPU alone; "
    ):
        checks.check(study({"k": [5]}, resources={"gpu": gpu}), "s.yaml")


@pytest.mark.parametrize("gpu", [None, 0, 0.25, 1])
def test_a_gpu_or_a_share_of_it_passes(gpu: float | None) -> None:
    checks.check(study({"k": [5]}, resources={"gpu": gpu}), "s.yaml")


# --- time ---


@pytest.mark.timeout(120)  # by the number of points or trials it would be hours
def test_a_study_of_very_many_points_or_trials_is_planned_at_once() -> None:
    hundred = [i / 100 for i in range(1, 101)]
    space = {"temperature": hundred, "learning_rate": hundred, "weight_decay": hundred, "soft_temperature": hundred}
    space |= {"positives": ["soft"]}
    with pytest.raises(ConfigError, match=r"^s\.yaml: the grid of \w+ has 100,000,000 combinations; at most 100,000: "):
        checks.check(study(space, search={"sampler": "grid"}), "s.yaml")
    large = study(space, search={"trials": 1_000_000}, train={"epochs": 200})
    checks.check(large, "s.yaml")
    expected = cost.expected_epochs(large)
    assert 10_000_000 < expected < 200_000_000


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_the_trials_that_are_not_played_through_end_like_the_others(monkeypatch, name: str) -> None:
    config = StudyConfig(name="s", space={}, train={"epochs": 81}, search={"trials": 4000}, scheduler={"name": name})
    whole = cost.expected_epochs(config)
    monkeypatch.setattr(expected_epochs, "REPLAYED", 1000)
    assert cost.expected_epochs(config) == pytest.approx(whole, rel=0.05)


def test_a_trial_that_does_not_fit_in_memory_is_no_fault_of_the_program(monkeypatch) -> None:
    from trainables import estimate

    def full(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(estimate, "estimate", full)
    with pytest.raises(ValueError, match=r"a trial \(kmclr\) does not fit in the memory of this machine \(.*; lower "):
        cost.measure(study({"k": [5]}), None)


def test_sizes_of_a_run_have_the_same_bounds() -> None:
    with pytest.raises(ConfigError, match=r"r\.yaml: support\.k must be less than or equal to 10000000, got 100000000"):
        validate(RunConfig, {"support": {"k": 10**8}}, "r.yaml")
