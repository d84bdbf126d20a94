"""Rings, fronts, hypervolumes, splits and batches of any size against slow references."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from tests.helpers.trial_helpers import tiny
from trainables import dominance
from trainables.data.splits import split_rows
from trainables.settings.config import DataConfig
from trainables.support import build as support_sets
from trainables.support.queue import ring_slices, ring_write
from trainables.trial import Trial
from trainables.vocabulary.errors import UserError

COSTS = st.integers(1, 3).flatmap(
    lambda objectives: st.lists(
        st.lists(st.integers(0, 6).map(float), min_size=objectives, max_size=objectives), min_size=1, max_size=12
    )
)


@given(size=st.integers(1, 20), batches=st.lists(st.integers(0, 50), max_size=8))
def test_a_ring_keeps_the_newest_rows(size: int, batches: list[int]) -> None:
    ring, newest, at, given_so_far = torch.full((size,), -1), deque(maxlen=size), 0, 0
    for count in batches:
        rows = torch.arange(given_so_far, given_so_far + count)
        at, parts = ring_slices(at, size, count)
        ring_write(ring, rows, parts)
        newest.extend(rows.tolist())
        given_so_far += count
    assert sorted(ring[ring >= 0].tolist()) == sorted(newest)
    assert at == given_so_far % size


@pytest.mark.parametrize("kind", ["queue", "prototypes"])
@given(size=st.integers(1, 12), batches=st.lists(st.integers(2, 30), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_support_sets_of_any_size(kind: str, size: int, batches: list[int], seed: int) -> None:
    cfg = tiny("none", support={"queue_size": size, "k": size, "forget_every": 2})
    device = torch.device("cpu")
    support = support_sets.build(kind, cfg.support, cfg.positives, dim=4, num_classes=3, device=device, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for epoch, count in enumerate(batches, 1):
        keys = torch.randn(count, 4, generator=generator)
        found = support.look_up(keys)
        assert torch.allclose(found.positives_BD.norm(dim=1), torch.ones(count), atol=1e-4)
        assert 0 <= int(found.index_B.min()) <= int(found.index_B.max()) < size
        support.update(keys)
        if kind == "prototypes" and support.ready:
            assert bool((support.counts_K >= 1).all())
        support.end_epoch(epoch)
    rows = support.vectors_for_plot()
    assert len(rows) == min(size, sum(batches))
    assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)), atol=1e-4)


@given(costs=COSTS)
def test_fronts_and_hypervolumes(costs: list[list[float]]) -> None:
    costs_NM = np.array(costs)
    beaten = [any((other <= one).all() and (other < one).any() for other in costs_NM) for one in costs_NM]
    assert dominance.on_front(costs_NM).tolist() == [not b for b in beaten]
    assert ((dominance.ranks(costs_NM) == 0) == dominance.on_front(costs_NM)).all()
    corner = np.full(costs_NM.shape[1], 5.0)
    assert dominance.hypervolume(costs_NM, corner) == pytest.approx(float(HV(ref_point=corner)(costs_NM)))


@given(
    labels=st.lists(st.integers(0, 2), min_size=3, max_size=60),
    held=st.integers(1, 8),
    limit=st.none() | st.integers(2, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_splits_share_no_image(labels: list[int], held: int, limit: int | None, seed: int) -> None:
    cfg = DataConfig(name="digits", validation_per_class=held, train_limit=limit, split_seed=seed)
    labels_N = np.array(labels)
    try:
        train, validation = split_rows(labels_N, ("a", "b", "c"), cfg)
    except UserError:
        return
    assert not set(train.tolist()) & set(validation.tolist())
    assert np.bincount(labels_N[validation], minlength=3).tolist() == [held] * 3
    assert len(set(train.tolist())) == len(train) <= (limit or len(labels))


@given(images=st.integers(1, 80), batch=st.integers(1, 40), drop_last=st.booleans(), seed=st.integers(0, 99))
def test_an_epoch_sees_each_image_at_most_once(images: int, batch: int, drop_last: bool, seed: int) -> None:
    run = SimpleNamespace(
        train_data=SimpleNamespace(labels=torch.zeros(images)),
        cfg=tiny("none", train={"batch_size": batch, "drop_last": drop_last}),
        generator=torch.Generator().manual_seed(seed),
        device="cpu",
    )
    try:
        Trial._plan_steps(run)
    except UserError:
        assert batch < 2 or images < 2
        return
    batches = Trial._batches(run)
    seen = [len(part) for part in batches]
    assert len(batches) == run.steps_per_epoch
    assert all(2 <= count <= batch for count in seen)
    index = torch.cat(batches)
    assert len(index.unique()) == len(index) == run.images_per_epoch
    assert images - len(index) <= (batch - 1 if drop_last else 1)
