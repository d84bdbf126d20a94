"""Bytes that the settings foretell are those that the built support set has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.trial_helpers import tiny
from trainables.settings.config import RunConfig
from trainables.support.build import build
from trainables.vocabulary.methods_and_support_sets import METHODS, support_bytes

SETTINGS = st.fixed_dictionaries(
    {
        "queue_size": st.integers(1, 5000),
        "queue_dtype": st.sampled_from(["float32", "float16", "int8"]),
        "mask_same_image": st.booleans(),
        "k": st.integers(1, 3000),
        "prototype_dtype": st.sampled_from(["float32", "float16"]),
        "update": st.sampled_from(["count", "ema"]),
        "forget_every": st.integers(0, 4),
        "revive_after": st.sampled_from([0.0, 0.1]),
    }
)


def built(run: RunConfig) -> int:
    kind, dim = METHODS[run.method].support, run.heads.embedding_dim
    return build(kind, run.support, run.positives, dim=dim, num_classes=10, device="meta", seed=0).nbytes


def foretold(run: RunConfig) -> int:
    return support_bytes(run.method, run.support, run.heads.embedding_dim)


@given(st.sampled_from(sorted(METHODS)), SETTINGS, st.integers(2, 300))
def test_settings_foretell_the_bytes(method: str, support: dict, dim: int) -> None:
    run = tiny(method, support=support, heads={"embedding_dim": dim})
    assert foretold(run) == built(run)


def test_the_seed_studys_prototypes() -> None:
    """400 prototypes of 256 float32: with forgetting the newest embeddings count too."""
    for forget_every, expected in ((3, 820_800), (0, 411_200)):
        run = tiny("kmclr", support={"k": 400, "forget_every": forget_every}, heads={"embedding_dim": 256})
        assert foretold(run) == built(run) == expected
