"""Pictures of a support set: exact in a plane, no turning from one to the next, the share of variance they show."""

from __future__ import annotations

import pytest
import torch

from trainables.evaluation.projection import MAX_VECTORS, picture, project


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_distances_within_a_plane_are_kept():
    # Unit rows on a circle round an axis: all of the variance lies in a plane.
    angle = torch.linspace(0, 5, 40)
    sample = torch.stack([angle.cos(), angle.sin(), torch.full((40,), 2.0)], dim=1)
    vectors, positions, shown = project(sample[:7], sample, None)
    unit = torch.nn.functional.normalize(sample.double(), dim=1)
    torch.testing.assert_close(torch.cdist(positions, positions), torch.cdist(unit, unit), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(vectors, positions[:7])
    assert shown == pytest.approx(1)


def test_the_share_of_variance_is_that_of_two_principal_components():
    sample = torch.nn.functional.normalize(torch.randn(200, 6, generator=generator(0)), dim=1)
    variances = torch.linalg.eigvalsh(torch.cov(sample.double().T))
    assert project(sample, sample, None)[2] == pytest.approx(float(variances[-2:].sum() / variances.sum()))


def test_a_turned_or_mirrored_embedding_gives_the_same_picture():
    sample, vectors = torch.randn(80, 5, generator=generator(0)), torch.randn(9, 5, generator=generator(1))
    sample[:, 0] *= 3
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator(2)))[0]
    turn[:, 0] *= -1  # one of the two is a reflection
    drawn, before, _ = project(vectors, sample, None)
    again, after, _ = project(vectors @ turn, sample @ turn, before)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again, drawn, atol=1e-5, rtol=1e-5)


def test_a_picture_is_plain_lists_and_thins_out_large_sets():
    sample, labels = torch.randn(20, 4, generator=generator(0)), torch.arange(20) % 3
    vectors = torch.randn(MAX_VECTORS + 300, 4, generator=generator(1))
    line, positions = picture(7, vectors, sample, labels, None)
    assert (line["epoch"], line["labels"]) == (7, labels.tolist())
    assert len(line["vectors"]) == MAX_VECTORS
    whole, _, _ = project(vectors, sample, None)
    for kept, wanted in ((line["vectors"][0], whole[0]), (line["vectors"][-1], whole[-1])):
        assert kept == pytest.approx(wanted.tolist(), abs=1e-4)
    assert line["sample"][3] == pytest.approx(positions[3].tolist(), abs=1e-4)
    assert picture(1, vectors[:0], sample, labels, None)[0]["vectors"] == []
