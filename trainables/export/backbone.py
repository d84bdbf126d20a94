"""An encoder as a file that is read without this program, and the lines that read it.

Weights get the names of torchvision's own modules: its ResNet-18, and for small_conv a row of its Conv2dNormActivation.
torch counts the batches that a norm has seen, which nothing here reads; the counters are there, at 0.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.evaluation.offline import Frozen
from trainables.files import write_atomically
from trainables.model.networks import DEFAULT_WIDTH
from trainables.settings import own_code
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import ENCODER, ENCODERS
from trainables.wording import shorten

ONNX_AGREES = 1e-4
"""Most by which a feature may differ in ONNX Runtime, as a share of the largest feature (at least 1)."""
_CHECKED_IMAGES = 5
_EXTRA = "pip install 'onnx>=1.17' 'onnxscript>=0.5' 'onnxruntime>=1.20', or uv run --extra onnx python -m ..."


class Format(NamedTuple):
    """What `--to` names. write: the file of an encoder; returns what the card says of how it was checked."""

    file: str
    needs: tuple[str, ...]
    write: Callable[[Frozen, Path], str]
    loading: Callable[[Frozen], list[str]]
    install: str = ""


def check_installed(name: str) -> None:
    """UserError, with the way out, if a format needs a package that is not there."""
    missing = [package for package in FORMATS[name].needs if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(f"--to {name} needs {', '.join(missing)}: {FORMATS[name].install}")


# --- weights ---


def weights_of(frozen: Frozen) -> dict[str, Tensor]:
    """The encoder's state under torchvision's names; of an encoder of one's own under its own."""
    state = {name: value.detach().cpu().contiguous().clone() for name, value in frozen.encoder.state_dict().items()}
    if frozen.cfg.encoder.name in ENCODERS.loaded:
        return state
    if frozen.cfg.encoder.name == "small_conv":
        state = {_in_blocks(name): value for name, value in state.items()}
    norms = [name.removesuffix("running_var") for name in state if name.endswith("running_var")]
    return state | {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}


def _in_blocks(name: str) -> str:
    """`layers.4.bias` -> `1.1.bias`: convolution, norm and ReLU of a layer are one block."""
    _, place, rest = name.split(".")
    return f"{int(place) // 3}.{int(place) % 3}.{rest}"


def _write_torch(frozen: Frozen, path: Path) -> str:
    if frozen.cfg.encoder.name in ENCODERS.loaded:
        raise UserError(
            f"--to torchvision: torchvision has no network like {shorten(frozen.cfg.encoder.name)}; "
            f"use --to safetensors or --to onnx"
        )
    buffer = io.BytesIO()
    torch.save(weights_of(frozen), buffer)
    write_atomically(path, buffer.getvalue())
    return ""


def _write_safetensors(frozen: Frozen, path: Path) -> str:
    from safetensors.torch import save

    write_atomically(path, save(weights_of(frozen), {"format": "pt"}))
    return ""


# --- ONNX ---


def _write_onnx(frozen: Frozen, path: Path) -> str:
    """Raises UserError for an encoder that ONNX cannot hold, or whose features differ there."""
    images = _noise(frozen, 2)
    try:
        program = torch.onnx.export(
            frozen.encoder, (images,), dynamo=True, verbose=False, input_names=["images"], output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    except (torch.onnx.OnnxExporterError, torch.onnx.errors.UnsupportedOperatorError) as error:
        said = shorten(" ".join(str(error).split()))
        raise UserError(f"--to onnx: ONNX cannot hold this encoder ({said}); use --to safetensors") from None
    content = program.model_proto.SerializeToString()
    difference = onnx_difference(frozen, content)
    if not difference <= ONNX_AGREES:
        raise UserError(
            f"--to onnx: features differ by {difference:.1e} of the largest in ONNX Runtime, more than "
            f"{ONNX_AGREES:g}; use --to safetensors"
        )
    write_atomically(path, content)
    return (
        f"Compared with the encoder on {_CHECKED_IMAGES} images of noise: features in ONNX Runtime differ by at most "
        f"{difference:.0e} of the largest feature. The number of images is free, their size is fixed."
    )


def onnx_difference(frozen: Frozen, content: bytes) -> float:
    """The largest difference of a feature between the encoder and ONNX Runtime on a CPU, as `ONNX_AGREES` has it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    images = _noise(frozen, _CHECKED_IMAGES)
    own = frozen.encoder(images)
    theirs = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    return float((own - theirs).abs().max() / own.abs().max().clamp_min(1.0))


def _noise(frozen: Frozen, count: int) -> Tensor:
    """Images of noise as the encoder takes them."""
    shape = count, frozen.channels, frozen.image_size, frozen.image_size
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (frozen.mean, frozen.std))
    return (pixels - mean) / std


# --- lines that load ---


def building(frozen: Frozen) -> tuple[list[str], list[str]]:
    """Imports, and the lines that make `model`, an untrained network of the encoder's shape."""
    cfg = frozen.cfg.encoder
    if cfg.name in ENCODERS.loaded:
        return _building_own(frozen)
    width = cfg.width or DEFAULT_WIDTH[cfg.name]
    if cfg.name == "small_conv":
        blocks = ", ".join(
            f"Block({before}, {after}, 3, {stride}, {padding})"
            for before, after, stride, padding in (
                (frozen.channels, width, 1, cfg.stem_padding),
                (width, 2 * width, 2, 1),
                (2 * width, 4 * width, 2, 1),
                (4 * width, 4 * width, 1, 1),
            )
        )
        imports = ["from torch import nn", "from torchvision.ops import Conv2dNormActivation as Block"]
        return imports, [f"model = nn.Sequential({blocks}, nn.AdaptiveAvgPool2d(1), nn.Flatten())"]
    stem = f"nn.Conv2d({frozen.channels}, {width}, 3, padding={cfg.stem_padding}, bias=False)"
    made = f"model = resnet18(); model.conv1, model.maxpool, model.fc = {stem}, nn.Identity(), nn.Identity()"
    imports = ["from torch import nn", "from torchvision.models import resnet18"]
    if width == 64:
        return imports, [made]
    imports[-1] = "from torchvision.models.resnet import BasicBlock, resnet18"
    made += f"; model.inplanes, model.bn1 = {width}, nn.BatchNorm2d({width})"
    stages = f"model._make_layer(BasicBlock, {width} * 2**i, 2, stride=1 + (i > 0))"
    return imports, [made, f'for i in range(4): setattr(model, f"layer{{i + 1}}", {stages})']


def _building_own(frozen: Frozen) -> tuple[list[str], list[str]]:
    part = ENCODERS.loaded[frozen.cfg.encoder.name]
    options = own_code.options(ENCODER, frozen.cfg.encoder)
    given = "None" if options is None else f"{part.__name__}.Options(**{options.model_dump()!r})"
    return [f"from {part.__module__} import {part.__name__}"], [f"model = {part.__name__}({frozen.channels}, {given})"]


def _loading(frozen: Frozen, imported: str, read: str) -> list[str]:
    imports, lines = building(frozen)
    return [imported, *imports, "", *lines, f"model.load_state_dict({read}); model.eval()"]


def _loading_onnx(frozen: Frozen) -> list[str]:
    return [
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("backbone.onnx", providers=["CPUExecutionProvider"])',
        'def model(images): return session.run(None, {"images": images})[0]  # NumPy arrays, float32',
    ]


FORMATS = {
    "torchvision": Format(
        "backbone.pth",
        (),
        _write_torch,
        lambda frozen: _loading(frozen, "import torch", 'torch.load("backbone.pth", weights_only=True)'),
    ),
    "safetensors": Format(
        "backbone.safetensors",
        ("safetensors",),
        _write_safetensors,
        lambda frozen: _loading(frozen, "from safetensors.torch import load_file", 'load_file("backbone.safetensors")'),
        "pip install 'safetensors>=0.4'",
    ),
    "onnx": Format("backbone.onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _loading_onnx, _EXTRA),
}
