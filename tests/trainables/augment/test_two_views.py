"""The two views as a whole: equal to torchvision's steps with the same parameters, drawn with the right odds."""

import pytest
import torch
from scipy.stats import binomtest, chisquare, ks_2samp, kstest
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from tests.helpers.dispatch_counter import count_calls
from trainables.augment import operations as ops
from trainables.augment import two_views as augment
from trainables.augment.two_views import TwoViews, normalise_images
from trainables.settings.config import AugmentConfig

BUSY = AugmentConfig(
    view1={"blur": 0.5, "grey": 0.3, "solarise": 0.4}, view2={"blur": 0.2, "solarise": 0.3, "hue": 0.3, "crop_min": 0.3}
)
DEFAULT = AugmentConfig()


def two_views(cfg: AugmentConfig = DEFAULT, size: int = 32, channels: int = 3, *, plain: bool = False) -> TwoViews:
    mean, std = ((0.0,) * channels, (1.0,) * channels) if plain else ((0.5, 0.4, 0.3)[:channels], (0.2,) * channels)
    return TwoViews(cfg, image_size=size, channels=channels, mean=mean, std=std, device="cpu")


def test_strength_of_both_views_is_one_number_for_crops_and_one_for_colour() -> None:
    weak = AugmentConfig(crop_min=0.7, colour=0.5)
    for own, acting in zip((weak.view1, weak.view2), weak.views, strict=True):
        assert acting.crop_min == 0.7
        names = ("jitter", "grey", "solarise")
        assert [getattr(acting, name) for name in names] == [0.5 * getattr(own, name) for name in names]
        changed = {"crop_min", *names}
        assert acting.model_dump(exclude=changed) == own.model_dump(exclude=changed)
    assert AugmentConfig().views == (AugmentConfig().view1, AugmentConfig().view2)
    with pytest.raises(ValueError, match=r"crop_min \(0.7\) must not exceed the views' crop_max \(0.5\)"):
        AugmentConfig(crop_min=0.7, view2={"crop_max": 0.5})


def test_views_without_colour_keep_the_colours_of_the_image() -> None:
    x = torch.full((64, 3, 16, 16), 0, dtype=torch.uint8)
    x[:, 0] = 200  # all red
    plain, coloured = (two_views(AugmentConfig(colour=c), 16, plain=True).both(x, seeded()) for c in (0.0, 1.0))
    torch.testing.assert_close(plain, (x / 255).repeat(2, 1, 1, 1))
    assert (coloured - (x / 255).repeat(2, 1, 1, 1)).abs().mean() > 0.05


def batch(count: int, size: int = 32, channels: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, size, size), generator=generator, dtype=torch.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_torchvision(views: TwoViews, image_u8: torch.Tensor, params, i: int, radius: int) -> torch.Tensor:
    """One view with torchvision's functional operations and the i-th parameters."""
    image = image_u8.float() / 255
    (top, left), (height, width) = (pair[:, i].int().tolist() for pair in params.boxes)
    size, bicubic = [views.size] * 2, v2.InterpolationMode.BICUBIC
    image = tv.resized_crop(image, top, left, height, width, size, interpolation=bicubic, antialias=True).clamp(0, 1)
    assert params.flip[0, i] == 0
    image = image.flip(-1) if params.flip[1, i] else image
    for op in ops.ORDERS[params.order[i]]:
        amount = params.hue[i].item() if op == ops.HUE else params.factors[op, i].item()
        name = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")[op]
        image = getattr(tv, name)(image, amount)
    if params.grey[i] and views.channels == 3:
        image = tv.rgb_to_grayscale(image, 3)
    if params.sigma[i] > 0.01:
        image = tv.gaussian_blur(image, [2 * radius + 1] * 2, [params.sigma[i].item()] * 2)
    return tv.solarize(image, 0.5) if params.solarise[i] else image


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (8, 1), (9, 3), (64, 3)])  # 64: no table of crops
def test_views_equal_torchvisions_steps_with_the_same_parameters(size, channels):
    views, x = two_views(BUSY, size, channels, plain=True), batch(20, size, channels)
    params = views.draw(20, seeded(3))
    result = views.apply(x, params)
    assert (views._table is None) == (size == 64)
    radius = min(size - 1, 6)
    expected = torch.stack([by_torchvision(views, x[i % 20], params, i, radius) for i in range(40)])
    assert (result - expected).abs().max().item() < 2e-5
    assert params.solarise.sum() > 2
    assert (params.sigma > 0.01).sum() > 2


def test_batches_in_chunks_and_at_once_are_equal():
    views, x = two_views(BUSY), batch(50)
    assert views.chunk == 42
    views.chunk = 16
    chunked = views.both(x, seeded())
    views.chunk = None
    torch.testing.assert_close(chunked, views.both(x, seeded()), atol=2e-5, rtol=0)


def test_the_generators_state_decides_and_nothing_else_does():
    views, x = two_views(BUSY), batch(6)
    first, again, other = views(x, seeded(1)), views(x, seeded(1)), views(x, seeded(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    state = torch.get_rng_state()
    untouched = x.clone()
    views(x, seeded(1))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, untouched)
    generator = seeded(1)
    views(x, generator)
    assert not torch.equal(views(x, generator)[0], first[0])  # the next step has other views


def test_views_of_an_image_differ_and_both_stacks_them():
    views, x = two_views(), batch(5)
    view1, view2 = views(x, seeded())
    assert view1.shape == view2.shape == x.shape
    assert not torch.equal(view1, view2)
    assert torch.equal(views.both(x, seeded()), torch.cat((view1, view2)))


@pytest.mark.parametrize(("size", "channels", "count"), [(8, 1, 1), (32, 3, 1), (5, 3, 7), (64, 1, 2), (4, 1, 3)])
def test_any_size_channels_and_a_batch_of_one(size, channels, count):
    views = two_views(BUSY, size, channels)
    for seed in range(5):
        for view in views(batch(count, size, channels, seed), seeded(seed)):
            assert view.shape == (count, channels, size, size)
            assert torch.isfinite(view).all()


def test_tiny_crops_give_no_nan():
    tiny = {"crop_min": 0.0001, "crop_max": 0.002}
    views = two_views(AugmentConfig(view1=tiny, view2=tiny), size=8)
    params = views.draw(500, seeded())
    assert params.boxes.shape.min() >= 1
    assert torch.isfinite(views.apply(batch(500, 8), params)).all()


def test_nothing_drawn_leaves_the_image_normalised():
    off = {"crop_min": 1.0, "flip": 0.0, "jitter": 0.0, "grey": 0.0, "solarise": 0.0}
    views, x = two_views(AugmentConfig(view1=off, view2=off)), batch(4)
    expected = normalise_images(x, (0.5, 0.4, 0.3), (0.2,) * 3)
    generous = torch.isclose(views.draw(4, seeded()).boxes.shape, torch.tensor(32.0)).all(0)  # ratio 1 is rare
    for half, view in enumerate(views(x, seeded())):
        whole = generous[half * 4 : half * 4 + 4]
        torch.testing.assert_close(view[whole], expected[whole], atol=1e-5, rtol=0)
    assert generous.any()


def test_views_are_float32_under_autocast():
    views, x = two_views(), batch(3)
    full = views.both(x, seeded())
    assert full.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(views.both(x, seeded()), full, atol=0, rtol=0)


def test_other_channel_counts_are_refused():
    with pytest.raises(ValueError, match="1 or 3 channels for the augmentation, got 4"):
        two_views(channels=4)


# --- odds ---

DRAWS = 20_000


@pytest.fixture(scope="module")
def drawn():
    return two_views(BUSY).draw(DRAWS, seeded(11))


@pytest.mark.parametrize("view", [0, 1])
def test_probabilities_are_those_of_the_configuration(drawn, view):
    half = slice(view * DRAWS, (view + 1) * DRAWS)
    cfg = (BUSY.view1, BUSY.view2)[view]
    changed = (drawn.factors[:, half] != 1).any(0)
    for flag, p in (
        (drawn.flip[1, half] > 0, cfg.flip),
        (changed, cfg.jitter),
        (drawn.grey[half] > 0, cfg.grey),
        (drawn.sigma[half] > 0.01, cfg.blur),
        (drawn.solarise[half] > 0, cfg.solarise),
    ):
        assert binomtest(int(flag.sum()), DRAWS, p).pvalue > 1e-4
    assert torch.equal(changed, drawn.hue[half] != 0)  # all four or none


def test_probabilities_of_zero_and_one_are_exact():
    cfg = AugmentConfig(view1={"flip": 1.0, "grey": 0.0, "jitter": 1.0}, view2={"flip": 0.0, "grey": 1.0})
    params = two_views(cfg).draw(DRAWS, seeded())
    assert params.flip[1].view(2, -1).mean(1).tolist() == [1, 0]
    assert params.grey.view(2, -1).mean(1).tolist() == [0, 1]


def test_strengths_and_orders_are_uniform(drawn):
    half = slice(DRAWS, None)  # view 2
    cfg = BUSY.view2
    on = drawn.hue[half] != 0
    for value, low, high in (
        (drawn.factors[0, half], 1 - cfg.brightness, 1 + cfg.brightness),
        (drawn.factors[1, half], 1 - cfg.contrast, 1 + cfg.contrast),
        (drawn.factors[2, half], 1 - cfg.saturation, 1 + cfg.saturation),
        (drawn.hue[half], -cfg.hue, cfg.hue),
    ):
        assert kstest(value[on].double().numpy(), "uniform", (low, high - low)).pvalue > 1e-4
    blurred = drawn.sigma[drawn.sigma > 0.01]
    assert kstest(blurred.double().numpy(), "uniform", (0.1, 1.9)).pvalue > 1e-4
    assert chisquare(torch.bincount(drawn.order, minlength=24).numpy()).pvalue > 1e-4


def test_strengths_above_one_stop_at_zero():
    cfg = AugmentConfig(view1={"brightness": 2.5, "jitter": 1.0}, view2={})
    factors = two_views(cfg).draw(DRAWS, seeded()).factors[0, :DRAWS]
    assert factors.min() >= 0
    assert kstest(factors.double().numpy(), "uniform", (0, 3.5)).pvalue > 1e-4


def test_crop_boxes_are_distributed_as_torchvisions(drawn):
    torch.manual_seed(5)
    image = torch.zeros(3, 32, 32)
    transform = v2.RandomResizedCrop(32, (0.08, 1.0))
    theirs = [transform.make_params([image]) for _ in range(3000)]
    ours = torch.cat((drawn.boxes.place, drawn.boxes.shape))[:, :DRAWS].numpy()
    for row, name in enumerate(("top", "left", "height", "width")):
        assert ks_2samp(ours[row], [p[name] for p in theirs]).pvalue > 1e-4
    assert ks_2samp(ours[2] * ours[3], [p["height"] * p["width"] for p in theirs]).pvalue > 1e-4


def test_parameters_do_not_hang_together(drawn):
    """Images, views and parameters are drawn independently: correlations vanish."""
    rows = [drawn.flip[1], drawn.grey, drawn.solarise, drawn.hue, drawn.order.float(), drawn.boxes.place[0]]
    rows = [half for row in rows for half in row.view(2, -1)]
    correlation = torch.corrcoef(torch.stack(rows)) - torch.eye(len(rows))
    assert correlation.abs().max() < 5 / DRAWS**0.5


def test_steps_drawn_together_are_those_of_one_draw(monkeypatch: pytest.MonkeyPatch):
    views = two_views(BUSY)
    whole = views.draw(6, seeded(4), steps=3)
    steps = list(views.draw_steps([6, 6, 6], seeded(4)))
    for number, step in enumerate(steps):
        rows = slice(12 * number, 12 * number + 12)
        assert torch.equal(step.boxes.place, whole.boxes.place[:, rows])
        assert torch.equal(step.crop, whole.crop[:, rows])
        assert torch.equal(step.grey, whole.grey[rows])
    # view 2 of each step has view 2's probabilities: it alone is cropped to at least 0.3 of the area
    area = torch.stack(
        [(step.boxes.shape.prod(0) / 32**2).view(2, -1) for step in views.draw_steps([50] * 20, seeded())]
    )
    assert area[:, 1].min() > 0.25
    assert area[:, 0].min() < 0.2
    monkeypatch.setattr(augment, "DRAWN_VIEWS", 20)  # 2 steps of 5 images at a time
    assert [len(step.grey) // 2 for step in views.draw_steps([5, 5, 5, 3], seeded())] == [5, 5, 5, 3]


# --- cost ---


def test_both_views_take_at_most_95_kernels_and_no_wait_for_the_device():
    x, generator = batch(8), seeded()
    views = two_views()
    calls = count_calls(lambda: views(x, generator))
    assert calls.syncs == 0
    assert calls.kernels <= 95
    busy = two_views(BUSY)
    calls = count_calls(lambda: busy(x, generator))
    assert calls.syncs == 0
    assert calls.kernels <= 110


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_without_waiting_and_in_a_graph():
    views = TwoViews(BUSY, image_size=32, channels=3, mean=(0.5,) * 3, std=(0.2,) * 3, device="cuda")
    x, generator = batch(64).cuda(), torch.Generator("cuda").manual_seed(0)
    params = views.draw(64, generator)
    torch.cuda.set_sync_debug_mode("error")
    try:
        eager = views.apply(x, params)
        views(x, generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    on_cpu = two_views(BUSY)
    on_cpu._shift, on_cpu._scale = views._shift.cpu(), views._scale.cpu()
    moved = params._each(torch.Tensor.cpu)
    torch.testing.assert_close(eager.cpu(), on_cpu.apply(x.cpu(), moved), atol=1e-3, rtol=0)
    graph = torch.cuda.CUDAGraph()
    generator.graphsafe_get_state()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        captured = views.both(x, generator)
    graph.replay()
    first = captured.clone()
    graph.replay()
    assert not torch.equal(first, captured)  # each replay draws anew
    assert torch.isfinite(captured).all()
