"""The FIFO queue: ring contents, exact search, storage formats, masking, and agreement with lightly."""

import collections
import warnings

import pytest
import torch

from tests.helpers.support_helpers import BATCH, DIM, make, step, stream, unit
from trainables.support import queue as support_queue
from trainables.support.queue import ring_slices, ring_write, to_codes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lightly.models.modules import NNMemoryBankModule


def content(queue) -> torch.Tensor:
    """Rows from oldest to newest."""
    order = torch.arange(queue.at - queue.filled, queue.at) % queue.size
    return queue._unit_rows(order)


@pytest.mark.parametrize("size", [1, 2, 7, 16, 50, 64, 1000])
@pytest.mark.parametrize("batches", [(1,) * 9, (16,) * 12, (7, 16, 3, 50, 1, 33), (64, 64), (130, 5, 200)])
def test_ring_holds_what_a_deque_holds(size, batches):
    queue, reference = make("nnclr", {"queue_size": size}), collections.deque(maxlen=size)
    generator = torch.Generator().manual_seed(0)
    place = 0  # of the next row: a deque has no places, a ring must keep each row where it was until overwritten
    for count in batches:
        keys = torch.randn(count, DIM, generator=generator)
        ids = torch.arange(place, place + count)
        queue.update(keys, ids_B=ids, labels_B=ids % 3)
        reference.extend(zip(unit(keys), ids.tolist(), strict=True))
        place += count
        assert queue.filled == len(reference)
        assert queue.at == place % size
        torch.testing.assert_close(content(queue), torch.stack([row for row, _ in reference]))
        order = torch.arange(queue.at - queue.filled, queue.at) % size
        assert queue.diagnostics_.ids_Q[order].tolist() == [i for _, i in reference]
        assert queue.diagnostics_.labels_Q[order].tolist() == [i % 3 for _, i in reference]


def test_ring_slices_by_hand():
    assert ring_slices(3, 5, 4) == (2, [(3, 0, 2), (0, 2, 2)])
    assert ring_slices(3, 5, 2) == (0, [(3, 0, 2)])
    assert ring_slices(0, 5, 0) == (0, [])
    next_place, parts = ring_slices(1, 3, 8)  # rows 5, 6, 7 stay, at places 6 % 3, 7 % 3, 8 % 3
    assert next_place == 0
    buffer = torch.zeros(3)
    ring_write(buffer, torch.arange(8.0), parts)
    assert buffer.tolist() == [5, 6, 7]


def test_agrees_with_lightly_before_its_wrap_around():
    queue = make("nnclr", {"queue_size": 100})
    bank = NNMemoryBankModule(size=(100, DIM))
    for i, (keys, _, _) in enumerate(stream(7)):
        if i > 0:
            bank.bank[queue.filled :] = 0  # ours searches filled rows only; zero rows lose to any positive cosine
            theirs = bank(keys, update=True)
            found = queue.look_up(keys)
            assert found.valid
            torch.testing.assert_close(found.positives_BD, unit(theirs))
        else:
            bank(keys, update=True)
        if queue.filled + BATCH >= 100:
            break
        queue.update(keys)
        torch.testing.assert_close(queue.rows_QD[: queue.filled], unit(bank.bank[: queue.filled]))
    assert i == 6


def test_lightly_drops_rows_on_wrap_around_and_we_do_not():
    queue, bank = make("nnclr", {"queue_size": 40}), NNMemoryBankModule(size=(40, DIM))
    batches = stream(3)
    for keys, _, _ in batches:
        queue.update(keys)
        bank(keys, update=True)
    newest = unit(batches[2][0][-1])
    assert (queue.rows_QD @ newest).max().item() == pytest.approx(1.0)
    assert (unit(bank.bank) @ newest).max().item() < 0.999


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("kind", ["nearest", "topk"])
def test_search_equals_brute_force_over_several_wraps(dtype, kind, monkeypatch):
    monkeypatch.setitem(support_queue.CHUNK_BYTES, "cpu", 4 * 11 * (32 + DIM))  # chunks of about 11 rows
    queue = make("nnclr", {"queue_size": 50, "queue_dtype": dtype}, {"kind": kind, "top_k": 3})
    for keys, ids, labels in stream(12):
        if queue.ready:
            rows = queue._unit_rows(torch.arange(queue.filled))
            # float16 rows are compared as stored (their length is off by 1e-4) and normalised when drawn
            stored = queue.rows_QD[: queue.filled].float() if dtype == "float16" else rows
            similarity = unit(keys) @ stored.T
            best = similarity.topk(3 if kind == "topk" else 1, dim=1).indices
            found = queue.look_up(keys)
            assert torch.equal(found.index_B, best[:, 0])
            torch.testing.assert_close(found.positives_BD, unit(rows[best].mean(dim=1)))
        step(queue, keys, ids, labels)


def test_working_memory_of_a_look_up_is_bounded(monkeypatch):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        bytes = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and not func.is_view:
                self.bytes = max(self.bytes, out.nbytes)
            return out

    monkeypatch.setitem(support_queue.CHUNK_BYTES, "cpu", 1 << 16)
    queue = make("nnclr", {"queue_size": 20_000, "queue_dtype": "float16"})
    queue.update(torch.randn(20_000, DIM))
    with Largest() as largest:
        queue.look_up(torch.randn(32, DIM))
    assert 1 << 14 < largest.bytes <= 1 << 16


@pytest.mark.parametrize(("dtype", "share"), [("float16", 0.995), ("int8", 0.95)])
def test_small_formats_find_nearly_the_same_neighbours(dtype, share):
    generator = torch.Generator().manual_seed(0)
    keys, queries = torch.randn(3000, DIM, generator=generator), torch.randn(1000, DIM, generator=generator)
    found = []
    for name in ("float32", dtype):
        queue = make("nnclr", {"queue_size": 3000, "queue_dtype": name})
        queue.update(keys)
        found.append(queue.look_up(queries))
    same = (found[0].index_B == found[1].index_B).float().mean().item()
    assert same >= share
    # Where another row was chosen it is a near-tie.
    exact = unit(keys)[found[1].index_B]
    loss = (found[0].positives_BD * unit(queries)).sum(1) - (exact * unit(queries)).sum(1)
    assert loss.max().item() < 0.01


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_positives_are_unit_float32_rows(dtype):
    queue = make("nnclr", {"queue_dtype": dtype})
    queue.update(100 * torch.randn(30, DIM))
    positives = queue.look_up(torch.randn(9, DIM, dtype=torch.bfloat16)).positives_BD
    assert positives.dtype == torch.float32
    torch.testing.assert_close(positives.norm(dim=1), torch.ones(9), atol=1e-6, rtol=0)


def test_codes_are_close_to_the_row_and_use_the_whole_range():
    rows = unit(torch.randn(40, 64, generator=torch.Generator().manual_seed(0)))
    codes, scale = to_codes(rows)
    assert codes.dtype == torch.int8
    assert (codes.abs().amax(dim=1) == 127).all()
    restored = codes * scale[:, None]
    torch.testing.assert_close(restored.norm(dim=1), torch.ones(40))
    assert (restored * rows).sum(dim=1).min().item() > 0.9999
    zero_codes, zero_scale = to_codes(torch.zeros(1, 4))
    assert (zero_codes * zero_scale[:, None] == 0).all()


def test_look_up_then_enqueue_never_finds_the_sample_itself():
    # Enqueued first, as one public implementation does, every first view would find itself (cosine 1).
    queue = make("nnclr", {"queue_size": 100})
    for keys, ids, labels in stream(12):
        positives = step(queue, keys, ids, labels)[:BATCH]
        if queue.filled > BATCH:
            assert ((positives * unit(keys)).sum(dim=1) < 0.9999).all()
    assert queue.diagnostics()["self_hit_rate"].item() == 0
    wrong_order = queue.look_up(keys)
    torch.testing.assert_close((wrong_order.positives_BD * unit(keys)).sum(dim=1), torch.ones(BATCH))


def test_self_hit_rate_and_purity_by_hand():
    queue = make("nnclr")
    keys = torch.eye(4, DIM)
    queue.update(keys, ids_B=torch.tensor([10, 11, 12, 13]), labels_B=torch.tensor([0, 0, 1, 1]))
    queue.look_up(keys, ids_N=torch.tensor([10, 0, 0, 0]), labels_N=torch.tensor([0, 0, 1, 0]))
    values = queue.diagnostics()
    assert values["self_hit_rate"].item() == pytest.approx(1 / 4)
    assert values["neighbour_purity"].item() == pytest.approx(3 / 4)
    queue.look_up(keys, ids_N=torch.tensor([0, 0, 0, 0]), labels_N=torch.tensor([0, 0, 1, 1]))
    values = queue.diagnostics()
    assert values["self_hit_rate"].item() == pytest.approx(1 / 8)
    assert values["neighbour_purity"].item() == pytest.approx(7 / 8)
    queue.end_epoch(1)
    assert queue.diagnostics() == {}


def test_masking_skips_rows_of_the_same_image():
    keys, ids = torch.eye(3, DIM) + 0.1, torch.tensor([7, 8, 9])
    plain, masked = make("nnclr"), make("nnclr", {"mask_same_image": True})
    for queue in (plain, masked):
        queue.update(keys, ids_B=ids)
    assert plain.look_up(keys, ids_N=ids).index_B.tolist() == [0, 1, 2]
    found = masked.look_up(keys, ids_N=ids)
    assert all(i != j for i, j in enumerate(found.index_B.tolist()))
    assert masked.diagnostics()["self_hit_rate"].item() == 0
    assert plain.diagnostics()["self_hit_rate"].item() == 1


@pytest.mark.parametrize("kind", ["nearest", "topk", "soft"])
def test_a_query_with_every_row_masked_is_its_own_positive(kind):
    queue = make("nnclr", {"mask_same_image": True}, {"kind": kind, "top_k": 2})
    keys = torch.randn(3, DIM, generator=torch.Generator().manual_seed(0))
    queue.update(keys, ids_B=torch.tensor([5, 5, 5]))
    queries = torch.randn(2, DIM, generator=torch.Generator().manual_seed(1))
    positives = queue.look_up(queries, ids_N=torch.tensor([5, 6])).positives_BD
    assert torch.isfinite(positives).all()
    torch.testing.assert_close(positives[0], unit(queries[0]))
    assert (positives[1] * unit(queries[1])).sum() < 0.999


def test_masking_weighs_only_allowed_neighbours():
    queue = make("nnclr", {"mask_same_image": True}, {"kind": "topk", "top_k": 3})
    keys = torch.eye(3, DIM)
    queue.update(keys, ids_B=torch.tensor([1, 2, 3]))
    found = queue.look_up(torch.ones(1, DIM), ids_N=torch.tensor([2]))
    torch.testing.assert_close(found.positives_BD[0], unit(keys[0] + keys[2]))


def test_masking_without_ids_is_refused():
    queue = make("nnclr", {"mask_same_image": True})
    with pytest.raises(ValueError, match="mask_same_image needs image ids: pass ids_B"):
        queue.update(torch.randn(2, DIM))
    queue.update(torch.randn(2, DIM), ids_B=torch.arange(2))
    with pytest.raises(ValueError, match="mask_same_image needs image ids: pass ids_N"):
        queue.look_up(torch.randn(2, DIM))


def test_a_queue_is_ready_once_it_holds_the_neighbours_wanted():
    queue, small = (make("nnclr", {"queue_size": size}, {"kind": "topk", "top_k": 3}) for size in (50, 3))
    for support in (queue, small):
        support.update(torch.randn(2, DIM))
        assert not support.ready
        assert not support.look_up(torch.randn(4, DIM)).valid
        support.update(torch.randn(1, DIM))
        assert support.look_up(torch.randn(4, DIM)).valid


def test_only_filled_rows_take_part():
    queue = make("nnclr", {"queue_size": 1000})
    queue.update(-torch.ones(3, DIM))
    found = queue.look_up(torch.ones(4, DIM))  # cosine -1: an unfilled zero row would win with 0
    assert (found.index_B < 3).all()
    torch.testing.assert_close(found.positives_BD, unit(-torch.ones(4, DIM)))


@pytest.mark.parametrize(
    ("support", "nbytes"),
    [
        ({}, 50 * DIM * 4),
        ({"queue_dtype": "float16"}, 50 * DIM * 2),
        ({"queue_dtype": "int8"}, 50 * (DIM + 4)),
        ({"mask_same_image": True}, 50 * (DIM * 4 + 8)),
        ({"queue_dtype": "int8", "mask_same_image": True}, 50 * (DIM + 4 + 8)),
    ],
)
def test_nbytes(support, nbytes):
    queue = make("nnclr", support)
    assert queue.nbytes == nbytes
    assert queue.vectors == 50


def test_vectors_for_plot_are_the_newest_rows(monkeypatch):
    monkeypatch.setattr(support_queue, "PLOT_ROWS", 20)
    queue = make("nnclr")
    assert queue.vectors_for_plot().shape == (0, DIM)
    batches = stream(5)
    for keys, _, _ in batches:
        queue.update(keys)
    newest = unit(torch.cat([keys for keys, _, _ in batches])[-20:])
    torch.testing.assert_close(queue.vectors_for_plot(), newest)
