"""Networks: shapes, the stem's padding, exact equality with torchvision where the parts are torchvision's."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from trainables.model import networks
from trainables.settings.config import EncoderConfig, HeadsConfig

SMALL_HEADS = HeadsConfig(projector_hidden=16, embedding_dim=8, predictor_hidden=12)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_resnet18_has_the_size_of_torchvisions_with_a_cifar_stem():
    ours = networks.build_encoder(EncoderConfig(), channels=3)
    theirs = torchvision.models.resnet18()
    classifier = 512 * 1000 + 1000
    smaller_stem = 64 * 3 * (7 * 7 - 3 * 3)
    assert count(ours) == count(theirs) - classifier - smaller_stem
    assert ours.feature_dim == 512


def test_resnet18_computes_what_torchvisions_blocks_compute():
    torch.manual_seed(0)
    ours = networks.build_encoder(EncoderConfig(), channels=3).eval()
    theirs = torchvision.models.resnet18()
    theirs.conv1, theirs.maxpool, theirs.fc = ours.conv1, nn.Identity(), nn.Identity()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing)
    assert not unexpected
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(ours(images), theirs.eval()(images))


@pytest.mark.parametrize(("padding", "side"), [(1, 32), (2, 34)])
def test_stem_keeps_or_widens_the_maps(padding: int, side: int):
    encoder = networks.build_encoder(EncoderConfig(stem_padding=padding), channels=3)
    assert encoder.conv1(torch.zeros(1, 3, 32, 32)).shape == (1, 64, side, side)


@pytest.mark.parametrize(("name", "width", "features"), [("resnet18", 8, 64), ("small_conv", None, 128)])
@pytest.mark.parametrize("channels", [1, 3])
def test_width_and_channels(name: str, width: int | None, features: int, channels: int):
    encoder = networks.build_encoder(EncoderConfig(name=name, width=width), channels)
    assert encoder.feature_dim == features
    assert encoder(torch.randn(2, channels, 8, 8)).shape == (2, features)


def test_heads_follow_the_recipe():
    heads = HeadsConfig()
    projector, predictor = networks.build_projector(heads, 512), networks.build_predictor(heads)
    kinds = [type(layer).__name__ for layer in projector]
    assert kinds == ["Linear", "LeanBatchNorm1d", "ReLU"] * 2 + ["Linear", "LeanBatchNorm1d"]
    assert [layer.out_features for layer in projector if isinstance(layer, nn.Linear)] == [2048, 2048, 256]
    assert [layer.out_features for layer in predictor if isinstance(layer, nn.Linear)] == [4096, 256]
    assert len(networks.build_projector(HeadsConfig(projector_layers=2), 512)) == 5


def test_forward_gives_features_projections_and_predictions():
    model = networks.Networks(EncoderConfig(name="small_conv", width=4), SMALL_HEADS, 1, predictor=True)
    features, projections, predictions = model(torch.randn(3, 1, 8, 8))
    assert (features.shape, projections.shape, predictions.shape) == ((3, 16), (3, 8), (3, 8))
    without = networks.Networks(EncoderConfig(name="small_conv", width=4), SMALL_HEADS, 1, predictor=False)
    assert without(torch.randn(3, 1, 8, 8)).predictions is None


def test_lean_norm_equals_torchs_in_output_gradient_and_running_statistics():
    ours, theirs = networks.LeanBatchNorm2d(3), nn.BatchNorm2d(3)
    images = torch.randn(5, 3, 4, 4)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=0, atol=0)
    assert set(ours.state_dict()) == {"weight", "bias", "running_mean", "running_var"}
    networks.LeanBatchNorm2d(3).load_state_dict(dict(ours.state_dict()))  # strict, without torch's metadata


def test_moving_average_is_the_weighted_mean_of_weights():
    source = [torch.tensor([4.0]), torch.tensor([[0.0, 8.0]])]
    target = [torch.tensor([0.0]), torch.tensor([[4.0, 4.0]])]
    networks.move_towards(target, source, momentum=0.75)
    torch.testing.assert_close(target, [torch.tensor([1.0]), torch.tensor([[3.0, 5.0]])])


def test_copy_is_strict_and_untrained():
    cfg = EncoderConfig(name="small_conv", width=4)
    source, target = networks.build_encoder(cfg, 1), networks.build_encoder(cfg, 1)
    networks.copy_without_gradient(source, target)
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))
    assert not any(p.requires_grad for p in target.parameters())
    with pytest.raises(RuntimeError, match="Missing key"):
        networks.copy_without_gradient(nn.Linear(2, 2), target)
