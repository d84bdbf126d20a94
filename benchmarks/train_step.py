"""Whole training steps and epochs: ours against lightly's NNCLR loop, and the support sets against the `none` arm.

    uv run python -m benchmarks.train_step [--device cuda] [--encoder resnet18] [--batch 256] [--repeats 9]

The same encoder, projector, predictor, batch, data (random images of CIFAR-100's shape) and optimiser family on both
sides. lightly's side is the loop of its NNCLR example: PIL images through its SimCLR transform in a DataLoader, two
forwards, its memory bank of 4,096 rows, NT-Xent, SGD. Ours augments on the device. In turns, ratios repeat by repeat.
On a CPU both sides have one thread and load in the training process, so that the ratio is per core.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch.utils.data import DataLoader

from benchmarks.common import describe, environment, paired, ratio, table, write_result
from trainables import devices
from trainables.config import RunConfig
from trainables.networks import Networks
from trainables.pretrain import Sizes, Trial, noise_dataset

ARMS = {
    "none": {"method": "none"},
    "kmclr k=400": {"method": "kmclr", "support": {"k": 400}},
    "nnclr queue=98,304": {"method": "nnclr", "support": {"queue_size": 98304}},
    "nnclr queue=4,096": {"method": "nnclr", "support": {"queue_size": 4096}},
}


def run_config(args: argparse.Namespace, arm: dict) -> RunConfig:
    settings = {
        "device": args.device,
        "encoder": {"name": args.encoder},
        "train": {"batch_size": args.batch, "one_forward": args.one_forward, "compile": args.compile},
        "optimizer": {"name": "sgd", "learning_rate": 0.06, "weight_decay": 5e-4},
    }
    return RunConfig.model_validate(settings | arm)


def our_step(args: argparse.Namespace, arm: dict, images: int) -> Callable[[], None]:
    """A function that takes `images / batch` training steps."""
    data = noise_dataset(Sizes(), images)
    trial = Trial(run_config(args, arm), data)
    trial.total_steps = 10**9  # the schedule never ends while we time
    trial.method.train()
    batches = torch.arange(images, device=trial.device).split(args.batch)

    def run() -> None:
        for index in batches:
            trial.train_step(index)

    for _ in range(3):  # the support set is in use from here on
        run()
    return run


class LightlyLoop:
    """lightly's NNCLR example on our networks."""

    def __init__(self, args: argparse.Namespace, images: int) -> None:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import NNMemoryBankModule
        from lightly.transforms import SimCLRTransform
        from PIL import Image

        cfg = run_config(args, ARMS["none"])
        self.device = devices.pick_device(args.device)
        self.networks = Networks(cfg.encoder, cfg.heads, 3, predictor=True).to(self.device)
        self.bank = NNMemoryBankModule(size=(4096, cfg.heads.embedding_dim)).to(self.device)
        self.loss = NTXentLoss()
        self.optimizer = torch.optim.SGD(self.networks.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
        pixels = noise_dataset(Sizes(), images).train.images_NCHW.transpose(0, 2, 3, 1)
        transform = SimCLRTransform(input_size=32, gaussian_blur=0.0)
        views = [(Image.fromarray(p), 0) for p in pixels]
        data = [(view, label) for view, label in views]
        self.loader = DataLoader(
            _Transformed(data, transform),
            batch_size=args.batch,
            shuffle=True,
            drop_last=True,
            num_workers=args.workers,
            persistent_workers=args.workers > 0,
        )

    def __call__(self) -> None:
        for (x0, x1), _ in self.loader:
            e0, e1 = self.networks(x0.to(self.device)), self.networks(x1.to(self.device))
            z0 = self.bank(e0.projections.detach(), update=False)
            z1 = self.bank(e1.projections.detach(), update=True)
            loss = 0.5 * (self.loss(z0, e1.predictions) + self.loss(z1, e0.predictions))
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


class _Transformed(torch.utils.data.Dataset):
    def __init__(self, items: list, transform: Callable) -> None:
        self.items, self.transform = items, transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple:
        image, label = self.items[index]
        return self.transform(image), label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--encoder", default=None, help="default: resnet18 on a GPU, small_conv on a CPU")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=None, help="steps per reading (default: 20 on a GPU, 1 on a CPU)")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--one-forward", action="store_true")
    parser.add_argument("--compile", default="none", choices=["none", "compile", "cuda_graphs"])
    parser.add_argument("--workers", type=int, default=None, help="lightly's loader (default: 8 on a GPU, 0 on a CPU)")
    args = parser.parse_args()
    device = devices.pick_device(args.device)
    on_gpu = device.type == "cuda"
    args.device = str(device)
    args.encoder = args.encoder or ("resnet18" if on_gpu else "small_conv")
    args.workers = args.workers if args.workers is not None else (8 if on_gpu else 0)
    steps = args.steps or (20 if on_gpu else 1)
    if not on_gpu:
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    images = args.batch * steps
    candidates: dict[str, Callable[[], None]] = {name: our_step(args, arm, images) for name, arm in ARMS.items()}
    candidates["lightly NNCLR, bank 4,096"] = LightlyLoop(args, images)
    timings = paired(candidates, repeats=args.repeats, wait=partial(devices.synchronise, device))
    rows = [
        (
            name,
            describe(type(t)([1e3 * s / steps for s in t.seconds]), 1),
            f"{images / t.median:,.0f}",
            describe(ratio(t, timings["none"]), 3),
            describe(ratio(timings["lightly NNCLR, bank 4,096"], t), 2),
        )
        for name, t in timings.items()
    ]
    head = ("loop", "ms a step", "images/s", "time / none arm", "lightly's time / this")
    text = (
        f"# Training step: {args.encoder}, batch {args.batch}, two views 32x32, {device}\n\n"
        f"{environment(('torch', 'torchvision', 'lightly'))}\n- torch threads: {torch.get_num_threads()}\n"
        f"- n = {args.repeats} repeats of {steps} steps in turns; median (first to third quartile); "
        f"one_forward={args.one_forward}, compile={args.compile}, lightly's loader workers={args.workers}\n\n"
        f"{table(head, rows)}\n"
    )
    print(text)
    print("written:", write_result(f"train_step-{device.type}", text))


if __name__ == "__main__":
    main()
