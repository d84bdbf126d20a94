"""Files of an encoder: what the card's own lines load gives the encoder's features."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainables.evaluation.offline import Frozen
from trainables.export import backbone
from trainables.model.networks import build_encoder
from trainables.settings.config import RunConfig
from trainables.vocabulary.errors import UserError


def frozen(channels: int, size: int, **encoder: Any) -> Frozen:
    """An encoder with weights and running statistics that are none's default."""
    cfg = RunConfig(encoder=encoder)
    torch.manual_seed(0)
    made = build_encoder(cfg.encoder, channels)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                values.uniform_(0.5, 1.5)
    return Frozen(made.eval().requires_grad_(False), cfg, (0.5,) * channels, (0.25,) * channels, channels, size, 1)


def loaded(source: Frozen, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`model` as the card's lines make it, in the backbone's folder."""
    one = backbone.FORMATS[name]
    one.write(source, folder / one.file)
    monkeypatch.chdir(folder)
    scope: dict[str, Any] = {}
    lines = one.loading(source)
    assert sum(bool(line) and "import" not in line for line in lines) <= 3
    exec("\n".join(lines), scope)
    return scope["model"]


ENCODERS = (
    (3, 32, {"name": "resnet18"}),
    (1, 12, {"name": "resnet18", "width": 8, "stem_padding": 2}),
    (3, 16, {"name": "small_conv", "width": 4}),
    (1, 8, {"name": "small_conv", "stem_padding": 2}),
)


@pytest.mark.parametrize("name", ["torchvision", "safetensors"])
@pytest.mark.parametrize(("channels", "size", "encoder"), ENCODERS)
def test_the_lines_of_the_card_give_equal_features(
    channels: int, size: int, encoder: dict, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "safetensors":
        pytest.importorskip("safetensors")
    source = frozen(channels, size, **encoder)
    images = torch.randn(3, channels, size, size)
    found = loaded(source, name, tmp_path, monkeypatch)(images)
    assert found.shape == (3, source.encoder.feature_dim)
    assert torch.equal(found, source.encoder(images))


def test_the_weights_are_torchvisions_own_names() -> None:
    import torchvision

    own = torchvision.models.resnet18().state_dict()
    weights = backbone.weights_of(frozen(3, 32, name="resnet18"))
    assert set(own) - set(weights) == {"fc.weight", "fc.bias"}
    assert {name for name in weights if own[name].shape != weights[name].shape} == {"conv1.weight"}


def test_onnx_gives_equal_features_for_any_number_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in backbone.FORMATS["onnx"].needs:
        pytest.importorskip(package)
    source = frozen(3, 8, name="small_conv", width=4)
    model = loaded(source, "onnx", tmp_path, monkeypatch)
    for count in (1, 7):
        images = torch.randn(count, 3, 8, 8)
        own = source.encoder(images).numpy()
        np.testing.assert_allclose(model(images.numpy()), own, rtol=0, atol=1e-4 * max(1, abs(own).max()))
    content = (tmp_path / "backbone.onnx").read_bytes()
    assert backbone.onnx_difference(source, content) <= 1e-5
    with torch.no_grad():
        source.encoder.layers[0].weight.mul_(1.01)
    assert backbone.onnx_difference(source, content) > backbone.ONNX_AGREES  # another encoder's file is noticed


def test_what_is_not_installed_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("onnx") else there(name))
    backbone.check_installed("torchvision")
    with pytest.raises(UserError, match=r"^--to onnx needs onnx, onnxscript, onnxruntime: pip install .*--extra onnx"):
        backbone.check_installed("onnx")
