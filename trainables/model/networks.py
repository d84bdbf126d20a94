"""Networks of one trial: encoder, projector, predictor.

Shapes: B batch, C image channels, H x W pixels, F encoder features, P projector's hidden size, D embedding.
Linear layers and convolutions that a BatchNorm follows carry no bias: the norm would cancel it.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from trainables.settings import own_code
from trainables.settings.config import EncoderConfig, HeadsConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import ENCODER, ENCODERS

DEFAULT_WIDTH = {"resnet18": 64, "small_conv": 32}


class _LeanNorm:
    """BatchNorm without `num_batches_tracked`, which is never read at a fixed momentum and costs a kernel a call."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.num_batches_tracked = None

    def _load_from_state_dict(self, *args) -> None:
        nn.Module._load_from_state_dict(self, *args)  # torch's own would invent a counter for old states


class LeanBatchNorm2d(_LeanNorm, nn.BatchNorm2d):
    """BatchNorm of maps [B, C, H, W]; state: weight, bias, running_mean, running_var."""


class LeanBatchNorm1d(_LeanNorm, nn.BatchNorm1d):
    """BatchNorm of vectors [B, D]; state as LeanBatchNorm2d."""


class CifarResNet18(ResNet):
    """torchvision's ResNet-18 with a stem for small images: 3x3 convolution, stride 1, no max-pool, no classifier.

    Maps [B, C, H, W] floats to features [B, 8 * width]. `stem_padding=2` makes the maps 2 pixels larger, as in the
    original study and in solo-learn.
    """

    def __init__(self, channels: int, width: int, stem_padding: int) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=1, norm_layer=LeanBatchNorm2d)
        if width != 64:
            self._set_width(width)
        self.conv1 = nn.Conv2d(channels, width, kernel_size=3, stride=1, padding=stem_padding, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.maxpool = nn.Identity()
        self.fc = nn.Identity()
        self.feature_dim = 8 * width

    def _set_width(self, width: int) -> None:
        """Rebuild the stages with `width` channels in the first (torchvision fixes 64)."""
        self.inplanes = width
        self.bn1 = LeanBatchNorm2d(width)
        for number, stride in ((1, 1), (2, 2), (3, 2), (4, 2)):
            stage = self._make_layer(BasicBlock, width * 2 ** (number - 1), 2, stride=stride)
            for module in stage.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            setattr(self, f"layer{number}", stage)


class SmallConv(nn.Module):
    """Four 3x3 convolutions with BatchNorm and ReLU, then global average pooling: for images of 8 to 32 pixels.

    Channels width, 2 width, 4 width, 4 width; the second and the third halve the map. Maps [B, C, H, W] floats to
    [B, 4 * width].
    """

    def __init__(self, channels: int, width: int, stem_padding: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for factor, stride, padding in ((1, 1, stem_padding), (2, 2, 1), (4, 2, 1), (4, 1, 1)):
            conv = nn.Conv2d(before, factor * width, 3, stride=stride, padding=padding, bias=False)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            layers += [conv, LeanBatchNorm2d(factor * width), nn.ReLU(inplace=True)]
            before = factor * width
        self.layers = nn.Sequential(*layers)
        self.feature_dim = before

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.layers(images_BCHW).mean(dim=(2, 3))


def _resnet18(channels: int, cfg: EncoderConfig) -> CifarResNet18:
    return CifarResNet18(channels, cfg.width or DEFAULT_WIDTH["resnet18"], cfg.stem_padding)


def _small_conv(channels: int, cfg: EncoderConfig) -> SmallConv:
    return SmallConv(channels, cfg.width or DEFAULT_WIDTH["small_conv"], cfg.stem_padding)


ENCODERS.add("resnet18", _resnet18)
ENCODERS.add("small_conv", _small_conv)


def build_encoder(cfg: EncoderConfig, channels: int) -> nn.Module:
    """Encoder for images of `channels` channels; its `feature_dim` is the size F of a feature vector.

    One of one's own is made of `channels` and its options. Raises UserError if it then has no `feature_dim`.
    """
    if cfg.name not in ENCODERS.loaded:
        return ENCODERS[cfg.name](channels, cfg)
    encoder = ENCODERS[cfg.name](channels, own_code.options(ENCODER, cfg))
    if not isinstance(getattr(encoder, "feature_dim", None), int):
        raise UserError(f"encoder.name: {cfg.name} has no feature_dim, a whole number: the length of its features")
    return encoder


def build_projector(cfg: HeadsConfig, features: int) -> nn.Sequential:
    """F -> P (-> P) -> D; BatchNorm and ReLU after the hidden layers, BatchNorm after the last (SEED.md's recipe)."""
    sizes = [features] + [cfg.projector_hidden] * (cfg.projector_layers - 1)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after, bias=False), LeanBatchNorm1d(after), nn.ReLU(inplace=True)]
    layers += [nn.Linear(sizes[-1], cfg.embedding_dim, bias=False), LeanBatchNorm1d(cfg.embedding_dim)]
    return nn.Sequential(*layers)


def build_predictor(cfg: HeadsConfig) -> nn.Sequential:
    """D -> hidden -> D with BatchNorm and ReLU in between; the last layer is linear with a bias."""
    return nn.Sequential(
        nn.Linear(cfg.embedding_dim, cfg.predictor_hidden, bias=False),
        LeanBatchNorm1d(cfg.predictor_hidden),
        nn.ReLU(inplace=True),
        nn.Linear(cfg.predictor_hidden, cfg.embedding_dim),
    )


class Embedded(NamedTuple):
    """What the networks make of a batch: features [B, F], projections [B, D], predictions [B, D] or None."""

    features: Tensor
    projections: Tensor
    predictions: Tensor | None


class Networks(nn.Module):
    """Encoder, projector and, if wanted, predictor; the part of a method that is trained by gradients."""

    def __init__(self, encoder: EncoderConfig, heads: HeadsConfig, channels: int, *, predictor: bool) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, channels)
        self.projector = build_projector(heads, self.encoder.feature_dim)
        self.predictor = build_predictor(heads) if predictor else None

    def forward(self, images_BCHW: Tensor) -> Embedded:
        features = self.encoder(images_BCHW)
        projections = self.projector(features)
        predictions = None if self.predictor is None else self.predictor(projections)
        return Embedded(features, projections, predictions)


def copy_without_gradient(source: nn.Module, target: nn.Module) -> None:
    """Make `target` equal to `source` (strictly the same names) and exclude it from training."""
    target.load_state_dict(source.state_dict())
    target.requires_grad_(False)


@torch.no_grad()
def move_towards(target: list[Tensor], source: list[Tensor], momentum: float) -> None:
    """target <- momentum * target + (1 - momentum) * source, in place, in one call."""
    torch._foreach_lerp_(target, source, 1.0 - momentum)
