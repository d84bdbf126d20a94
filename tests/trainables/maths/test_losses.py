"""Losses against hand-computed values, slow references and lightly."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from tests.helpers.support_helpers import make
from trainables.maths.losses import both_directions, byol_loss, neighbour_nce, nt_xent

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lightly.loss import NegativeCosineSimilarity, NTXentLoss
    from lightly.models.modules import NNMemoryBankModule


def pair(batch: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, dim, generator=generator), torch.randn(batch, dim, generator=generator)


def test_nt_xent_by_hand():
    # Two images with orthogonal embeddings and equal views: the positive has cosine 1, the two negatives 0.
    z = torch.eye(2)
    expected = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 2))
    assert nt_xent(z, z, 0.5).item() == pytest.approx(expected, rel=1e-6)


def test_neighbour_nce_by_hand():
    # Rows are positives, columns predictions: cosines [[1, 0], [1, 0]], right answers 0 and 1.
    positives = torch.tensor([[3.0, 0.0], [1.0, 0.0]])
    predictions = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    log_sum = math.log(math.exp(1 / 0.2) + 1)
    assert neighbour_nce(positives, predictions, 0.2).item() == pytest.approx(log_sum - (5.0 + 0.0) / 2, rel=1e-6)


def test_byol_loss_by_hand():
    predictions = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    targets = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-4.0, 0.0]])
    assert byol_loss(predictions, targets).item() == pytest.approx((0 + 2 + 4) / 3)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("batch", [2, 7, 32])
def test_nt_xent_agrees_with_lightly(batch, temperature):
    z1, z2 = pair(batch, 16)
    torch.testing.assert_close(nt_xent(z1, z2, temperature), NTXentLoss(temperature=temperature)(z1, z2))


def test_nt_xent_gradient_agrees_with_lightly():
    ours = [z.requires_grad_() for z in pair(8, 16)]
    theirs = [z.requires_grad_() for z in pair(8, 16)]
    nt_xent(*ours, 0.2).backward()
    NTXentLoss(temperature=0.2)(*theirs).backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def lightly_nce(positives: torch.Tensor, predictions: torch.Tensor, temperature: float) -> torch.Tensor:
    """lightly's contrastive loss with a memory bank of negatives, one row at a time: the bank holds the predictions of
    the other samples, which makes its row the row of NNCLR's equation 3."""
    batch, dim = predictions.shape
    rows = []
    for i in range(batch):
        criterion = NTXentLoss(temperature=temperature, memory_bank_size=(batch - 1, dim))
        criterion.memory_bank.bank = F.normalize(torch.cat([predictions[:i], predictions[i + 1 :]]), dim=1)
        rows.append(criterion(positives[i : i + 1], predictions[i : i + 1]))
    return torch.stack(rows).mean()


def test_neighbour_nce_agrees_with_lightly():
    positives, predictions = pair(6, 8)
    torch.testing.assert_close(neighbour_nce(positives, predictions, 0.1), lightly_nce(positives, predictions, 0.1))


def test_nnclrs_loss_in_both_directions_agrees_with_lightlys_bank_and_loss():
    # Our queue and loss on one side, lightly's bank and loss on the other; the same stored keys, queries, predictions.
    keys, stored = pair(12, 8, seed=3)
    z1, z2 = pair(6, 8, seed=4)
    p1, p2 = pair(6, 8, seed=5)
    queue, bank = make("nnclr", {"queue_size": 24}), NNMemoryBankModule(size=(24, 8))
    for rows in (keys, stored):
        queue.update(rows)
    bank.bank = F.normalize(torch.cat([keys, stored]), dim=1)
    found = queue.look_up(torch.cat([z1, z2]))
    assert len(found.index_B.unique()) > 3
    ours = both_directions(found.positives_BD, torch.cat([p1, p2]), 0.1)
    n1, n2 = bank(z1, update=False), bank(z2, update=False)
    torch.testing.assert_close(ours, (lightly_nce(n1, p2, 0.1) + lightly_nce(n2, p1, 0.1)) / 2)


def test_both_directions_is_the_mean_of_two_losses():
    (n1, n2), (p1, p2) = (F.normalize(rows, dim=1) for rows in pair(6, 8)), pair(6, 8, seed=1)
    expected = (neighbour_nce(n1, p2, 0.2) + neighbour_nce(n2, p1, 0.2)) / 2
    torch.testing.assert_close(both_directions(torch.cat([n1, n2]), torch.cat([p1, p2]), 0.2), expected)


def test_both_directions_gives_positives_no_gradient():
    positives, predictions = (rows.requires_grad_() for rows in pair(12, 8))
    both_directions(positives, predictions, 0.2).backward()
    assert positives.grad is None
    assert predictions.grad.abs().sum() > 0


def test_byol_loss_agrees_with_lightly():
    predictions, targets = pair(9, 16)
    torch.testing.assert_close(
        byol_loss(predictions, targets), 2 + 2 * NegativeCosineSimilarity()(predictions, targets)
    )


def test_neighbour_nce_slow_reference():
    positives, predictions = pair(5, 4)
    total = 0.0
    for i in range(5):
        cosines = [F.cosine_similarity(positives[i], predictions[j], dim=0).item() / 0.3 for j in range(5)]
        total += math.log(sum(math.exp(c) for c in cosines)) - cosines[i]
    assert neighbour_nce(positives, predictions, 0.3).item() == pytest.approx(total / 5, rel=1e-5)


def test_positives_and_targets_get_no_gradient():
    a, b = (z.requires_grad_() for z in pair(4, 8))
    (neighbour_nce(a, b, 0.1) + byol_loss(b, a)).backward()
    assert a.grad is None
    assert b.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", [nt_xent, neighbour_nce])
def test_batch_of_one_has_no_negatives(loss):
    z1, z2 = (z.requires_grad_() for z in pair(1, 8))
    value = loss(z1, z2, 0.1)
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(z2.grad).all()


def test_losses_ignore_the_length_of_rows():
    z1, z2 = pair(6, 8)
    scale = torch.rand(6, 1) + 0.5
    torch.testing.assert_close(nt_xent(z1 * scale, z2, 0.2), nt_xent(z1, z2, 0.2))
    torch.testing.assert_close(neighbour_nce(z1, z2 * scale, 0.2), neighbour_nce(z1, z2, 0.2))
    torch.testing.assert_close(byol_loss(z1 * scale, z2), byol_loss(z1, z2))


def test_losses_are_float32_under_autocast():
    z1, z2 = pair(6, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = nt_xent(z1, z2, 0.1), neighbour_nce(z1, z2, 0.1), byol_loss(z1, z2)
    expected = nt_xent(z1, z2, 0.1), neighbour_nce(z1, z2, 0.1), byol_loss(z1, z2)
    for value, wanted in zip(values, expected, strict=True):
        assert value.dtype == torch.float32
        assert torch.equal(value, wanted)


def test_nan_stays_visible():
    z1, z2 = pair(4, 8)
    z1[2, 3] = float("nan")
    assert nt_xent(z1, z2, 0.1).isnan()
    assert neighbour_nce(z2, z1, 0.1).isnan()
    assert byol_loss(z1, z2).isnan()
