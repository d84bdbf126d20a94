"""How the plan of a study reads."""

from __future__ import annotations

import dataclasses
import io
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from rich.console import Console

from study import cost, plan
from study.cost import Plan
from study.record import earlier
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from tests.helpers.learning_inputs import earlier_study, end_of
from trainables.data import cifar
from trainables.data.dataset import DataError
from trainables.wording import seconds_in_words

ROOT = Path(__file__).resolve().parents[2]


def text_of(made: Plan, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    plan.render(made, console)
    return console.file.getvalue()


def test_plan_says_everything_it_should(planned) -> None:
    text = text_of(planned("k_sweep", rehearse=True))
    for word in (
        "k_sweep-rehearsal (a rehearsal)",
        "How few prototypes",
        "kmclr, nnclr, none",
        "accuracy max, support_bytes min",
        "18 trials (front), 3 of them baselines",
        "promote",
        "search 0, trials 0, confirm 1, 2",
        "at worst 270",
        "cpu",
        "2.15 GB",
        "36 s an epoch, timed now on this machine",
        "out/k_sweep-rehearsal",
        "5 to 300, log-uniform",
        "support.k",
        "what the rehearsal and --set change",
        "data.name",
        "digits",
    ):
        assert word in text, word


def test_plan_says_whose_points_are_confirmed_and_that_their_number_is_for_all_methods(planned) -> None:
    def confirm(*overrides: str) -> str:
        made = planned("k_sweep", rehearse=True, overrides=[f"confirm.{o}" for o in overrides])
        points = made.loaded.study.confirm.max_points
        assert made.confirm_trials == 2 * (points + 3)
        return dict(plan._facts(made))["confirm"]

    own = "points in all, of each method's own front that the search measured, in turns (kmclr, nnclr, none)"
    assert own in confirm()
    assert "too few for all methods, confirm.max_points=3 has one for each" in confirm("max_points=2")
    assert "too few" not in confirm("max_points=3")
    assert "points of the front that the search measured; beside them every baseline" in confirm("per_method=false")
    assert "each method's own front that a model expects" in confirm("choose=model")


def test_an_ablation_is_counted_only_where_it_is_asked_for(planned) -> None:
    budget = ["budget.epochs=600", "search.trials=9", "confirm.max_points=3"]
    usual = planned("k_sweep", rehearse=True, overrides=budget)
    assert "ablate" not in dict(plan._facts(usual))
    budget[0] = f"budget.epochs={usual.needs[0].total + 10:.0f}"
    made = planned("k_sweep", rehearse=True, overrides=budget, ablates=True)
    facts = dict(plan._facts(made))
    assert made.ablate_trials == 2 * 3, "method, k, forget_every and temperature: three points between the ends"
    assert facts["ablate"].startswith("up to 6 trainings: from kmclr k=50 f=3 t=0.2 to the most accurate point, one")
    assert facts["epochs"].endswith("confirm up to 180, ablate up to 90")
    assert made.hours[0] > usual.hours[0]
    assert (made.needs[0].confirmed, made.needs[0].total) == (usual.needs[0].total, usual.needs[0].total + 90)
    assert facts["ends early"].startswith("in the ablate stage, if it takes all its trainings: budget.epochs=")
    other = ["ablate.seeds=[1,7,8]", "ablate.from=none", "ablate.to=search-0007"]
    facts = dict(plan._facts(planned("k_sweep", rehearse=True, overrides=other, ablates=True)))
    assert facts["ablate"].startswith("up to 14 trainings: from none t=0.2 to search-0007, ")  # 3 x 3, 2 and 3 ends
    assert facts["seeds"].endswith("ablate 1, 7, 8")


def test_plan_shows_what_a_preset_and_an_override_change(planned) -> None:
    text = text_of(planned("k_sweep", overrides=["preset=seed", "data.root=here"]))
    assert "what preset 'seed' changes" in text
    assert "support.metric" in text
    assert "here" in text
    assert "(a rehearsal)" not in text
    assert "what preset" not in text_of(planned("k_sweep"))


def test_plan_says_where_the_study_overrules_or_searches_what_a_preset_sets(planned) -> None:
    made = planned("k_sweep", overrides=["preset=seed", "train.batch_size=256"])
    rows = {name: now for name, _, now in plan._preset_rows(made.loaded.study)}
    assert made.loaded.study.train.epochs == 200  # the file's
    assert rows["train.epochs"] == "200 (the preset: 500)"
    assert rows["train.batch_size"] == "256 (the preset: 64)"
    assert rows["loss.temperature"] == "searched; else 0.1"
    assert rows["optimizer.lars_eta"] == "0.001"
    assert "support.k" not in rows  # as by default
    assert "256 (the preset: 64)" in text_of(made)


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_on_a_cluster_its_gpus_count_and_not_this_machine_s(planned, cluster, device: str) -> None:
    made = planned("k_sweep", device=device, address="head:6379")
    assert (made.device, made.concurrent, made.foreign) == ("cuda", 4, True)
    assert (cluster["joined head:6379"], cluster["left"]) == (1, 1)
    text = text_of(made, width=200)
    assert "cuda, 4 trials at once" in text
    assert "not known: this machine has no GPU; on its CPU " in text
    assert "2.15 GB a trial (on a CPU)" in text


def test_a_cluster_without_gpus(planned, cluster) -> None:
    del cluster["GPU"]
    made = planned("k_sweep", device="auto", address="head:6379")
    assert (made.device, made.concurrent, made.foreign) == ("cpu", 32, False)
    assert "not known" not in text_of(made)
    with pytest.raises(ValueError, match=r"resources\.gpu: a trial wants 1 GPUs, 0 found"):
        planned("k_sweep", device="cuda", address="head:6379")


def test_a_gpu_asked_for_is_looked_for_on_the_cluster_alone(planned, cluster, monkeypatch, capsys) -> None:
    from trainables import devices
    from trainables.data import dataset

    monkeypatch.setattr(dataset, "check_available", lambda *a, **k: None)
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    loaded = load_study(ROOT / "configs" / "k_sweep.yaml", device="cuda")
    plan.show(loaded, address="head:6379")
    assert "cuda, 4 trials at once" in capsys.readouterr().out
    with pytest.raises(ValueError, match="torch sees no CUDA device"):
        plan.show(loaded)


def test_plan_fits_a_narrow_pipe(planned) -> None:
    assert all(len(line) <= 80 for line in text_of(planned("pareto"), width=80).splitlines())


# --- data that are not at hand ---


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_, **__):
        pytest.fail("a server was asked")

    monkeypatch.setattr(urllib.request, "urlopen", ask)
    monkeypatch.setattr(socket, "getaddrinfo", ask)
    monkeypatch.setattr(socket, "create_connection", ask)


@pytest.mark.parametrize("more", [[], ["data.image_size=48"], ["data.download=false"]])
def test_a_plan_without_the_data_says_so_first_and_asks_no_server(
    planned, no_network, monkeypatch, tmp_path, capsys, more
) -> None:
    said_before_timing = []
    timed = cost.measure
    monkeypatch.setattr(cost, "measure", lambda *a: said_before_timing.append(capsys.readouterr().out) or timed(*a))
    overrides = [f"data.root={tmp_path}/nowhere", *more]
    plan.show(load_study(ROOT / "configs" / "k_sweep.yaml", device="cpu", overrides=overrides), run_next=False)
    (line,) = said_before_timing[0].splitlines()
    assert line.startswith(f"Data: cifar100 was not found in {tmp_path}/nowhere/cifar-100-python and ")
    for way in ("data.root", "data.download", "data.name=parquet", "--rehearse"):
        assert way in line
    assert "64 trials" in capsys.readouterr().out


def test_a_plan_of_data_at_hand_says_nothing_of_them(planned, monkeypatch, capsys) -> None:
    monkeypatch.setattr(cifar.Cifar, "missing", lambda self: "")
    plan.show(load_study(ROOT / "configs" / "k_sweep.yaml", device="cpu"), run_next=False)
    assert "Data:" not in capsys.readouterr().out


def test_a_run_without_the_data_is_refused_before_anything_is_timed(planned, monkeypatch, tmp_path) -> None:
    def refuse(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(cost, "measure", lambda *_: pytest.fail("timed"))
    loaded = load_study(ROOT / "configs" / "k_sweep.yaml", device="cpu", overrides=[f"data.root={tmp_path}"])
    with pytest.raises(DataError, match=r"cannot be downloaded \(no route to host\)"):
        plan.show(loaded)


def test_a_plan_of_own_data_needs_them(planned, no_network, tmp_path) -> None:
    overrides = ["data.name=parquet", f"data.root={tmp_path}/nowhere"]
    loaded = load_study(ROOT / "configs" / "k_sweep.yaml", device="cpu", overrides=overrides)
    with pytest.raises(DataError, match=r"data\.root: no folder"):
        plan.show(loaded, run_next=False)


@pytest.mark.parametrize("text", ["[/]", "[bold]really[/bold]?", "[red", ":smile:", "a\\[b"])
def test_what_people_write_is_shown_as_they_wrote_it(planned, tmp_path: Path, text: str) -> None:
    """rich takes square brackets for markup, and a closing one that closes nothing for an error."""
    overrides = [f"question={text}", f"data.root={text}", f"tracking.project={text}"]
    made = dataclasses.replace(planned("k_sweep", overrides=overrides), folder=tmp_path / text / "k_sweep")
    shown = text_of(made, width=400)
    assert shown.count(text) == 5, shown


def test_a_point_that_cannot_fit_is_said_before_anything_runs(planned, capsys) -> None:
    changes = ["space.k.high=10000000", "heads.embedding_dim=65536"]
    made = planned("k_sweep", rehearse=True, overrides=changes)
    (line,) = made.too_large
    assert line.startswith("kmclr k=10000000 ")
    assert "it needs at least 5.24 TB" in line
    assert planned("k_sweep", rehearse=True).too_large == ()


# --- budgets beside the estimate ---


def test_the_plan_shows_a_budget_and_where_it_ends_the_study(planned) -> None:
    def shown(*overrides: str) -> str:
        return text_of(planned("k_sweep", overrides=list(overrides)), width=250)

    assert "budget.epochs" not in shown()
    made = planned("k_sweep")
    total = made.expected_epochs + made.confirm_epochs
    enough = shown(f"budget.epochs={total}")
    assert f"budget.epochs {total:,}; expected: {made.expected_epochs:,} epochs to the end of the search" in enough
    assert "ends early" not in enough
    unkept = "budget.reserve_for_confirm=false"
    few = shown(f"budget.epochs={made.expected_epochs}", unkept)
    assert "in the search stage, before anything is confirmed on test" in few
    assert f"budget.epochs={total} would do" in few
    assert "in the confirm stage, if it takes all" in shown(f"budget.epochs={total - 1}", unkept)
    keeps = f"up to {made.confirm_epochs:,} epochs, which confirming takes"
    kept = " ".join(shown(f"budget.epochs={total - 1}").split())
    assert f"the search, to keep {keeps} (budget.reserve_for_confirm): budget.epochs={total} would do" in kept
    least = " ".join(shown(f"budget.epochs={made.confirm_epochs}").split())
    assert f"the search, after its first completed trials, as it is less than {keeps}; not all may be" in least
    alone = shown("budget.epochs=10", "confirm.enabled=false")
    assert "in the search stage: budget.epochs=" in alone
    assert "confirm.max_points" not in alone.split("ends early")[1].split("memory")[0]


def test_the_time_that_would_do_does(planned) -> None:
    text = text_of(planned("k_sweep", overrides=["budget.wall_clock_h=0.5"]), width=250)
    assert "budget.wall_clock_h 0.5; expected: " in text
    enough = text.split("budget.wall_clock_h=")[1].split(" would do")[0]
    again = text_of(planned("k_sweep", overrides=[f"budget.wall_clock_h={enough}"]), width=250)
    assert "ends early" not in again


def test_no_warning_is_made_of_what_is_not_known(planned, cluster) -> None:
    made = planned("k_sweep", device="cuda", address="head:6379", overrides=["budget.gpu_hours=1"])
    text = text_of(made, width=250)
    assert "budget.gpu_hours 1; not known whether that is enough" in text
    assert "ends early" not in text


def test_the_load_is_said_beside_the_time(planned) -> None:
    made = planned("k_sweep", rehearse=True)
    busy = dataclasses.replace(made, cost=dataclasses.replace(made.cost, load=3.52, idle_epoch_s=12.0))
    text = text_of(busy, width=250)
    assert "(12 s idle, 36 s now an epoch, timed now on this machine, load 3.5 on " in text
    low, high = busy.hours_range
    alone = dataclasses.replace(made, cost=dataclasses.replace(made.cost, epoch_s=12.0))
    assert (low, high) == pytest.approx((alone.hours[0] / cost.MARGIN, cost.MARGIN * busy.hours[0]))
    assert f"{seconds_in_words(3600 * low)} to {seconds_in_words(3600 * high)}, at worst " in text


def test_the_plan_says_what_it_knows_from_earlier_runs(planned) -> None:
    made = planned("k_sweep", rehearse=True)
    learned = dataclasses.replace(made.cost, epochs=1200)
    assert "(36 s an epoch, measured on this machine in 1,200 epochs of earlier runs)" in text_of(
        dataclasses.replace(made, cost=learned), width=250
    )
    some = dataclasses.replace(made, cost=dataclasses.replace(learned, partly=True))
    assert "partly measured on this machine in 1,200 epochs" in text_of(some, width=250)


def test_the_plan_says_how_many_trials_may_wait(planned) -> None:
    def waiting(concurrent: int) -> list[str]:
        made = planned("k_sweep", overrides=["scheduler.name=promote", "scheduler.max_paused=7"])
        made = dataclasses.replace(made, concurrent=concurrent)
        return [line for line in text_of(made, 200).splitlines() if line.strip().startswith("paused")]

    bound = "at most 7 trials wait at a rung, each with a checkpoint (scheduler.max_paused)"
    one, many = waiting(1), waiting(4)
    assert [line.split(None, 1)[1].strip() for line in one] == [bound]
    assert [line.split(None, 1)[1].strip() for line in many] == [f"{bound}, and up to 3 more with 4 at a time"]
    assert "paused" not in text_of(planned("k_sweep", overrides=["scheduler.name=asha"]), 200)


def test_the_plan_shows_how_many_trials_are_learned_and_why_others_are_not(planned, monkeypatch) -> None:
    """Data that were not read are taken for the same."""
    space = {"method": ("kmclr",), "k": {"low": 25, "high": 2000, "log": True}}
    there = load_study(ROOT / "configs" / "k_sweep.yaml", rehearse=True).study
    there = there.model_copy(update={"space": StudyConfig(name="x", space=space).space})
    ends = [end_of(n, {"method": "kmclr", "k": k}, max_epochs=15) for n, k in enumerate((20, 200, 900, 1900))]
    monkeypatch.setattr(earlier, "fingerprint_of", lambda name: "abc" if name == "results/a" else None)
    monkeypatch.setattr(earlier, "read", lambda name: earlier_study(ends, name, there))
    made = planned("k_sweep", rehearse=True, overrides=["search.learn_from=[results/a, results/b]"])
    data = {"fingerprint": made.sizes.fingerprint}
    monkeypatch.setattr(earlier, "read", lambda name: earlier_study(ends, name, there, data=data))
    shown = text_of(planned("k_sweep", rehearse=True, overrides=["search.learn_from=[results/a, results/b]"]), 200)
    trials = made.loaded.study.search.trials
    assert f"2 trials of results/a count beside the {trials}" in shown
    assert "2 trials left out: k 900, 1900, outside 5 to 300, the space here" in shown
    assert "results/b is not there" in shown
    assert f"0 trials of results/a count beside the {trials}" in text_of(made, 200)
    assert "4 trials left out: other data (fingerprint 1, here " in text_of(made, 200)
    real = load_study(ROOT / "configs" / "k_sweep.yaml").study
    monkeypatch.setattr(earlier, "read", lambda name: earlier_study(ends[:1], name, real))
    shown = text_of(planned("k_sweep", overrides=["search.learn_from=[results/a]"]), 200)
    assert f"count beside the {real.search.trials}, if its data are the same, which have not been read yet" in shown
