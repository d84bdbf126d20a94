"""One run: reports, schedule, exact resume for every method and support set, failures that end with a message."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.foreign_states import FOREIGN
from tests.helpers.trial_helpers import digits, same, timeless, tiny
from trainables import checkpoint
from trainables.failures import Diverged, TimedOut
from trainables.trial import Trial

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "simclr": ("simclr", {}),
    "byol": ("byol", {}),
    "resa": ("resa", {}),
    "none": ("none", {}),
    "none, one forward": ("none", {"train": {"one_forward": True}}),
    "none, adamw": ("none", {"optimizer": {"name": "adamw", "learning_rate": 0.01}}),
    "none, sgd": ("none", {"optimizer": {"name": "sgd", "learning_rate": 0.05}}),
    "queue float32": ("nnclr", {}),
    "queue float16, masked": ("nnclr", {"support": {"queue_dtype": "float16", "mask_same_image": True}}),
    "queue int8, top-k": ("nnclr", {"support": {"queue_dtype": "int8"}, "positives": {"kind": "topk", "top_k": 3}}),
    "queue, soft, mixed": ("nnclr", {"positives": {"kind": "soft", "top_k": 3, "mix": "random"}}),
    "queue, momentum": ("nnclr", {"positives": {"momentum_encoder": True}}),
    "prototypes count": ("kmclr", {}),
    "prototypes ema": ("kmclr", {"support": {"update": "ema", "half_life": 5}}),
    "prototypes euclidean": ("kmclr", {"support": {"metric": "euclidean"}}),
    "prototypes float16": ("kmclr", {"support": {"prototype_dtype": "float16"}}),
    "prototypes revived, balanced": ("kmclr", {"support": {"revive_after": 0.5, "balance": "sinkhorn"}}),
    "prototypes over the batch": ("kmclr", {"support": {"k": 100}}),
    "prototypes, small last batch": ("kmclr", {"train": {"batch_size": 42, "drop_last": False}}),
    "prototypes, soft, mixed": ("kmclr", {"positives": {"kind": "soft", "top_k": 3, "mix": "random"}}),
    "prototypes, pictures": ("kmclr", {"probe": {"every": 5, "projection_every": 1}}),
    "prototypes, momentum": ("kmclr", {"positives": {"momentum_encoder": True}}),
}


def everything(trial: Trial) -> dict[str, Any]:
    state = trial.state_dict()
    del state["elapsed_s"]
    return state


@pytest.mark.parametrize("variant", VARIANTS)
def test_resumed_equals_uninterrupted_bit_for_bit(variant: str, tmp_path: Path):
    method, changes = VARIANTS[variant]
    cfg = tiny(method, **changes)
    straight = Trial(cfg, digits())
    reports = [straight.run_epoch() for _ in range(3)]
    first = Trial(cfg, digits())
    first.run_epoch()
    first.save(tmp_path / "a.ckpt")
    first.run_epoch()  # what the interrupted process did after its checkpoint must not matter
    torch.manual_seed(12345)
    second = Trial(cfg, digits())
    second.load(tmp_path / "a.ckpt")
    resumed = [second.run_epoch() for _ in range(2)]
    assert [timeless(report) for report in resumed] == [timeless(report) for report in reports[1:]]
    assert same(everything(second), everything(straight))


def test_equal_seeds_repeat_and_others_do_not():
    losses = [Trial(tiny(seed=seed), digits()).run_epoch()["loss"] for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("method", ["kmclr", "nnclr", "none"])
def test_reports_hold_the_promised_keys(method: str):
    trial = Trial(tiny(method), digits())
    report = [trial.run_epoch() for _ in range(2)][-1]
    always = {
        "accuracy", "loss", "probe_acc1", "probe_acc5", "knn_acc1", "few_shot_acc1", "support_bytes",
        "method_bytes", "support_vectors", "peak_memory_bytes", "images_per_s", "epoch_s", "train_s", "learning_rate",
        "embedding_std", "effective_rank", "epoch",
    }  # fmt: skip
    own = {
        "kmclr": {"neighbour_purity", "prototypes_used", "prototype_entropy"},
        "nnclr": {"neighbour_purity", "self_hit_rate"},
        "none": set(),
    }[method]
    assert set(report) == always | own
    assert all(math.isfinite(value) for value in report.values())
    assert report["accuracy"] == report["probe_acc1"]
    assert report["support_bytes"] == trial.method.support.nbytes
    assert report["support_vectors"] == {"kmclr": 10, "nnclr": 50, "none": 0}[method]


def test_the_schedule_ends_at_the_last_step():
    trial = Trial(tiny("none"), digits())
    rates = [trial.run_epoch()["learning_rate"] for _ in range(3)]
    assert rates[0] == pytest.approx(0.2)  # the last step of the warm-up
    assert trial.step == trial.total_steps == 12
    assert rates[2] == pytest.approx(0.2 * 0.5 * (1 + math.cos(math.pi * 7 / 8)))
    assert trial.probe.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * rates[2] / 0.2)  # the same schedule
    assert trial.done


@pytest.mark.parametrize(
    ("batch", "drop_last", "steps", "images"),
    [(32, True, 4, 128), (50, True, 2, 100), (50, False, 3, 128), (200, True, 1, 128), (127, False, 1, 127)],
)
def test_last_batch(batch: int, drop_last: bool, steps: int, images: int):
    trial = Trial(tiny("none", train={"batch_size": batch, "drop_last": drop_last}), digits())
    sizes = [len(index) for index in trial._batches()]
    assert (len(sizes), sum(sizes)) == (steps, images)
    assert trial.total_steps == 3 * steps


def test_the_loss_is_the_mean_over_samples_not_over_batches(monkeypatch: pytest.MonkeyPatch):
    trial = Trial(tiny("none", train={"batch_size": 50, "drop_last": False}), digits())
    values = iter([1.0, 1.0, 10.0])  # batches of 50, 50 and 28
    monkeypatch.setattr(trial, "train_step", lambda index, params: torch.tensor(next(values)))
    assert trial.run_epoch()["loss"] == pytest.approx((50 + 50 + 280) / 128)


def test_every_image_is_seen_once_an_epoch_in_another_order():
    trial = Trial(tiny("none"), digits())
    first, second = (torch.cat(list(trial._batches())) for _ in range(2))
    assert first.sort().values.tolist() == list(range(128))
    assert not torch.equal(first, second)


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match=r"train\.batch_size \(1\).*use at least 2"):
        Trial(tiny("none", train={"batch_size": 1}), digits())


def test_between_evaluations_the_last_values_are_repeated():
    trial = Trial(tiny("none", train={"epochs": 5}, probe={"every": 3}), digits())
    reports = [trial.run_epoch() for _ in range(5)]
    scores = [(report["knn_acc1"], report["effective_rank"]) for report in reports]
    assert scores[1] == scores[0]
    assert scores[3] == scores[2] != scores[1]
    assert scores[4] != scores[3]
    assert reports[1]["loss"] != reports[0]["loss"]


def test_a_nan_ends_the_run_loudly():
    trial = Trial(tiny("none", optimizer={"name": "sgd", "learning_rate": 1e9, "warmup_epochs": 0}), digits())
    with pytest.raises(Diverged, match=r"epoch 1: the training loss is (nan|inf).*lower optimizer\.learning_rate"):
        trial.run_epoch()


def test_the_time_limit_counts_earlier_sessions(tmp_path: Path):
    cfg = tiny("none")
    trial = Trial(cfg, digits())
    trial.run_epoch()
    state = trial.state_dict() | {"elapsed_s": 1000.0}
    limited = Trial(cfg.model_copy(update={"train": cfg.train.model_copy(update={"time_limit_s": 900.0})}), digits())
    limited.load_state_dict(state)
    with pytest.raises(TimedOut, match=r"epoch 2: over train\.time_limit_s \(900 s\)"):
        limited.run_epoch()


def test_a_checkpoint_of_another_run_is_refused_with_the_difference():
    state = Trial(tiny("kmclr"), digits()).state_dict()
    with pytest.raises(checkpoint.CheckpointError, match=r"another run: support\.k: 10 in the checkpoint, 11 now"):
        Trial(tiny("kmclr", support={"k": 11}), digits()).load_state_dict(state)
    with pytest.raises(checkpoint.CheckpointError, match="data: fingerprint"):
        Trial(tiny("kmclr"), digits()).load_state_dict(state | {"data": state["data"] | {"fingerprint": "0"}})
    Trial(tiny("kmclr", train={"checkpoint_every": 2}), digits()).load_state_dict(state)  # this may change


def test_a_checkpoint_of_another_kind_of_device_goes_on_from_the_seed():
    first = Trial(tiny("kmclr"), digits())
    first.run_epoch()
    state = first.state_dict() | {"generator": torch.zeros(16, dtype=torch.uint8)}  # as of a CUDA generator
    of_the_set = state["method"]["support._extra_state"]
    of_the_set |= {"device": "cuda", "generator": torch.zeros(16, dtype=torch.uint8)}
    trial = Trial(tiny("kmclr"), digits())
    trial.load_state_dict(state)
    assert trial.generator.initial_seed() == 1
    assert trial.run_epoch()["epoch"] == 2


def test_pictures_keep_their_axes_over_epochs():
    trial = Trial(tiny("kmclr", probe={"projection_every": 2, "projection_samples": 40}), digits())
    reports = [trial.run_epoch() for _ in range(3)]
    lines = [report["projection"] for report in reports if "projection" in report]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(len(line["sample"]) == len(line["labels"]) == 40 for line in lines)
    assert all(len(line["vectors"]) == 10 for line in lines)
    before, after = (torch.tensor(line["sample"]) for line in lines[1:])
    turned = after @ torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert (after - before).norm() < (turned - before).norm()
    assert (after - before).norm() < (after * torch.tensor([-1.0, 1.0]) - before).norm()


def test_pictures_show_the_prototypes_of_the_epoch_not_the_embeddings_that_replace_them():
    trial = Trial(tiny("kmclr", support={"forget_every": 1}, probe={"projection_every": 1}), digits())
    trial.run_epoch()
    support, seen = trial.method.support, []
    plain = support.vectors_for_plot

    def spy() -> torch.Tensor:
        seen.append(float(support.counts_K.sum()))
        return plain()

    support.vectors_for_plot = spy
    trial.run_epoch()
    assert seen == [10 + 128]  # prototypes of count 1 were given an epoch's images
    assert float(support.counts_K.sum()) == 10


@pytest.mark.parametrize("what", FOREIGN)
def test_a_state_that_no_trial_has_written_is_refused_whole(what: str):
    """And the trial then takes the right one as if nothing had been."""
    first = Trial(tiny("kmclr"), digits())
    first.run_epoch()
    state = copy.deepcopy(first.state_dict())
    trial = Trial(tiny("kmclr"), digits())
    with pytest.raises(checkpoint.CheckpointError):
        trial.load_state_dict(FOREIGN[what](state))
    trial.load_state_dict(state)
    assert same({**trial.state_dict(), "elapsed_s": 0}, {**state, "elapsed_s": 0})
