"""Whole training steps: ours against lightly's NNCLR loop, and the support sets against the `none` arm.

    OMP_NUM_THREADS=1 uv run python -m benchmarks.train_step [--device cuda] [--batch 256] [--one-forward]

The same encoder, projector, predictor, batch, data (random images of CIFAR-100's shape) and optimiser on both sides.
lightly's side is the loop of its NNCLR example: PIL images through its SimCLR transform in a DataLoader, two forwards,
its memory bank of 4,096 rows, NT-Xent, SGD, in float32 as the example has it. Ours augments on the device. In turns,
ratios repeat by repeat. On a CPU both sides have one thread and load in the training process, and CPU time is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader

from benchmarks.common import Timing, describe, environment, has_lightly, paired, ratio, table, write_result
from benchmarks.machine import clock
from trainables import devices
from trainables.estimate import Sizes, noise_dataset
from trainables.model.networks import Networks
from trainables.settings.config import RunConfig
from trainables.trial import Trial

NONE, LIGHTLY = "none", "lightly NNCLR, bank 4,096"
ARMS: dict[str, dict[str, Any]] = {
    NONE: {"method": "none"},
    "kmclr k=400": {"method": "kmclr", "support": {"k": 400}},
    "nnclr queue=98,304": {"method": "nnclr", "support": {"queue_size": 98304}},
    "nnclr queue=98,304 float16": {"method": "nnclr", "support": {"queue_size": 98304, "queue_dtype": "float16"}},
    "nnclr queue=4,096": {"method": "nnclr", "support": {"queue_size": 4096}},
}
TARGETS = {"kmclr k=400": 1.02, "nnclr queue=98,304": 1.10}
"""Time of a step over that of the `none` arm, on a GPU."""


class Setting(NamedTuple):
    device: torch.device
    encoder: str = "small_conv"
    batch: int = 256
    steps: int = 1
    """Per reading."""
    repeats: int = 9
    one_forward: bool = False
    compile: str = "none"
    workers: int = 0
    """lightly's DataLoader."""
    changes: Mapping[str, Any] = {}
    """Sections of the run replaced in all arms (tests make the networks small)."""

    @property
    def images(self) -> int:
        return self.batch * self.steps


def run_config(setting: Setting, arm: Mapping[str, Any]) -> RunConfig:
    train = {"batch_size": setting.batch, "one_forward": setting.one_forward, "compile": setting.compile}
    sections = {
        "device": str(setting.device),
        "encoder": {"name": setting.encoder},
        "train": train,
        "optimizer": {"name": "sgd", "learning_rate": 0.06, "weight_decay": 5e-4},
        "probe": {"few_shot_labels": 1},
    }
    return RunConfig.model_validate({**sections, **setting.changes, **arm})


def our_steps(setting: Setting, arm: Mapping[str, Any]) -> Callable[[], None]:
    """A function that takes `steps` training steps, with a full support set."""
    trial = Trial(run_config(setting, arm), noise_dataset(Sizes(), max(setting.images, 100)))
    trial.total_steps = 10**9  # the schedule never ends while we time
    trial.method.train()
    support, batch = trial.method.support, setting.batch
    generator = torch.Generator(trial.device).manual_seed(0)
    filled = 0
    while filled < support.vectors + batch:
        rows = max(batch, min(4096, support.vectors))
        support.update(torch.randn(rows, support.dim, generator=generator, device=trial.device))
        filled += rows
    batches = torch.arange(setting.images, device=trial.device).split(batch)

    return lambda: trial.train_steps(batches)


class LightlyLoop:
    """lightly's NNCLR example on our networks; a call is an epoch of `steps` batches."""

    def __init__(self, setting: Setting) -> None:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import NNMemoryBankModule
        from lightly.transforms import SimCLRTransform

        cfg = run_config(setting, ARMS[NONE])
        self.device = setting.device
        self.networks = Networks(cfg.encoder, cfg.heads, 3, predictor=True).to(self.device)
        self.bank = NNMemoryBankModule(size=(4096, cfg.heads.embedding_dim)).to(self.device)
        self.loss = NTXentLoss()
        self.optimizer = torch.optim.SGD(self.networks.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
        self.loader = DataLoader(
            _Pictures(setting.images, SimCLRTransform(input_size=32, gaussian_blur=0.0)),
            batch_size=setting.batch,
            shuffle=True,
            drop_last=True,
            num_workers=setting.workers,
            persistent_workers=setting.workers > 0,
        )

    def __call__(self) -> None:
        for view1, view2 in self.loader:
            first, second = self.networks(view1.to(self.device)), self.networks(view2.to(self.device))
            positives1 = self.bank(first.projections.detach(), update=False)
            positives2 = self.bank(second.projections.detach(), update=True)
            loss = 0.5 * (self.loss(positives1, second.predictions) + self.loss(positives2, first.predictions))
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


class _Pictures(torch.utils.data.Dataset):
    """PIL images of noise, two views each."""

    def __init__(self, images: int, transform: Callable) -> None:
        from PIL import Image

        pixels = noise_dataset(Sizes(), images).train.images_NCHW.transpose(0, 2, 3, 1)
        self.pictures, self.transform = [Image.fromarray(picture) for picture in pixels], transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        return self.transform(self.pictures[index])


def measure(setting: Setting, arms: Mapping[str, Mapping[str, Any]] = ARMS, lightly: bool = True) -> dict[str, Timing]:
    """Seconds of a step of each arm, and of lightly's loop, in turns."""
    candidates: dict[str, Callable[[], None]] = {name: our_steps(setting, arm) for name, arm in arms.items()}
    if lightly:
        candidates[LIGHTLY] = LightlyLoop(setting)
    wait = partial(devices.synchronise, setting.device)
    timings = paired(candidates, repeats=setting.repeats, wait=wait, clock=clock(setting.device))
    return {name: timing.per(setting.steps) for name, timing in timings.items()}


def rows_of(timings: Mapping[str, Timing], batch: int) -> list[list[str]]:
    rows = []
    for name, timing in timings.items():
        against_none = describe(ratio(timing, timings[NONE]), 3)
        theirs = describe(ratio(timings[LIGHTLY], timing), 2) if LIGHTLY in timings else "-"
        target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
        speed = f"{batch / statistics.median(timing.seconds):,.0f}"
        rows.append([name, describe(timing.scaled(1e3), 1), speed, against_none, target, theirs])
    return rows


def report(setting: Setting, timings: Mapping[str, Timing]) -> str:
    kind = "CPU time" if setting.device.type == "cpu" else "wall time"
    head = ["loop", "ms a step", "images/s", "time / none arm", "GPU target", "lightly's time / this"]
    notes = (
        f"- torch threads: {torch.get_num_threads()}\n- n = {setting.repeats} readings of {setting.steps} steps in "
        f"turns, {kind}; median (first to third quartile); one_forward={setting.one_forward}, "
        f"compile={setting.compile}, lightly's loader workers={setting.workers}; every queue is full"
    )
    title = f"# Training step: {setting.encoder}, batch {setting.batch}, two views 32x32, {setting.device}"
    facts = f"{environment(('torch', 'torchvision', 'lightly'))}\n{notes}"
    return "\n\n".join([title, facts, table(head, rows_of(timings, setting.batch))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--encoder", default=None, help="default: resnet18 on a GPU, small_conv on a CPU")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=None, help="steps per reading (default: 40 on a GPU, 1 on a CPU)")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--one-forward", action="store_true")
    parser.add_argument("--compile", default="none", choices=["none", "compile", "cuda_graphs"])
    parser.add_argument("--workers", type=int, default=None, help="lightly's loader (default: 8 on a GPU, 0 on a CPU)")
    parser.add_argument("--no-lightly", action="store_true")
    args = parser.parse_args()
    device = devices.pick_device(args.device)
    on_gpu = device.type == "cuda"
    if not on_gpu:
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    setting = Setting(
        device=device,
        encoder=args.encoder or ("resnet18" if on_gpu else "small_conv"),
        batch=args.batch,
        steps=args.steps or (40 if on_gpu else 1),
        repeats=args.repeats,
        one_forward=args.one_forward,
        compile=args.compile,
        workers=args.workers if args.workers is not None else (8 if on_gpu else 0),
    )
    lightly = has_lightly() and not args.no_lightly
    if not lightly and not args.no_lightly:
        print("lightly is not installed: its loop is left out", file=sys.stderr)
    text = report(setting, measure(setting, lightly=lightly))
    print(text)
    print("written:", write_result(f"train_step-{device.type}", text))


if __name__ == "__main__":
    main()
