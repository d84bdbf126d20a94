"""Two random views of a batch on the training device, in about 60 kernels and without a host sync.

Shape legend: `B` batch, `N` = 2 B views (the first views, then the second ones), `C` channels, `S` side of an image.
Every image of either view has its own parameters. `TwoViews.draw` turns random numbers into parameters, about 30
kernels for however many steps at once; `TwoViews.apply` is a deterministic function of them. Order of operations: crop
and flip, colour jitter (each image in its own random order of the four, as torchvision's `ColorJitter`), grey, blur,
solarise, normalise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.augment import operations as ops
from trainables.augment.operations import normalise_images
from trainables.settings.config import AugmentConfig, ViewConfig
from trainables.vocabulary.errors import UserError

__all__ = ["TwoViews", "ViewParams", "normalise_images"]

TRIES = 10  # torchvision's number of tries for a crop that fits
RATIO = (3 / 4, 4 / 3)  # aspect ratio of a crop, log-uniform
TABLE_BYTES = 32 * 2**20  # crop matrices are tabulated up to this size (images of 53 pixels), else computed
DRAWN_VIEWS = 2**17  # drawn at once by `draw_steps`: 36 numbers each, 19 MB
CHUNK_BYTES = 2**20  # of both float32 views: what a core's second-level cache holds

# rows of the one block of random numbers behind a batch
_AREA, _RATIO = slice(0, TRIES + 1), slice(TRIES + 1, 2 * TRIES + 2)  # a last try that always fits: the whole image
_PLACE = slice(2 * TRIES + 2, 2 * TRIES + 4)
_ORDER = 2 * TRIES + 4
_FACTORS = slice(2 * TRIES + 5, 2 * TRIES + 9)  # brightness, contrast, saturation, hue: difference from "unchanged"
_SIGMA = 2 * TRIES + 9
_FLAGS = slice(2 * TRIES + 10, 2 * TRIES + 16)  # flip vertically (never), flip, jitter, grey, blur, solarise
_ROWS = 2 * TRIES + 16
_SHARP = 1e-3  # sigma in pixels of an image that is not blurred: its kernel is 1, 0, 0, ...


class ViewParams(NamedTuple):
    """Parameters of N views; flags are 0.0 or 1.0."""

    boxes: ops.Boxes  # pixels
    flip: Tensor  # [2, N] upside down (never), left-right
    factors: Tensor  # [3, N] brightness, contrast, saturation; 1 = unchanged
    hue: Tensor  # [N] turns; 0 = unchanged
    order: Tensor  # [N] int64 row of augment_ops.ORDERS
    grey: Tensor  # [N]
    sigma: Tensor  # [N] pixels; 1e-3 = not blurred
    solarise: Tensor  # [N]
    crop: Tensor | None = None  # [2, N] int64 rows of the crop table that `boxes` and `flip` mean; None: no table

    def _each(self, change: Callable[[Tensor], Tensor]) -> ViewParams:
        boxes = ops.Boxes(*map(change, self.boxes))
        return ViewParams(boxes, *(None if value is None else change(value) for value in self[1:]))

    def of_images(self, rows: slice) -> ViewParams:
        """The parameters of both views of some images of the batch."""
        return self._each(lambda value: value.unflatten(-1, (2, -1))[..., rows].flatten(-2))

    def of_step(self, step: int, batch: int) -> ViewParams:
        """The parameters of one of several steps that were drawn together, without a kernel."""
        return self._each(lambda value: value[..., 2 * batch * step : 2 * batch * (step + 1)])


def _ranges(view: ViewConfig) -> list[tuple[float, float]]:
    """Uniform range of every row; a flag is drawn from [-p, 1 - p) and set below 0."""

    def around_one(strength: float) -> tuple[float, float]:
        return max(-1.0, -strength), strength

    return [
        *[(view.crop_min, view.crop_max)] * TRIES,
        (1.0, 1.0),
        *[(math.log(RATIO[0]), math.log(RATIO[1]))] * TRIES,
        (0.0, 0.0),
        (0.0, 1.0),
        (0.0, 1.0),
        (0.0, float(len(ops.ORDERS))),
        around_one(view.brightness),
        around_one(view.contrast),
        around_one(view.saturation),
        (-view.hue, view.hue),
        (view.blur_sigma_min - _SHARP, view.blur_sigma_max - _SHARP),
        *[(-p, 1 - p) for p in (0.0, view.flip, view.jitter, view.grey, view.blur, view.solarise)],
    ]


class TwoViews:
    """Callable: uint8 images [B, C, S, S] -> two normalised views [B, C, S, S] each."""

    def __init__(
        self,
        cfg: AugmentConfig,
        *,
        image_size: int,
        channels: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device | str,
    ) -> None:
        """`mean`, `std`: per channel, in units of 0..1. Raises UserError for other than 1 or 3 channels."""
        if channels not in (1, 3):
            raise UserError(f"images must have 1 or 3 channels for the augmentation, got {channels}: convert the data")
        views = cfg.views
        self.size, self.channels, self.device = image_size, channels, torch.device(device)
        self.chunk = max(1, CHUNK_BYTES // (8 * channels * image_size**2)) if self.device.type == "cpu" else None
        """Images handled at a time, None for all: on a CPU the views of a chunk stay in its cache (1.5x faster)."""
        ranges = torch.tensor([_ranges(view) for view in views], dtype=torch.float64).permute(1, 0, 2)  # [rows, 2, 2]
        ranges = ranges.unsqueeze(1)  # [rows, 1 (steps), 2 (views), 2]
        self._low = ranges[..., :1].float().contiguous().to(self.device)
        self._span = (ranges[..., 1:] - ranges[..., :1]).float().contiguous().to(self.device)
        self._neutral = torch.tensor([1.0, 1.0, 1.0, 0.0], device=self.device)[:, None]
        self._sharp = torch.tensor(_SHARP, device=self.device)
        self._jitters = any(v.jitter and (v.brightness or v.contrast or v.saturation or v.hue) for v in views)
        self._hues = any(v.jitter and v.hue for v in views)
        self._greys = channels == 3 and any(view.grey for view in views)
        self._blurs = any(view.blur for view in views)
        self._solarises = tuple(bool(view.solarise) for view in views)
        tabulated = ops.CropTable.nbytes(image_size) <= TABLE_BYTES
        self._table = ops.CropTable(image_size, self.device) if tabulated else None
        self._plan = ops.jitter_plan(channels, self.device)
        self._grey = ops.grey_matrices(channels, self.device)
        radius = min(image_size - 1, math.ceil(3 * max(v.blur_sigma_max for v in views)))
        self._basis = ops.blur_basis(image_size, radius, self.device) if self._blurs else None
        self._scale = torch.tensor([1 / s for s in std], device=self.device).view(-1, 1, 1)
        shift = [-m / s for m, s in zip(mean, std, strict=True)]
        self._shift = torch.tensor(shift, device=self.device).view(-1, 1, 1)

    @torch.no_grad()
    def __call__(self, images_BCSS: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Two normalised views. `generator` lives on the images' device; equal states give equal views."""
        view1, view2 = self.both(images_BCSS, generator).chunk(2)
        return view1, view2

    @torch.no_grad()
    def both(self, images_BCSS: Tensor, generator: torch.Generator) -> Tensor:
        """Both views stacked, [2 B, C, S, S]: what a single forward of both views takes."""
        return self.apply(images_BCSS, self.draw(images_BCSS.shape[0], generator))

    @torch.no_grad()
    def draw(self, batch: int, generator: torch.Generator, steps: int = 1) -> ViewParams:
        """Random parameters of 2 `batch` views, from one call of the generator; of several steps one after another
        (see `ViewParams.of_step`)."""
        uniform = torch.rand(_ROWS, steps, 2, batch, generator=generator, device=self.device)
        value = torch.addcmul(self._low, self._span, uniform).view(_ROWS, steps * 2 * batch)
        flags = (value[_FLAGS] < 0).float()
        jitter, grey, blur, solarise = flags[2:]
        factors = torch.addcmul(self._neutral, value[_FACTORS], jitter)
        boxes = ops.crop_boxes(value[_AREA], value[_RATIO], value[_PLACE], self.size)
        return ViewParams(
            boxes=boxes,
            flip=flags[:2],
            factors=factors[:3],
            hue=factors[3],
            order=value[_ORDER].long(),
            grey=grey,
            sigma=torch.addcmul(self._sharp, value[_SIGMA], blur),
            solarise=solarise,
            crop=None if self._table is None else self._table.index(*boxes, flags[:2]),
        )

    def draw_steps(self, batches: Sequence[int], generator: torch.Generator) -> Iterator[ViewParams]:
        """Parameters of one step after another, drawn for many steps at once: on a device whose launches count, the
        draws of an epoch cost next to nothing. `batches`: images of each step."""
        for batch, group in itertools.groupby(batches):
            left = len(list(group))
            while left:
                steps = min(left, max(1, DRAWN_VIEWS // (2 * batch)))
                drawn = self.draw(batch, generator, steps)
                yield from (drawn.of_step(step, batch) for step in range(steps))
                left -= steps

    @torch.no_grad()
    def apply(self, images_BCSS: Tensor, params: ViewParams) -> Tensor:
        """The views [2 B, C, S, S] that `params` describe; deterministic."""
        batch, chunk = len(images_BCSS), self.chunk or len(images_BCSS)
        with torch.autocast(self.device.type, enabled=False):
            if batch <= chunk:
                return self._transform(images_BCSS, params)
            views = torch.empty(2, *images_BCSS.shape, device=self.device)
            for start in range(0, batch, chunk):
                rows = slice(start, start + chunk)
                piece = self._transform(images_BCSS[rows], params.of_images(rows))
                views[:, rows] = piece.unflatten(0, (2, -1))
            return views.flatten(0, 1)

    def _transform(self, images_BCSS: Tensor, params: ViewParams) -> Tensor:
        images = self._crop(images_BCSS, params)
        shape = images.shape
        pixels = images.flatten(2)
        if self._jitters:
            hue = params.hue if self._hues else None
            pixels = ops.jitter(pixels, params.factors, hue, params.order, self._plan)
        if self._greys:
            pixels = ops.to_grey(pixels, params.grey, self._grey)
        images = pixels.view(shape)
        if self._blurs:
            images = ops.gaussian_blur(images, params.sigma, self._basis)
        self._solarise_(images, params.solarise)
        return torch.addcmul(self._shift, images, self._scale, out=images)

    def _crop(self, images_BCSS: Tensor, params: ViewParams) -> Tensor:
        """Crop, resize and flip: [B, C, S, S] uint8 -> [2 B, C, S, S] in 0..1."""
        images = (images_BCSS * (1 / 255)).repeat(2, 1, 1, 1)
        (place, shape), flip = params.boxes, params.flip
        channels = self.channels
        if self._table is not None:
            rows = self._table.table_MOS.index_select(0, params.crop[0].unsqueeze(1).expand(-1, channels).reshape(-1))
            columns = self._table.table_MOS.index_select(0, params.crop[1])
        else:
            rows, columns = (ops.interpolation_matrix(place[i], shape[i], self.size, self.size) for i in (0, 1))
            columns = torch.lerp(columns, columns.flip(1), flip[1, :, None, None])
            rows = rows.unsqueeze(1).expand(-1, channels, -1, -1)
        return ops.resized_crop(images, rows, columns)

    def _solarise_(self, images: Tensor, flag_N: Tensor) -> None:
        """In place, and only on the half whose view has it."""
        first, second = self._solarises
        if first or second:
            half = slice(0 if first else len(images) // 2, None if second else len(images) // 2)
            ops.solarise_(images[half], flag_N[half])
