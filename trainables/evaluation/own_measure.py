"""What a trial measures after each epoch by a class of its user's own, which a study may optimise."""

from __future__ import annotations

import math
from typing import Any

import torch

from trainables.settings import own_code
from trainables.settings.config import MeasureConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.metrics_and_objectives import MEASURES
from trainables.vocabulary.parts import MEASURE
from trainables.vocabulary.registry import shown_name


class OwnMeasure:
    """`measure(trial)` of the class that the settings name, under the name it shows; nothing if they name none.

    It is asked in evaluation mode and without gradients, and may draw random numbers of torch's global generators:
    they are put back. It must not change the trial.
    """

    def __init__(self, cfg: MeasureConfig) -> None:
        part = MEASURES.loaded.get(str(cfg.name))
        self.name = cfg.name
        self.shown = None if part is None else shown_name(part)
        self.made = None if part is None else part(own_code.options(MEASURE, cfg))

    def __call__(self, trial: Any) -> dict[str, float]:
        """Raises UserError for what is no number."""
        if self.shown is None:
            return {}
        networks, devices = trial.method, [trial.device] if trial.device.type == "cuda" else []
        networks.eval()
        with torch.no_grad(), torch.random.fork_rng(devices):
            value = self.made.measure(trial)
        networks.train()
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"measure.name ({self.name}): measure gave {type(value).__name__}, no number")
        return {self.shown: float(value)} if math.isfinite(value) else {}
