"""A trial without training: learning curves from a formula, and faults on demand. For tests of the engine only."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.result import SHOULD_CHECKPOINT

from trainables.failures import Diverged


def curve(params: dict[str, Any], seed: int, epoch: int) -> float:
    """Validation accuracy in %: rises towards a ceiling that depends on method, size and temperature."""
    size = params.get("k") or params.get("queue_size") or 1
    ceiling = {"kmclr": 60, "nnclr": 55, "none": 50}.get(params["method"], 50) + 3 * math.log10(size)
    temperature = params.get("temperature", 0.2)
    wobble = math.sin(12.9898 * size + 78.233 * temperature + 3.7 * epoch + seed)
    return ceiling - 40 * math.exp(-epoch / 6) - 8 * abs(math.log(temperature / 0.2)) + 0.5 * wobble


def fill(path: Path, free_kib: int = 0) -> None:
    """Take all room of the disk where `path` lies but so many KiB."""
    with path.open("ab", buffering=0) as file:
        for size in (2**16, 2**10):
            with contextlib.suppress(OSError):
                while shutil.disk_usage(path).free > free_kib * 1024:
                    file.write(bytes(size))


def support_bytes(params: dict[str, Any]) -> int:
    return 1024 * int(params.get("k") or params.get("queue_size") or 0)


def peak_memory_bytes(params: dict[str, Any]) -> int:
    """Low temperatures take least, so the best accuracy (at 0.2) is not the cheapest."""
    return int(1e9 * (1 + params.get("temperature", 0.2)))


def epoch_s(params: dict[str, Any]) -> float:
    """0.01 s and more with the square root of the support set's size."""
    return 0.01 * (1 + math.sqrt(support_bytes(params)) / 1000)


class FakeTrial(tune.Trainable):
    """An epoch takes $FAKE_SECONDS. Files <trial_id>.<epoch> in the folder $FAKE_FAULTS make a trial misbehave.

    `fill 8` there lets the file $FAKE_FILL grow until its disk has 8 KiB left.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self.task = config
        self.epoch = 0
        self.total = 0.0
        self.last_report: dict[str, Any] = {}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def _kind(self) -> str:
        folder = os.environ.get("FAKE_FAULTS")
        path = Path(folder or ".") / f"{self.task['trial_id']}.{self.epoch}"
        if not folder or not path.exists():
            return ""
        kind = path.read_text().strip()
        if kind.startswith("once "):
            path.unlink()
            kind = kind.removeprefix("once ")
        return kind

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        kind = self._kind()
        if kind == "die":
            os.kill(os.getpid(), 9)
        if kind.startswith("fill"):
            fill(Path(os.environ["FAKE_FILL"]), int(kind.removeprefix("fill") or 0))
        if kind == "diverge":
            raise Diverged("loss is nan")
        if kind == "memory":
            raise MemoryError("cannot allocate 10 GB")
        if kind == "error":
            raise KeyError("a bug")
        if kind == "hang":
            time.sleep(3600)
        accuracy = float("nan") if kind == "nan" else curve(self.task["params"], self.task["seed"], self.epoch)
        self.total += 0.0 if kind == "nan" else accuracy
        result = {
            "epoch": self.epoch,
            "accuracy": accuracy,
            "loss": self.total,
            "support_bytes": support_bytes(self.task["params"]),
            "images_per_s": 1000.0,
            "peak_memory_bytes": peak_memory_bytes(self.task["params"]),
            "epoch_s": epoch_s(self.task["params"]),
            "done": self.epoch >= self.task["max_epochs"],
            SHOULD_CHECKPOINT: self._saves_now(),
        }
        if "linear_epochs" in self.task and result["done"]:
            result["test_acc1"] = accuracy - 1.0
        if kind == "test":
            self.last_report = {name: value for name, value in result.items() if name not in ("done", "test_acc1")}
            raise OSError("a test image that cannot be read")
        self.last_report = {name: value for name, value in result.items() if name != "done"}
        return result

    def _saves_now(self) -> bool:
        every = self.task["run"].get("train", {}).get("checkpoint_every", 1)
        return every == "auto" or self.epoch % every == 0

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self._kind() == "disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        text = json.dumps({"epoch": self.epoch, "total": self.total})
        (Path(checkpoint_dir) / "state.json").write_text(text[:5] if self._kind() == "cut" else text)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        state = json.loads((Path(checkpoint_dir) / "state.json").read_text())
        self.epoch, self.total = state["epoch"], state["total"]

    def __repr__(self) -> str:
        return self.task["label"]
