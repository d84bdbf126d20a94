"""LCBench as a world for `benchmarks.search_strategies`: a benchmark that nobody of this project made.

2,000 multi-layer perceptrons on each of 34 OpenML tasks (Zimmer et al. 2021, "Auto-PyTorch Tabular"), as the surrogate
of YAHPO Gym (Pfisterer et al. 2022). A user gets the folder `lcbench` from the repository slds-lmu/yahpo_data on GitHub
(Apache-2.0); `model.onnx`, `config_space.json` and `encoding.json` of it are read. Needs the dependency group
`search-bench`.

Objectives: validation accuracy after 52 epochs, %, and the size of the network, `num_layers * max_units`, which is
known before training. The surrogate is smooth and without noise, so early epochs foretell more than on real curves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainables.vocabulary.errors import UserError

EPOCHS = 52
DEVELOPMENT_TASKS = (
    *("3945", "126025", "146212", "167152", "167181"),
    *("167190", "168329", "168335", "168910", "189865"),
)
"""Every third of the folder's list, the first ten: settings are chosen on these alone, and reported on the other 24."""
FILES = ("model.onnx", "config_space.json", "encoding.json")
INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
"""What is searched, in the order of the network's inputs; before them comes the epoch."""
LEVELS = {"num_layers": 3, "max_units": 3, "learning_rate": 3, "batch_size": 2, "max_dropout": 2}
"""Of the grid, ends included; of the other parameters the middle alone."""
Point = tuple[float, ...]
"""Values of INPUTS."""
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Task codes [N, 1] and inputs [N, 8] -> outputs [N, 6], of which column 1 is the accuracy."""


class LCBench:
    """One task. The same point always has the same curve."""

    finite = False
    epochs = EPOCHS

    def __init__(self, task: str, code: int, bounds: dict[str, dict[str, Any]], predict: Predict) -> None:
        self.task, self._code, self._bounds, self._predict = task, code, bounds, predict
        self._curves: dict[Point, np.ndarray] = {}

    def draw(self, trial: Any) -> Point:
        return tuple(self._suggest(trial, name, self._bounds[name]) for name in INPUTS)

    @staticmethod
    def _suggest(trial: Any, name: str, bounds: dict[str, Any]) -> float:
        whole = bounds["type"] == "uniform_int"
        suggest = trial.suggest_int if whole else trial.suggest_float
        return suggest(name, bounds["lower"], bounds["upper"], log=bounds["log"])

    def grid(self) -> list[Point]:
        axes = []
        for name in INPUTS:
            bounds, count = self._bounds[name], LEVELS.get(name, 1)
            share_L = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
            axes.append(_within(bounds, share_L))
        return [tuple(float(axis[i]) for i, axis in zip(at, axes, strict=True)) for at in np.ndindex(*map(len, axes))]

    def random(self, count: int) -> list[Point]:
        """Drawn as the space is searched: uniformly, on a log scale where it has one."""
        shares_N7 = np.random.default_rng((int(self.task), 1)).random((count, len(INPUTS)))
        columns = [_within(self._bounds[name], shares_N7[:, i]) for i, name in enumerate(INPUTS)]
        return [tuple(map(float, row)) for row in np.stack(columns, 1)]

    def truths(self, points: Sequence[Point]) -> np.ndarray:
        inputs_N7 = np.array(points, dtype=float).reshape(-1, len(INPUTS))
        sizes_N = inputs_N7[:, INPUTS.index("num_layers")] * inputs_N7[:, INPUTS.index("max_units")]
        return np.stack([self._accuracies(inputs_N7, np.full(len(inputs_N7), EPOCHS)), sizes_N], 1)

    def cost(self, point: Point) -> float:
        return float(point[INPUTS.index("num_layers")] * point[INPUTS.index("max_units")])

    def curve(self, point: Point) -> np.ndarray:
        if point not in self._curves:
            inputs = np.tile(np.array(point, dtype=float), (EPOCHS, 1))
            self._curves[point] = self._accuracies(inputs, np.arange(1, EPOCHS + 1))
        return self._curves[point]

    def _accuracies(self, inputs_N7: np.ndarray, epoch_N: np.ndarray) -> np.ndarray:
        if not len(inputs_N7):
            return np.zeros(0)
        inputs_N8 = np.concatenate([epoch_N[:, None], inputs_N7], 1).astype(np.float32)
        codes = np.full((len(inputs_N8), 1), self._code, dtype=np.int32)
        return np.clip(self._predict(codes, inputs_N8)[:, 1].astype(float), 0.0, 100.0)


def _within(bounds: dict[str, Any], share_N: np.ndarray) -> np.ndarray:
    """Values of a parameter at shares (0-1) of its range."""
    whole = bounds["type"] == "uniform_int"
    low, high = bounds["lower"], bounds["upper"]
    ends = (low - 0.5, high + 0.5) if whole and not bounds["log"] else (low, high)
    values_N = ends[0] * (ends[1] / ends[0]) ** share_N if bounds["log"] else ends[0] + (ends[1] - ends[0]) * share_N
    return np.clip(np.round(values_N) if whole else values_N, low, high)


def load(folder: Path) -> dict[str, LCBench]:
    """The folder's tasks by name, in its order. Raises UserError if a file or onnxruntime is missing."""
    for name in FILES:
        if not (folder / name).is_file():
            raise UserError(
                f"--lcbench {folder}: has no {name}; get the folder lcbench of slds-lmu/yahpo_data (GitHub)"
            )
    rows = json.loads((folder / "config_space.json").read_text())["hyperparameters"]
    codes = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]
    bounds = {row["name"]: row for row in rows}
    predict = _network(folder / "model.onnx")
    return {task: LCBench(task, codes[task], bounds, predict) for task in bounds["OpenML_task_id"]["choices"]}


def _network(path: Path) -> Predict:
    try:
        import onnxruntime
    except ImportError:
        raise UserError("--lcbench needs onnxruntime; install it with: uv sync --group search-bench") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda codes, inputs: session.run(["output"], {"x_cat": codes, "x_cont": inputs})[0]
