"""Two views of a batch by an augmentation of one's own, and which augmentation a run has.

Shape legend: as in `trainables.augment.two_views`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.augment.two_views import TwoViews
from trainables.settings import own_code
from trainables.settings.config import AugmentConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import AUGMENTATION, AUGMENTATIONS
from trainables.vocabulary.registry import to_fill_in


class ViewSpec(NamedTuple):
    """What an augmentation of one's own is made of."""

    options: Any
    """As its class's `Options`; None if it has none."""
    settings: AugmentConfig
    image_size: int
    """Pixels a side."""
    channels: int
    device: torch.device


class Augmentation:
    """Base of an augmentation of one's own.

    Nothing of it is in a checkpoint: what it makes may depend on its images and on numbers from the generator alone,
    so that a resumed run equals one that was never stopped.
    """

    def __init__(self, spec: ViewSpec) -> None:
        self.spec, self.options = spec, spec.options

    @to_fill_in
    def views(self, images_BCSS: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 images -> floats [2 B, C, S, S] in 0..1, all first views and then all second ones. Images and generator
        live on the run's device; normalising by the data's mean and deviation is not its work."""
        raise NotImplementedError

    def usual(self, images_BCSS: Tensor, generator: torch.Generator) -> Tensor:
        """The house's views of uint8 images, by `augment.view1` and `augment.view2`: floats [2 B, C, S, S] in 0..1."""
        return self._two_views.both(images_BCSS, generator)

    @cached_property
    def _two_views(self) -> TwoViews:
        spec = self.spec
        plain = {"mean": (0.0,) * spec.channels, "std": (1.0,) * spec.channels}
        sizes = {"image_size": spec.image_size, "channels": spec.channels, "device": spec.device}
        return TwoViews(spec.settings, **sizes, **plain)


class OwnViews:
    """What a trial asks of `TwoViews`, of an augmentation of one's own: its parameters are the generator itself, from
    which it draws when the views are made."""

    def __init__(
        self,
        cfg: AugmentConfig,
        *,
        image_size: int,
        channels: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device | str,
    ) -> None:
        """`mean`, `std`: per channel, in units of 0..1."""
        options = own_code.options(AUGMENTATION, cfg)
        spec = ViewSpec(options, cfg, image_size, channels, torch.device(device))
        self.part, self.spec, self.place = AUGMENTATIONS[cfg.name](spec), spec, f"augment.name: {cfg.name}"
        self._mean, self._std = (torch.tensor(each, device=spec.device).view(-1, 1, 1) for each in (mean, std))

    def draw(self, batch: int, generator: torch.Generator) -> torch.Generator:
        """Nothing yet."""
        return generator

    def draw_steps(self, batches: Sequence[int], generator: torch.Generator) -> Iterator[torch.Generator]:
        """Nothing yet, for each step."""
        return itertools.repeat(generator, len(batches))

    @torch.no_grad()
    def apply(self, images_BCSS: Tensor, generator: torch.Generator) -> Tensor:
        """Both views, normalised, [2 B, C, S, S]. Raises UserError for what cannot be both views of the images."""
        with torch.autocast(self.spec.device.type, enabled=False):
            views = self.part.views(images_BCSS, generator)
            self._check(views, (2 * len(images_BCSS), *images_BCSS.shape[1:]))
            return (views.float() - self._mean) / self._std

    def _check(self, views: Any, shape: tuple[int, ...]) -> None:
        wanted = f"floats {list(shape)} on {self.spec.device.type}, the first views and then the second ones"
        if not isinstance(views, Tensor):
            raise UserError(f"{self.place}: views gives {type(views).__name__}; give {wanted}")
        if views.shape != shape or not views.is_floating_point() or views.device.type != self.spec.device.type:
            given = f"{str(views.dtype).removeprefix('torch.')} {list(views.shape)} on {views.device.type}"
            raise UserError(f"{self.place}: views gives {given}; give {wanted}")


def views_of(cfg: AugmentConfig, **facts: Any) -> TwoViews | OwnViews:
    """The augmentation that the settings name. facts: `image_size`, `channels`, `mean`, `std` and `device`."""
    return (OwnViews if cfg.name in AUGMENTATIONS.loaded else TwoViews)(cfg, **facts)
