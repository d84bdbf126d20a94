"""What a run takes of memory at least, known before any of it is taken."""

from __future__ import annotations

from typing import NamedTuple

import torch

from trainables import devices
from trainables.failures import DoesNotFit
from trainables.model.methods import Learner
from trainables.settings.config import RunConfig
from trainables.wording import bytes_in_words


class Needed(NamedTuple):
    """Bytes that a run takes at least, images and activations aside."""

    networks: int
    """Parameters, their gradients, and what the optimiser remembers of each."""
    support: int
    """The support set and its diagnostics."""


def needed_bytes(cfg: RunConfig, *, channels: int, num_classes: int) -> Needed:
    """What a run's networks and support set take, found without taking it: they are sketched on torch's meta device."""
    with torch.device("meta"):
        sketch = Learner(cfg, channels=channels, num_classes=num_classes, device=torch.device("meta"))
    support = sum(buffer.nbytes for buffer in sketch.support.buffers())
    copies = 2 + (2 if cfg.optimizer.name == "adamw" else cfg.optimizer.momentum > 0)
    networks = sum(p.nbytes * (copies if p.requires_grad else 1) for p in sketch.parameters())
    return Needed(networks, support)


def check_room(cfg: RunConfig, *, channels: int, num_classes: int, device: torch.device) -> None:
    """Raises DoesNotFit, before anything is taken, if a run needs more memory than the device has."""
    needed, there = needed_bytes(cfg, channels=channels, num_classes=num_classes), devices.memory_bytes(device)
    if sum(needed) > there:
        raise DoesNotFit(
            f"it needs at least {bytes_in_words(sum(needed))} (support set {bytes_in_words(needed.support)}, networks "
            f"{bytes_in_words(needed.networks)}), and {device.type} has {bytes_in_words(there)}"
        )
