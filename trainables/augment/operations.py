"""Image operations of the two-view augmentation: batched, with one parameter per image, no host sync.

Shape legend: `N` images (both views of a batch stacked), `C` channels (1 or 3), `S` side of the square images,
`P` = S * S pixels, `O` side of the output. Images are float32 in 0..1. Each operation is a plain function of explicit
parameters that mirrors one of `torchvision.transforms.v2.functional`; only torch arithmetic that a CPU vectorises is
used (no `where`, which costs 10-100 times a product there), and nothing branches on a tensor's value.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

LUMA = (0.2989, 0.587, 0.114)  # torchvision's weights of R, G, B (ITU-R 601-2)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
ORDERS = tuple(itertools.permutations((BRIGHTNESS, CONTRAST, SATURATION, HUE)))  # the 24 orders of colour jitter


class Boxes(NamedTuple):
    """Crop boxes in pixels, whole numbers as float32."""

    place: Tensor  # [2, N] top, left
    shape: Tensor  # [2, N] height, width


# --- crop, resize, flip ---


def crop_boxes(area_TN: Tensor, log_ratio_TN: Tensor, place_2N: Tensor, size: int) -> Boxes:
    """torchvision's `RandomResizedCrop.get_params` for square images, on given random numbers.

    Args:
        area_TN: share of the image's area, one row per try; the last row must fit (1: the whole image).
        log_ratio_TN: log of width / height, one row per try (last row 0).
        place_2N: uniform in [0, 1): the box's place among the possible ones. As float32 numbers below 1 are at most
            1 - 2^-24, the floor of their product with a count stays below the count.
        size: side of the images.
    Returns: the first try whose rounded box fits into the image.
    """
    ratio_TN = log_ratio_TN.exp()
    shapes_2TN = torch.stack((area_TN / ratio_TN, area_TN * ratio_TN)).sqrt_().mul_(size).round_()
    misfit_TN = (shapes_2TN - (size + 1) / 2).abs_().amax(0)  # 1 <= height, width <= size
    first_1N = (misfit_TN <= (size - 1) / 2).view(torch.uint8).argmax(0, keepdim=True)  # argmax: the first of equals
    shape_2N = shapes_2TN.gather(1, first_1N.expand(2, 1, -1)).squeeze(1)
    return Boxes(((size + 1) - shape_2N).mul_(place_2N).floor_(), shape_2N)


def _cubic(x: Tensor) -> Tensor:
    """Bicubic kernel with a = -0.5 (Keys 1981), zero beyond 2."""
    x = x.abs().clamp_max(2)
    inner = x.clamp_max(1)
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 + (inner - 1).square() * (2 * inner - 1)


def interpolation_matrix(offset_N: Tensor, length_N: Tensor, size: int, out: int) -> Tensor:
    """Weights [N, O, S] that resample the pixels [offset, offset + length) of an axis of `size` to `out` samples.

    Bicubic with antialiasing, the kernel cut at the box's edges and renormalised, as Pillow's `crop().resize()` and
    torchvision's `resized_crop(..., antialias=True)` have it. Rows sum to 1; a row without any weight stays 0, never
    0/0 (NaN views leave a run at chance without an error).
    """
    device = offset_N.device
    offset, length = offset_N[:, None, None], length_N[:, None, None]
    sample = torch.arange(out, device=device, dtype=torch.float32)[None, :, None]
    pixel = torch.arange(size, device=device, dtype=torch.float32)[None, None, :]
    scale = length / out
    distance = pixel + 0.5 - ((sample + 0.5) * scale + offset)
    inside = (pixel >= offset) & (pixel < offset + length)
    weight = _cubic(distance / scale.clamp_min(1)) * inside
    return weight / weight.sum(2, keepdim=True).clamp_min(1e-6)


class CropTable:
    """All interpolation matrices of an image size, so that a crop is a look-up instead of 30 kernels.

    A side of 32 has 528 (length, offset) pairs: 2.2 MB, twice that with the mirrored ones. `None` above `max_bytes`.
    """

    def __init__(self, size: int, device: torch.device | str) -> None:
        lengths = torch.arange(1, size + 1)
        length_M = lengths.repeat_interleave(size + 1 - lengths)  # 1 x size, 2 x (size - 1), ...
        starts = torch.cat((lengths.new_zeros(2), (size + 1 - lengths).cumsum(0)[:-1]))  # by length; [0] is unused
        offset_M = torch.arange(len(length_M)) - starts[length_M]
        table = interpolation_matrix(offset_M.float(), length_M.float(), size, size)
        self.pairs = len(length_M)
        self.starts = starts.float().to(device)
        self.table_MOS = torch.cat((table, table.flip(1))).to(device)  # the second half mirrors the output

    @staticmethod
    def nbytes(size: int) -> int:
        return 4 * size**3 * (size + 1)

    def index(self, offset: Tensor, length: Tensor, flip: Tensor) -> Tensor:
        """Rows of the table, int64, for tensors of one shape; `flip` holds 0 or 1."""
        start = self.starts.index_select(0, length.long().view(-1)).view_as(length)
        return start.add_(offset).add_(flip, alpha=self.pairs).long()


def _two_products(images_NCSS: Tensor, rows_NCOS: Tensor, columns_NOS: Tensor) -> Tensor:
    """rows @ image @ columns^T for each image and channel, [N, C, O, O]."""
    count, channels, size, _ = images_NCSS.shape
    out = columns_NOS.shape[1]
    wide = torch.bmm(images_NCSS.reshape(count, channels * size, size), columns_NOS.transpose(1, 2))
    full = torch.bmm(rows_NCOS.reshape(count * channels, out, size), wide.view(count * channels, size, out))
    return full.view(count, channels, out, out)


def resized_crop(images_NCSS: Tensor, rows_NCOS: Tensor, columns_NOS: Tensor) -> Tensor:
    """Crop, resize and flip in two products with matrices of `interpolation_matrix`; clamped to 0..1."""
    return _two_products(images_NCSS, rows_NCOS, columns_NOS).clamp_(0, 1)


# --- colour ---


def _luma(channels: int) -> tuple[float, ...]:
    return LUMA if channels == 3 else (1.0,)


class JitterPlan(NamedTuple):
    """Constants of `jitter` on the device."""

    slope: Tensor  # [24, 12 C C, 3] change of the 2 x 6 blend matrices with the three factors, for each order
    neutral: Tensor  # [12 C C, 1] the blend matrices that change nothing
    hue_offset: Tensor  # [3]


def jitter_plan(channels: int, device: torch.device | str) -> JitterPlan:
    """Torchvision draws one of 24 orders of (brightness, contrast, saturation, hue); hue falls between two blends.

    The three blends keep their order; those before hue take the first three of six slots, those after it the last
    three, the other slots do nothing. So one pass of hue serves every image's own order. A blend with factor f is
    f * pixel + (1 - f) * other, so a slot's matrices are affine in f - 1.
    """
    identity = torch.eye(channels)
    luma = torch.tensor([_luma(channels)] * channels)
    slope = torch.zeros(len(ORDERS), 2, 6, channels, channels, 3)
    for row, order in enumerate(ORDERS):
        hue = order.index(HUE)
        for i, op in enumerate(op for op in order if op != HUE):
            slot = i if i < hue else 3 + i
            slope[row, 0, slot, :, :, op] = identity - luma if op == SATURATION else identity
            if op == CONTRAST:
                slope[row, 1, slot, :, :, op] = -luma
    neutral = torch.zeros(2, 6, channels, channels)
    neutral[0] = identity
    return JitterPlan(slope.flatten(1, 4).to(device), neutral.view(-1, 1).to(device), _hue_offset(device))


def blend(pixels_NCP: Tensor, matrix_NCC: Tensor, mean_matrix_NCC: Tensor, out_NCP: Tensor) -> Tensor:
    """clamp(matrix @ pixel + mean_matrix @ mean pixel): brightness, contrast and saturation are all of this form."""
    constant_NC1 = torch.bmm(mean_matrix_NCC, pixels_NCP.mean(2, keepdim=True))
    return torch.baddbmm(constant_NC1, matrix_NCC, pixels_NCP, out=out_NCP).clamp_(0, 1)


def jitter(pixels_NCP: Tensor, factors_3N: Tensor, shift_N: Tensor | None, order_N: Tensor, plan: JitterPlan) -> Tensor:
    """Colour jitter [N, C, P] with each image's own factors and order (`torchvision.transforms.v2.ColorJitter`).

    `factors_3N`: brightness, contrast, saturation, 1 = unchanged; `shift_N`: hue shift in turns (0 = unchanged, `None`
    skips hue); `order_N`: int64 row of `ORDERS`. With one channel saturation and hue change nothing.
    """
    count, channels, _ = pixels_NCP.shape
    change_N31 = (factors_3N - 1).t().unsqueeze(2)
    matrices = torch.baddbmm(plan.neutral, plan.slope.index_select(0, order_N), change_N31)
    pixel_matrix, mean_matrix = matrices.view(count, 2, 6, channels, channels).unbind(1)
    spare = [torch.empty_like(pixels_NCP) for _ in range(2)]  # reused: fresh memory costs a CPU more than the sums
    for slot in range(6):
        if slot == 3 and shift_N is not None and channels == 3:
            pixels_NCP = _rotate_hue(pixels_NCP, shift_N[:, None] + plan.hue_offset)
        pixels_NCP = blend(pixels_NCP, pixel_matrix[:, slot], mean_matrix[:, slot], spare[slot % 2])
    return pixels_NCP


def _hue_offset(device: torch.device | str) -> Tensor:
    # red is least present at 3/6 of a turn (cyan), green at 5/6, blue at 1/6; plus 2.5 (see below)
    return torch.tensor([3, 2 + 2 / 3, 2 + 1 / 3], device=device)


def _rotate_hue(pixels_N3P: Tensor, offset_N3: Tensor) -> Tensor:
    """Hue in sixths of a turn is +-(1 + (g + b - r - min) / (max - min)), negative where b > g: HSV's six cases in one
    formula. A channel of an HSV colour is max - (max - min) * clamp(2 - |6 * turns to where it is least|, 0, 1)."""
    r, g, b = pixels_N3P.unbind(1)
    top = torch.maximum(torch.maximum(r, g), b)
    low = torch.minimum(torch.minimum(r, g), b)
    chroma = top - low
    sixths = (g + b).sub_(r).sub_(low).div_(chroma.clamp_min(1e-12)).add_(1).copysign_(g - b)
    turns = torch.add(offset_N3[:, :, None], sixths[:, None], alpha=1 / 6)
    distance = turns.frac_().sub_(0.5).abs_()  # the offset of 2.5 keeps `turns` positive and centres the fraction
    weight = distance.mul_(-6).add_(2).clamp_(0, 1)
    return torch.addcmul(top[:, None], chroma[:, None], weight, value=-1, out=weight)


def grey_matrices(channels: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The matrices [C, C] that keep a pixel and that replace its channels by its luma, for `to_grey`."""
    return torch.eye(channels, device=device), torch.tensor([_luma(channels)] * channels, device=device)


def to_grey(pixels_NCP: Tensor, flag_N: Tensor, matrices: tuple[Tensor, Tensor]) -> Tensor:
    """Replace every channel by the luma where `flag_N` is 1 (0: unchanged)."""
    keep_CC, luma_CC = matrices
    return torch.bmm(torch.lerp(keep_CC, luma_CC, flag_N[:, None, None]), pixels_NCP)


# --- blur, solarise, normalise ---


def blur_basis(size: int, radius: int, device: torch.device | str) -> Tensor:
    """[radius + 1, S * S]: which pixels lie at distance d of each pixel, borders reflected; one row per d."""
    pixel = torch.arange(size)
    basis = torch.zeros(radius + 1, size, size)
    for offset in range(-radius, radius + 1):
        place = (pixel + offset).abs()
        place = torch.where(place > size - 1, 2 * (size - 1) - place, place)
        basis[abs(offset)] += torch.nn.functional.one_hot(place, size)
    return basis.view(radius + 1, size * size).to(device)


def gaussian_blur(images_NCSS: Tensor, sigma_N: Tensor, basis_RP: Tensor) -> Tensor:
    """Gaussian blur of each image with its own `sigma_N` in pixels (near 0: unchanged), kernel 2 * radius + 1, borders
    reflected, as torchvision's `gaussian_blur`; `basis_RP` from `blur_basis` fixes the radius (at most S - 1)."""
    count, channels, size, _ = images_NCSS.shape
    distance = torch.arange(basis_RP.shape[0], device=sigma_N.device)
    exponent = distance.square() * (-0.5 / sigma_N.square())[:, None]
    weight_NR = exponent.exp()
    total_N1 = weight_NR.sum(1, keepdim=True).mul_(2).sub_(1)  # distance 0 counts once
    matrix_NSS = torch.mm(weight_NR / total_N1, basis_RP).view(count, size, size)
    rows_NCSS = matrix_NSS.unsqueeze(1).expand(-1, channels, -1, -1)
    return _two_products(images_NCSS, rows_NCSS, matrix_NSS)


def solarise_(images: Tensor, flag_N: Tensor) -> Tensor:
    """Invert, in place, pixels of 128/255 and above where `flag_N` is 1 (0: unchanged).

    That is min(x, 1 - x), for grey levels below 127.5 are those below their inverse.
    """
    ceiling = (2 - flag_N).view(-1, *[1] * (images.dim() - 1))  # 2 - x never is the smaller one
    return torch.minimum(images, ceiling - images, out=images)


def normalise_images(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(x / 255 - mean) / std per channel, [N, C, H, W] uint8 -> float32; `mean` and `std` in units of 0..1."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(-1, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device).view(-1, 1, 1)
    return torch.addcmul(shift, images.to(torch.float32), scale)
