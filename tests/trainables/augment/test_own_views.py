"""Augmentations of one's own: what a trial gets of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from trainables.augment.own_views import Augmentation, OwnViews, views_of
from trainables.augment.two_views import TwoViews
from trainables.settings.config import AugmentConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import AUGMENTATIONS

FACTS = {"image_size": 4, "channels": 3, "mean": (0.5, 0.25, 0.0), "std": (0.5, 0.25, 1.0), "device": "cpu"}
IMAGES = torch.full((2, 3, 4, 4), 255, dtype=torch.uint8)


@pytest.fixture
def own() -> Iterator[Callable[[Callable[[Augmentation, Tensor, torch.Generator], Tensor]], OwnViews]]:
    """Called with a method `views`: what a trial would have of that augmentation."""

    def make(views: Callable[[Augmentation, Tensor, torch.Generator], Tensor]) -> OwnViews:
        AUGMENTATIONS.enrol("pkg:Own", type("Own", (Augmentation,), {"views": views}))
        return views_of(AugmentConfig(name="pkg:Own"), **FACTS)

    yield make
    AUGMENTATIONS.forget("pkg:Own")


def test_the_house_has_its_two_views_unless_another_is_named() -> None:
    assert isinstance(views_of(AugmentConfig(), **FACTS), TwoViews)


def test_views_are_normalised_and_drawn_step_by_step(own) -> None:
    views = own(lambda self, images, generator: (images / 255).repeat(2, 1, 1, 1) * torch.rand((), generator=generator))
    generator, same = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    for params in views.draw_steps([2, 2], generator):
        factor = torch.rand((), generator=same)
        expected = torch.stack([2 * factor - 1, 4 * factor - 1, factor]).view(3, 1, 1).expand(4, 3, 4, 4)
        assert torch.allclose(views.apply(IMAGES, params), expected)


def test_usual_views_are_those_of_the_house_before_normalising(own) -> None:
    found = own(lambda self, images, generator: self.usual(images, generator))
    house = views_of(AugmentConfig(), **FACTS)
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    images = torch.randint(256, (5, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(found.apply(images, seeds[0]), house.both(images, seeds[1]), atol=1e-5)


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (
            lambda self, images, generator: (images, images),
            r"augment.name: pkg:Own: views gives tuple; give floats \[4, 3",
        ),
        (
            lambda self, images, generator: images / 255,
            r"gives float32 \[2, 3, 4, 4\] on cpu; give floats \[4, 3, 4, 4\]",
        ),
        (lambda self, images, generator: images.repeat(2, 1, 1, 1), r"views gives uint8 \[4, 3, 4, 4\] on cpu"),
    ],
)
def test_what_cannot_be_both_views_is_refused(own, views, said: str) -> None:
    with pytest.raises(UserError, match=said):
        own(views).apply(IMAGES, torch.Generator())
