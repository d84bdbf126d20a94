"""What a checkpoint with a right checksum may hold and no run has written there: name -> made of a trial's state."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trainables import checkpoint


def _without(*names: str) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {name: value for name, value in state.items() if name not in names}


def _method(change: Callable[[str, torch.Tensor], Any]) -> Callable[[dict[str, Any]], Any]:
    """The networks' tensors changed one by one."""

    def changed(state: dict[str, Any]) -> dict[str, Any]:
        tensors = {
            name: change(name, value) if isinstance(value, torch.Tensor) else value
            for name, value in state["method"].items()
        }
        return {**state, "method": tensors}

    return changed


FOREIGN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda state: None,
    "a tensor": lambda state: torch.zeros(3),
    "a list": lambda state: [state],
    "an empty object": lambda state: {},
    "only weights": lambda state: dict(state["method"]),
    "another class of object": lambda state: {**state, "kind": "dataset"},
    "no settings": _without("config"),
    "settings as text": lambda state: {**state, "config": "kmclr"},
    "no data": _without("data"),
    "no optimiser": _without("optimizer"),
    "an optimiser without memory": lambda state: {**state, "optimizer": {**state["optimizer"], "state": {}}},
    "an optimiser of one parameter": lambda state: {**state, "optimizer": state["probe_optimizer"]},
    "no generator": _without("generator"),
    "a generator of floats": lambda state: {**state, "generator": torch.zeros(3)},
    "networks missing": lambda state: {**state, "method": {}},
    "networks of other shapes": _method(lambda name, value: torch.zeros(*value.shape, 2, dtype=value.dtype)),
    "networks of whole numbers": _method(lambda name, value: torch.zeros(value.shape, dtype=torch.int8)),
    "no epoch": _without("epoch"),
    "an epoch as text": lambda state: {**state, "epoch": "1"},
    "an epoch before the first": lambda state: {**state, "epoch": -1},
    "an epoch after the last": lambda state: {**state, "epoch": 10**30},
    "steps of another run": lambda state: {**state, "step": state["step"] + 1},
    "values never measured": lambda state: {**state, "evaluator": {"last": {}, "last_picture": None}},
    "a part more": lambda state: {**state, "more": 1},
}


class Code:
    """Unpickling it would touch a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


def sealed(path: Path, body: bytes) -> None:
    """A checkpoint file of any body with its right checksum."""
    header = f"{checkpoint.MAGIC} {checkpoint.VERSION} {zlib.crc32(body):08x} {len(body)}\n"
    path.write_bytes(header.encode() + body)


def archive(content: Any) -> bytes:
    """As torch saves it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def pickled(content: Any) -> bytes:
    """As Python alone saves it."""
    return pickle.dumps(content)
