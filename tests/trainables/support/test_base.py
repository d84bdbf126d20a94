"""What every support set promises: the interface, drawing positives, exact bytes, exact resume, no waiting."""

import copy
import io
import itertools

import pytest
import torch

from tests.helpers.dispatch_counter import count_calls
from tests.helpers.support_helpers import BATCH, CLASSES, DIM, make, step, stream, unit

SUPPORTS = {
    "queue": ("nnclr", {}),
    "queue-float16": ("nnclr", {"queue_dtype": "float16"}),
    "queue-int8-masked": ("nnclr", {"queue_dtype": "int8", "mask_same_image": True}),
    "count": ("kmclr", {}),
    "count-euclidean-k-above-batch": ("kmclr", {"metric": "euclidean", "k": 40}),
    "count-float16-revived": ("kmclr", {"prototype_dtype": "float16", "revive_after": 0.5}),
    "ema": ("kmclr", {"update": "ema", "half_life": 5.0}),
    "ema-sinkhorn-revived": ("kmclr", {"update": "ema", "balance": "sinkhorn", "revive_after": 0.5}),
    "none": ("none", {}),
}
POSITIVES = {
    "nearest": {},
    "topk": {"kind": "topk", "top_k": 3},
    "soft-mixed": {"kind": "soft", "top_k": 3, "mix": "random"},
    "nearest-mixed": {"mix": "random"},
}
CASES = list(itertools.product(SUPPORTS, POSITIVES))


@pytest.mark.parametrize(("support", "positives"), CASES)
def test_resume_equals_uninterrupted_bit_for_bit(support, positives):
    method, settings = SUPPORTS[support]
    whole = make(method, settings, POSITIVES[positives])
    batches = stream(20)
    for i, batch in enumerate(batches[:11]):
        step(whole, *batch)
        if i == 5:
            whole.end_epoch(3)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = make(method, settings, POSITIVES[positives], seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.ready == whole.ready
    for i, batch in enumerate(batches[11:]):
        assert torch.equal(step(resumed, *batch), step(whole, *batch))
        assert_same(resumed, whole)
        if i == 4:
            resumed.end_epoch(6)
            whole.end_epoch(6)


def assert_same(a, b):
    first, second = a.state_dict(), b.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[name]), name
        else:
            state, other = dict(value), dict(second[name])
            for key in state:
                same = torch.equal(state[key], other[key]) if key == "generator" else state[key] == other[key]
                assert same, (name, key)
    values, others = a.diagnostics(), b.diagnostics()
    assert values.keys() == others.keys()
    assert all(torch.equal(values[key], others[key]) for key in values)


@pytest.mark.parametrize(("support", "positives"), CASES)
def test_nothing_waits_for_the_device(support, positives):
    method, settings = SUPPORTS[support]
    support = make(method, settings, POSITIVES[positives])
    batches = stream(6)
    first = count_calls(lambda: step(support, *batches[0]))  # the start too
    for batch in batches[1:4]:
        step(support, *batch)
    assert support.ready or method == "none"
    later = count_calls(lambda: step(support, *batches[4]))
    end = count_calls(lambda: (support.diagnostics(), support.end_epoch(3), support.vectors_for_plot()))
    assert first.syncs == later.syncs == end.syncs == 0


def plain_step(support, queries):
    found = support.look_up(queries)
    support.update(queries[:BATCH], assignment_B=found.index_B[:BATCH])


@pytest.mark.parametrize("settings", [{}, {"forget_every": 0}, {"metric": "euclidean"}])
def test_look_up_of_both_views_and_update_take_at_most_20_calls(settings):
    support, queries = make("kmclr", settings), torch.randn(2 * BATCH, DIM)
    support.update(queries)
    for _ in range(4):  # the ring of recent embeddings wraps in some of them
        calls = count_calls(lambda: plain_step(support, queries))
        assert calls.kernels <= 20, calls.names


def test_a_queue_step_takes_few_calls():
    support, queries = make("nnclr", {"queue_size": 1000}), torch.randn(2 * BATCH, DIM)
    support.update(queries)
    calls = count_calls(lambda: plain_step(support, queries))
    assert calls.kernels <= 14, calls.names


@pytest.mark.parametrize("support", SUPPORTS)
def test_nbytes_is_what_is_really_held(support):
    method, settings = SUPPORTS[support]
    support = make(method, settings)
    held = {id(b): b.untyped_storage().nbytes() for n, b in support.named_buffers() if not n.startswith("diagnostics_")}
    assert support.nbytes == sum(held.values())
    apart = [name for part in support.modules() for name, value in vars(part).items() if torch.is_tensor(value)]
    assert not apart  # nothing is held outside the buffers that are counted
    before = support.nbytes
    for batch in stream(12):
        step(support, *batch)
    support.end_epoch(3)
    assert support.nbytes == before
    saved = support.state_dict()
    tensors = {name: v for name, v in saved.items() if isinstance(v, torch.Tensor) and "diagnostics_" not in name}
    assert sum(v.nbytes for v in tensors.values()) == support.nbytes
    assert not list(support.parameters())


@pytest.mark.parametrize("method", ["nnclr", "kmclr"])
def test_positives_carry_no_gradient_and_keep_no_graph(method):
    support = make(method)
    for keys, ids, labels in stream(4):
        keys = keys.requires_grad_()
        assert not step(support, keys * 2, ids, labels).requires_grad
    assert all(not buffer.requires_grad for buffer in support.buffers())


@pytest.mark.parametrize("method", ["nnclr", "kmclr"])
def test_top_k_and_soft_slow_reference(method):
    for kind in ("topk", "soft"):
        support = make(method, {}, {"kind": kind, "top_k": 3, "soft_temperature": 0.2})
        for batch in stream(5):
            step(support, *batch)
        queries = stream(1, seed=5)[0][0]
        rows = support._unit_rows(torch.arange(support.vectors))
        found = support.look_up(queries)
        for query, positive, best in zip(unit(queries), found.positives_BD, found.index_B, strict=True):
            cosine = rows @ query
            order = cosine.argsort(descending=True)[:3]
            weight = torch.softmax(cosine[order] / 0.2, dim=0) if kind == "soft" else torch.full((3,), 1 / 3)
            torch.testing.assert_close(positive, unit((weight[:, None] * rows[order]).sum(dim=0)))
            assert best == order[0]


def test_soft_with_a_tiny_temperature_is_the_nearest():
    soft, nearest = make("nnclr", {}, {"kind": "soft", "soft_temperature": 1e-6}), make("nnclr")
    for batch in stream(4):
        a, b = step(soft, *batch), step(nearest, *batch)
        torch.testing.assert_close(a, b)


def test_mixing_lies_between_the_neighbour_and_the_query():
    mixed, plain = make("kmclr", {}, {"mix": "random"}), make("kmclr")
    keys = stream(1)[0][0]
    for support in (mixed, plain):
        support.update(keys)
    queries = stream(1, seed=7)[0][0]
    neighbours, positives = plain.look_up(queries).positives_BD, mixed.look_up(queries).positives_BD
    between = (unit(queries) * neighbours).sum(dim=1)
    assert ((positives * neighbours).sum(dim=1) >= between - 1e-5).all()
    assert ((positives * unit(queries)).sum(dim=1) >= between - 1e-5).all()
    # lambda is drawn per sample and spread over (0, 1): recover it from the angle's chord.
    many = torch.randn(2000, DIM, generator=torch.Generator().manual_seed(0))
    share = [
        recover(q, n, p) for q, n, p in zip(unit(many), *(s.look_up(many)[0] for s in (plain, mixed)), strict=True)
    ]
    assert torch.tensor(share).mean().item() == pytest.approx(0.5, abs=0.03)
    assert torch.tensor(share).std().item() == pytest.approx(12**-0.5, abs=0.02)


def recover(query, neighbour, positive) -> float:
    """lambda with positive parallel to lambda * neighbour + (1 - lambda) * query (least squares)."""
    a, b = torch.linalg.lstsq(torch.stack([neighbour, query], dim=1), positive[:, None]).solution.flatten().tolist()
    return a / (a + b)


def test_mixing_is_seeded_and_leaves_the_global_generator_alone():
    a, b, c = (make("kmclr", {}, {"mix": "random"}, seed=seed) for seed in (1, 1, 2))
    state = torch.get_rng_state()
    first = [[step(support, *batch) for batch in stream(3)][-1] for support in (a, b, c)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


@pytest.mark.parametrize("method", ["none", "simclr", "byol", "resa"])
def test_methods_without_a_support_set(method):
    support = make(method)
    queries = torch.randn(4, DIM)
    found = support.look_up(queries)
    support.update(queries)
    support.end_epoch(1)
    assert not support.ready
    assert not found.valid
    torch.testing.assert_close(found.positives_BD, unit(queries))
    assert support.nbytes == support.vectors == 0
    assert support.diagnostics() == {}
    assert support.vectors_for_plot().shape == (0, DIM)


@pytest.mark.parametrize("method", ["nnclr", "kmclr"])
def test_purity_of_a_separated_stream_is_high(method):
    support = make(method)
    for batch in stream(30):
        step(support, *batch)
    purity = support.diagnostics()["neighbour_purity"].item()
    chance = 1 / CLASSES
    first_view = make(method)
    for keys, ids, labels in stream(30):
        first_view.look_up(keys, ids_N=ids, labels_N=labels)
        first_view.update(keys, ids_B=ids, labels_B=labels)
    assert first_view.diagnostics()["neighbour_purity"].item() > 0.8
    assert purity > chance


@pytest.mark.parametrize(
    ("method", "settings"), [("nnclr", {}), ("kmclr", {}), ("kmclr", {"balance": "sinkhorn"})], ids=str
)
def test_works_under_autocast_with_low_precision_projections(method, settings):
    plain, cast = make(method, settings), make(method, settings)
    for keys, ids, labels in stream(20):
        low = keys.bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = step(cast, low, ids, labels)
        assert torch.equal(inside, step(plain, low.float(), ids, labels))


@pytest.mark.parametrize("settings", [{"queue_dtype": "float32"}, {"queue_dtype": "int8"}], ids=str)
def test_nothing_is_recorded_for_autograd_by_a_queue(settings):
    check_no_graph(make("nnclr", settings))


@pytest.mark.parametrize(
    "settings",
    [{"metric": "euclidean"}, {"metric": "cosine"}, {"prototype_dtype": "float16"}, {"balance": "sinkhorn"}],
    ids=str,
)
def test_nothing_is_recorded_for_autograd_by_prototypes(settings):
    check_no_graph(make("kmclr", settings))


def check_no_graph(support):
    for keys, ids, labels in stream(4):
        keys = keys.requires_grad_()
        found = support.look_up(keys, ids_N=ids, labels_N=labels)
        support.update(keys, ids_B=ids, labels_B=labels)
        assert not found.positives_BD.requires_grad
    assert found.valid
    assert not any(buffer.requires_grad for buffer in support.buffers())


@pytest.mark.parametrize("method", ["nnclr", "kmclr"])
def test_the_short_way_to_the_nearest_row_finds_the_same(method):
    support = make(method)
    for batch in stream(4):
        step(support, *batch)
    queries = torch.randn(BATCH, DIM, generator=torch.Generator().manual_seed(1))
    found = support.look_up(queries)
    index_N1, _ = support._find(queries, 1, None)
    assert torch.equal(found.index_B, index_N1[:, 0])
    assert torch.equal(found.positives_BD, support._unit_rows(index_N1)[:, 0])


def test_a_copy_is_independent():
    support = make("kmclr")
    for batch in stream(3):
        step(support, *batch)
    state = copy.deepcopy(support.state_dict())
    other = make("kmclr")
    other.load_state_dict(state)
    before = other.centres_KD.clone()
    step(support, *stream(1, seed=4)[0])
    assert torch.equal(other.centres_KD, before)


def test_state_from_another_kind_of_device_goes_on_from_the_seed():
    support = make("kmclr", {}, {"mix": "random"}, seed=5)
    state = support.state_dict()
    state["_extra_state"] = {**state["_extra_state"], "device": "cuda", "generator": torch.zeros(16, dtype=torch.uint8)}
    support.generator.manual_seed(99)
    support.load_state_dict(state)
    assert torch.equal(support.generator.get_state(), torch.Generator().manual_seed(5).get_state())
