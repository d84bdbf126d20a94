"""Every operation, image by image, against torchvision's functional form; the crop also against Pillow itself.

Tolerances are in units of 0..1 (a grey level is 0.0039): 1e-6 for arithmetic of one step, 3e-6 for hue.
"""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from trainables.augment import operations as ops


def images(count: int, channels: int = 3, size: int = 32, seed: int = 0) -> torch.Tensor:
    """Random smooth-ish pixels with black, white, grey and primary colours among them; [N, C, S, S] in 0..1."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, channels, size, size), generator=generator).float() / 255
    pixels[:, :, 0, :4] = torch.tensor([0.0, 1.0, 0.5, 0.25])
    if channels == 3:
        pixels[:, :, 1, :6] = torch.tensor([[1, 1, 0, 0, 0, 1], [0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]]).float()
    return pixels


def largest_difference(batched: torch.Tensor, one_by_one) -> float:
    expected = torch.stack([one_by_one(i) for i in range(len(batched))])
    return (batched.view_as(expected) - expected).abs().max().item()


def only(op: int, pixels: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    """Colour jitter of one kind alone, with each image's own amount."""
    factors, shift = torch.ones(3, len(amounts)), amounts if op == ops.HUE else None
    if op != ops.HUE:
        factors[op] = amounts
    order = torch.zeros(len(amounts), dtype=torch.long)
    return ops.jitter(pixels, factors, shift, order, ops.jitter_plan(pixels.shape[1], "cpu"))


FACTORS = torch.tensor([0.0, 0.2, 0.6, 1.0, 1.4, 1.9, 3.0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("op", "theirs"),
    [
        (ops.BRIGHTNESS, tv.adjust_brightness),
        (ops.CONTRAST, tv.adjust_contrast),
        (ops.SATURATION, tv.adjust_saturation),
    ],
)
def test_blends_equal_torchvision(op, theirs, channels):
    x = images(len(FACTORS), channels)
    assert largest_difference(only(op, x.flatten(2), FACTORS), lambda i: theirs(x[i], FACTORS[i].item())) < 1e-6


def test_hue_equals_torchvision_and_a_full_turn_is_the_identity():
    shifts = torch.tensor([-0.5, -0.3, -0.1, 0.0, 0.05, 1 / 6, 0.25, 1 / 3, 0.5])
    x = images(len(shifts))
    assert (
        largest_difference(only(ops.HUE, x.flatten(2), shifts), lambda i: tv.adjust_hue(x[i], shifts[i].item())) < 3e-6
    )
    half = torch.full((len(x),), 0.5)
    twice = only(ops.HUE, only(ops.HUE, x.flatten(2), half), half)
    torch.testing.assert_close(twice, x.flatten(2), atol=5e-6, rtol=0)


def test_hue_of_primaries_by_hand():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1)
    for shift, colour in ((1 / 3, [0, 1, 0]), (-1 / 3, [0, 0, 1]), (1 / 6, [1, 1, 0]), (0.5, [0, 1, 1])):
        result = only(ops.HUE, red, torch.tensor([shift]))
        torch.testing.assert_close(result.flatten(), torch.tensor(colour).float(), atol=2e-6, rtol=0)


def test_one_channel_knows_no_hue_saturation_or_grey():
    x = images(2, channels=1).flatten(2)
    torch.testing.assert_close(only(ops.HUE, x, torch.tensor([0.3, 0.1])), x, atol=0, rtol=0)
    torch.testing.assert_close(only(ops.SATURATION, x, torch.tensor([0.3, 2.0])), x, atol=1e-7, rtol=0)
    matrices = ops.grey_matrices(1, "cpu")
    torch.testing.assert_close(ops.to_grey(x, torch.ones(2), matrices), x, atol=1e-7, rtol=0)


def test_jitter_applies_each_image_its_own_order():
    assert len(ops.ORDERS) == len(set(ops.ORDERS)) == 24
    x = images(24)
    generator = torch.Generator().manual_seed(1)
    factors = torch.rand(3, 24, generator=generator) * 1.2 + 0.4
    shifts = torch.rand(24, generator=generator) * 0.4 - 0.2

    def one_by_one(i: int) -> torch.Tensor:
        image = x[i]
        for op in ops.ORDERS[i]:
            amount = shifts[i] if op == ops.HUE else factors[op, i]
            name = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")[op]
            image = getattr(tv, name)(image, amount.item())
        return image

    before = x.clone()
    result = ops.jitter(x.flatten(2), factors, shifts, torch.arange(24), ops.jitter_plan(3, "cpu"))
    assert largest_difference(result, one_by_one) < 1e-5  # seven steps
    torch.testing.assert_close(x, before, atol=0, rtol=0)  # the input stays


def test_grey_equals_torchvision():
    x = images(4)
    flags = torch.tensor([1.0, 0.0, 1.0, 0.0])
    result = ops.to_grey(x.flatten(2), flags, ops.grey_matrices(3, "cpu"))
    difference = largest_difference(result, lambda i: tv.rgb_to_grayscale(x[i], 3) if flags[i] else x[i])
    assert difference < 1e-6


@pytest.mark.parametrize("channels", [1, 3])
def test_solarise_equals_torchvision_on_every_grey_level(channels):
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(2, channels, 1, 1)
    result = ops.solarise_(levels.float() * (1 / 255), torch.tensor([1.0, 0.0]))
    assert torch.equal((result[0] * 255).round().to(torch.uint8), tv.solarize(levels[0], 128))
    assert torch.equal((result[1] * 255).round().to(torch.uint8), levels[1])


@pytest.mark.parametrize(("size", "radius"), [(32, 6), (8, 6), (8, 7), (5, 1)])
def test_blur_equals_torchvision(size, radius):
    sigmas = torch.tensor([0.1, 0.5, 1.0, 2.0])
    x = images(len(sigmas), size=max(size, 6))[:, :, :size, :size].contiguous()
    result = ops.gaussian_blur(x, sigmas, ops.blur_basis(size, radius, "cpu"))
    kernel = [2 * radius + 1] * 2
    difference = largest_difference(result, lambda i: tv.gaussian_blur(x[i], kernel, [sigmas[i].item()] * 2))
    assert difference < 2e-6


def test_a_sigma_near_zero_leaves_the_image_as_it_is():
    x = images(2)
    result = ops.gaussian_blur(x, torch.tensor([1e-3, 1e-3]), ops.blur_basis(32, 6, "cpu"))
    torch.testing.assert_close(result, x, atol=1e-6, rtol=0)


# --- crop ---

BOXES = [(0, 0, 32, 32), (3, 5, 10, 12), (20, 0, 12, 9), (0, 31, 32, 1), (31, 31, 1, 1), (1, 2, 30, 29), (7, 9, 2, 3)]


def matrices_for(boxes: list, size: int, out: int) -> tuple[torch.Tensor, torch.Tensor]:
    top, left, height, width = torch.tensor(boxes).float().t()
    return ops.interpolation_matrix(top, height, size, out), ops.interpolation_matrix(left, width, size, out)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("out", [32, 16, 20, 48])
def test_crop_equals_torchvisions_antialiased_bicubic(out, channels):
    x = images(len(BOXES), channels)
    rows, columns = matrices_for(BOXES, 32, out)
    result = ops.resized_crop(x, rows.unsqueeze(1).expand(-1, channels, -1, -1), columns)

    def one_by_one(i: int) -> torch.Tensor:
        bicubic = v2.InterpolationMode.BICUBIC
        return tv.resized_crop(x[i], *BOXES[i], [out, out], interpolation=bicubic, antialias=True).clamp(0, 1)

    assert largest_difference(result, one_by_one) < 2e-6


def test_crop_equals_pillow_within_two_grey_levels():
    """Pillow rounds its weights to 8 bits and the image between the two passes; it also clips there, which torchvision
    and we do not, so the pixels keep away from black and white."""
    x = images(len(BOXES)) * 0.4 + 0.3
    rows, columns = matrices_for(BOXES, 32, 32)
    result = ops.resized_crop(x, rows.unsqueeze(1).expand(-1, 3, -1, -1), columns)

    def one_by_one(i: int) -> torch.Tensor:
        top, left, height, width = BOXES[i]
        picture = Image.fromarray((x[i] * 255).round().byte().permute(1, 2, 0).numpy())
        picture = picture.crop((left, top, left + width, top + height)).resize((32, 32), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255

    assert largest_difference(result, one_by_one) < 2.01 / 255


def test_interpolation_rows_sum_to_one_and_never_are_nan():
    for size, out in ((8, 8), (33, 33), (7, 20)):
        lengths = torch.arange(1, size + 1).float()
        matrix = ops.interpolation_matrix(size - lengths, lengths, size, out)
        torch.testing.assert_close(matrix.sum(2), torch.ones(size, out), atol=1e-5, rtol=0)
    empty = ops.interpolation_matrix(torch.tensor([3.0]), torch.tensor([0.0]), 8, 8)  # no such box is drawn; no NaN
    assert torch.equal(empty, torch.zeros(1, 8, 8))


@pytest.mark.parametrize("size", [4, 8, 15])
def test_the_crop_table_holds_every_box_and_its_mirror_image(size):
    table = ops.CropTable(size, "cpu")
    assert table.table_MOS.numel() * 4 == ops.CropTable.nbytes(size)
    boxes = [(offset, length) for length in range(1, size + 1) for offset in range(size - length + 1)]
    assert table.pairs == len(boxes) == size * (size + 1) // 2
    offset, length = torch.tensor(boxes).float().t()
    expected = ops.interpolation_matrix(offset, length, size, size)
    for flip in (0.0, 1.0):
        found = table.table_MOS[table.index(offset, length, torch.full_like(offset, flip))]
        torch.testing.assert_close(found, expected.flip(1) if flip else expected, atol=1e-7, rtol=0)


def crop_by_torchvisions_rule(area, log_ratio, place, size):
    """RandomResizedCrop.make_params for a square image, with the given numbers."""
    for share, log in zip(area, log_ratio, strict=True):
        ratio = math.exp(log)
        width = round(math.sqrt(share * size * size * ratio))
        height = round(math.sqrt(share * size * size / ratio))
        if 0 < width <= size and 0 < height <= size:
            break
    return [int(place[0] * (size - height + 1)), int(place[1] * (size - width + 1)), height, width]


@pytest.mark.parametrize("size", [8, 32, 97])
def test_crop_boxes_follow_torchvisions_rule(size):
    count, tries = 400, 4
    generator = torch.Generator().manual_seed(size)
    area = 0.02 + 0.98 * torch.rand(tries, count, generator=generator)
    log_ratio = (2 * torch.rand(tries, count, generator=generator) - 1) * math.log(2)
    area[:2, :100] = 0.99  # the first tries mostly do not fit
    log_ratio[:2, :100] = 0.6
    area[-1], log_ratio[-1] = 1, 0
    place = torch.rand(2, count, generator=generator)
    boxes = ops.crop_boxes(area, log_ratio, place, size)
    result = torch.cat((boxes.place, boxes.shape)).t()
    rule = [crop_by_torchvisions_rule(area[:, i].tolist(), log_ratio[:, i].tolist(), place[:, i].tolist(), size)
            for i in range(count)]  # fmt: skip
    differs = (result != torch.tensor(rule).float()).any(1).sum().item()
    assert differs <= 1  # float32 against float64 at a rounding boundary


def test_the_last_place_and_the_whole_image():
    highest = torch.tensor([[1 - 2**-24], [1 - 2**-24]])  # the largest float32 that torch.rand gives
    for size in range(1, 260):
        boxes = ops.crop_boxes(torch.tensor([[0.25], [1.0]]), torch.zeros(2, 1), highest, size)
        assert (boxes.place + boxes.shape <= size).all()
    boxes = ops.crop_boxes(torch.ones(1, 1), torch.zeros(1, 1), highest, 32)
    assert boxes.place.flatten().tolist() == [0, 0]
    assert boxes.shape.flatten().tolist() == [32, 32]


def test_normalise_equals_torchvision():
    x = (images(3) * 255).round().to(torch.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    expected = tv.normalize(x.float() / 255, list(mean), list(std))
    torch.testing.assert_close(ops.normalise_images(x, mean, std), expected, atol=2e-6, rtol=0)
