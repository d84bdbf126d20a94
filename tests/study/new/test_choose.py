"""Time, images and classes -> settings."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.new import choose
from study.new.choice import Choice, Seen, run_sections, study_sections
from study.new.choose import LADDER, Speed
from study.settings import checks
from study.settings.config import StudyConfig
from trainables.settings import edge
from trainables.settings.config import RunConfig

DIGITS = Seen({"name": "image_folder", "root": "x"}, 10, 480, 46, 120, (8, 8), grey=True)
CIFAR = Seen({"name": "parquet", "root": "x"}, 100, 50_000, 500, 10_000, (32, 32), grey=False)
PHOTOS = Seen({"name": "image_folder", "root": "x"}, 3, 90_000, 20_000, 900, (200, 640), grey=False)
CPU = Speed(images=400, epoch_s=0.4, test_s=1.0, at_once=2)


def chosen(seen: Seen, minutes: float, speed: Speed, on_gpu: bool = False) -> Choice:
    found = choose.choose(seen, minutes, choose.networks(seen, on_gpu)[0], speed)
    assert found is not None
    return found


def as_study(choice: Choice) -> StudyConfig:
    study = edge.validate(StudyConfig, {"name": "x", **study_sections(choice)}, "x")
    checks.check(study, "x")
    return study


@given(
    classes=st.integers(2, 300),
    per_class=st.integers(3, 3000),
    skew=st.integers(0, 5000),
    side=st.integers(4, 2000),
    grey=st.booleans(),
    on_gpu=st.booleans(),
    minutes=st.floats(0.5, 10_000),
    images_a_second=st.floats(10, 1e6),
)
def test_what_is_chosen_is_a_study_and_a_run_that_fit(
    classes, per_class, skew, side, grey, on_gpu, minutes, images_a_second
):
    seen = Seen({"name": "digits"}, classes, classes * per_class + skew, per_class, 100, (side, side), grey)
    for network in choose.networks(seen, on_gpu):
        images = choose.draft(seen, network).train
        speed = Speed(images, images / images_a_second, 1.0, 2)
        if (found := choose.choose(seen, minutes, network, speed)) is not None:
            study = as_study(found)
            assert found.seconds <= 60 * minutes
            assert 0 < found.train <= found.seen.images - found.validation
            assert study.space["k"].high <= max(2 * study.space["k"].low, found.train / 4)
            assert study.confirm.enabled
        else:
            assert choose.least_minutes(seen, network, speed) > 0.8 * minutes
        if (run := choose.choose_run(seen, minutes, network, speed)) is not None:
            edge.validate(RunConfig, {"method": "kmclr", **run_sections(run)}, "x")
            assert run.seconds <= 60 * minutes


def test_more_time_is_a_larger_study_and_all_of_it_is_used_until_nothing_is_left_to_wish():
    found = [chosen(DIGITS, minutes, CPU) for minutes in (3, 10, 60, 1000)]
    trained = [c.epochs * (c.trials + c.seeds * (c.points + choose.BASELINES)) for c in found]
    assert trained == sorted(set(trained))
    assert found[-1].trials == LADDER[-1].trials
    assert all(0.5 * 60 * c.minutes < c.seconds < 60 * c.minutes for c in found[:2])


def test_small_grey_images_get_weak_views_and_few_labels_decide():
    choice = chosen(DIGITS, 10, CPU)
    sections = run_sections(choice)
    assert sections["augment"]["view1"]["crop_min"] == 0.8
    assert sections["probe"]["score"] == "few_shot_acc1"
    assert (sections["encoder"]["name"], sections["data"]["image_size"]) == ("small_conv", 8)
    assert choice.train_limit is None
    assert "augment" not in run_sections(chosen(CIFAR, 600, Speed(45_000, 40, 5, 2)))


def test_of_many_images_a_part_is_taken_where_time_is_short():
    short, long = (chosen(CIFAR, minutes, Speed(45_000, 40, 2, 2)) for minutes in (5, 600))
    assert 1000 <= short.train < 10_000
    assert short.validation < 3000
    assert short.epochs >= LADDER[choose.ENOUGH].epochs
    assert long.train_limit is None
    assert study_sections(long)["space"]["k"] == {"low": 25, "high": 2000, "log": True}


def test_large_images_are_made_small_and_a_gpu_takes_larger_ones():
    assert [network.image_size for network in choose.networks(PHOTOS, on_gpu=False)] == [32, 16]
    on_gpu = choose.networks(PHOTOS, on_gpu=True)
    assert [(n.encoder["name"], n.image_size) for n in on_gpu] == [("resnet18", 64), ("resnet18", 32)]
    assert [network.image_size for network in choose.networks(CIFAR, on_gpu=True)] == [32]
    rate = run_sections(chosen(PHOTOS, 100, Speed(80_000, 8.0), on_gpu=True))["optimizer"]["learning_rate"]
    assert rate == pytest.approx(0.4)


def test_prototypes_and_queue_are_those_of_the_studies_that_come_with_the_project():
    digits = choose.draft(dataclasses.replace(DIGITS, images=1437, smallest=140), choose.networks(DIGITS, False)[0])
    cifar = choose.draft(CIFAR, choose.networks(CIFAR, True)[0])
    assert digits.prototypes == (5, 40, 289)
    assert cifar.prototypes == (25, 200, 2000)
    assert digits.queue == (32, 4096)
    assert cifar.queue == (512, 65536)


def test_nothing_fits_in_a_second():
    assert choose.choose(DIGITS, 1 / 60, choose.networks(DIGITS, False)[0], CPU) is None
    assert choose.choose_run(DIGITS, 1 / 60, choose.networks(DIGITS, False)[0], CPU) is None
    assert choose.least_minutes(DIGITS, choose.networks(DIGITS, False)[0], CPU) >= 1


def test_seen_as_idle_a_busy_machine_is_faster():
    busy = CPU._replace(epoch_s=4.0, test_s=10.0, crowding=10.0)
    idle, now = (chosen(DIGITS, 30, speed) for speed in (busy.idle(), busy))
    assert idle.epochs * idle.trials > now.epochs * now.trials
