"""Two augmented views of a batch on one core: this project's batched tensors against torchvision and Pillow per image.

    OMP_NUM_THREADS=1 uv run python -m benchmarks.two_views            # about 2 minutes; writes benchmarks/results/
    OMP_NUM_THREADS=1 uv run python -m benchmarks.two_views --dry-run  # prints only

All three get the same uint8 images (32x32 patches of scikit-learn's two sample photographs) and return normalised
float32 views. Equal results are checked in the same run: by Kolmogorov-Smirnov tests on statistics of the views.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy.stats import ks_2samp
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.common import describe, environment, paired, ratio, table, write_result
from trainables.augment.two_views import TwoViews
from trainables.settings.config import AugmentConfig, ViewConfig

SIZE = 32
MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
SEED_BLUR = {"blur_sigma_min": 0.1, "blur_sigma_max": 0.2}
RECIPES = {
    "strong": AugmentConfig(),
    "seed": AugmentConfig(view1={"blur": 1.0, **SEED_BLUR}, view2={"blur": 0.1, "solarise": 0.2, **SEED_BLUR}),
}
BATCHES = (64, 128, 256)
CHECKED = 3000  # images in the check of equal distributions
LEAST_P = 1e-4  # a smaller p-value ends the benchmark: the views are not the same

Views = tuple[Tensor, Tensor]


def patches(count: int) -> Tensor:
    """[count, 3, 32, 32] uint8, taken at random places of the photographs at half their size."""
    rng = np.random.default_rng(0)
    photographs = [np.asarray(Image.fromarray(image).reduce(2)) for image in load_sample_images().images]
    cut = []
    for i in range(count):
        photograph = photographs[i % 2]
        top, left = (rng.integers(0, side - SIZE) for side in photograph.shape[:2])
        cut.append(photograph[top : top + SIZE, left : left + SIZE])
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).contiguous()


class PillowBlur:
    def __init__(self, view: ViewConfig) -> None:
        self.low, self.high = view.blur_sigma_min, view.blur_sigma_max

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(random.uniform(self.low, self.high)))


def per_image(view: ViewConfig, *, pillow: bool) -> v2.Compose:
    """torchvision's transforms of one view, on Pillow images or on uint8 tensors."""
    bicubic = v2.InterpolationMode.BICUBIC
    jitter = v2.ColorJitter(view.brightness, view.contrast, view.saturation, view.hue)
    steps = [
        v2.RandomResizedCrop(SIZE, (view.crop_min, view.crop_max), interpolation=bicubic, antialias=True),
        v2.RandomHorizontalFlip(view.flip),
        v2.RandomApply([jitter], view.jitter),
        v2.RandomGrayscale(view.grey),
    ]
    if view.blur:
        radius = max(1, round(3 * view.blur_sigma_max))
        tensor_blur = v2.GaussianBlur(2 * radius + 1, (view.blur_sigma_min, view.blur_sigma_max))
        steps.append(v2.RandomApply([PillowBlur(view) if pillow else tensor_blur], view.blur))
    if view.solarise:
        steps.append(v2.RandomSolarize(128, view.solarise))
    to_float = [v2.PILToTensor()] if pillow else []
    return v2.Compose([*steps, *to_float, v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


def candidates(recipe: AugmentConfig, images: Tensor) -> dict[str, Callable[[], Views]]:
    ours = TwoViews(recipe, image_size=SIZE, channels=3, mean=MEAN, std=STD, device="cpu")
    generator = torch.Generator().manual_seed(0)
    tensors = list(images)
    pictures = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).contiguous().numpy()]

    def in_turn(inputs: list, *, pillow: bool) -> Callable[[], Views]:
        view1, view2 = (per_image(view, pillow=pillow) for view in (recipe.view1, recipe.view2))
        return lambda: (torch.stack([view1(x) for x in inputs]), torch.stack([view2(x) for x in inputs]))

    return {
        "ours": lambda: ours(images, generator),
        "torchvision": in_turn(tensors, pillow=False),
        "Pillow": in_turn(pictures, pillow=True),
    }


def statistics_of(view: Tensor) -> dict[str, np.ndarray]:
    """Per image: mean grey, contrast, colourfulness, sharpness."""
    pixels = view * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    values = {
        "mean": pixels.mean((1, 2, 3)),
        "contrast": pixels.mean(1).std((1, 2)),
        "colour": pixels.std(1).mean((1, 2)),
        "sharpness": pixels.diff(dim=3).abs().mean((1, 2, 3)),
    }
    # the others round to grey levels after each step: a quarter of a level is no difference
    return {key: value.numpy().round(3) for key, value in values.items()}


def equal_distributions(recipe: AugmentConfig) -> dict[str, float]:
    """Smallest p-value over views and statistics, of ours against each of the others (8 tests each).

    SystemExit if one is below LEAST_P: then other views were timed than those that they are compared with.
    """
    torch.manual_seed(0)
    random.seed(0)
    views = {name: run() for name, run in candidates(recipe, patches(CHECKED)).items()}
    smallest = {}
    for name in ("torchvision", "Pillow"):
        pairs = [(statistics_of(a), statistics_of(b)) for a, b in zip(views["ours"], views[name], strict=True)]
        smallest[name] = min(ks_2samp(a[key], b[key]).pvalue for a, b in pairs for key in a)
        if smallest[name] < LEAST_P:
            raise SystemExit(f"our views differ from {name}'s: smallest p-value {smallest[name]:.1e}")
    return smallest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="print, write no file")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    head = environment(("torch", "torchvision", "pillow", "numpy"))
    rows, checks = [], []
    for name, recipe in RECIPES.items():
        for batch in BATCHES:
            times = paired(candidates(recipe, patches(batch)), repeats=args.repeats)
            micro = [describe(type(t)([s / batch * 1e6 for s in t.seconds]), 0) for t in times.values()]
            against = [describe(ratio(times[other], times["ours"]), 1) for other in ("torchvision", "Pillow")]
            rows.append([name, batch, *micro, *against])
        checks += [[name, other, f"{p:.3f}"] for other, p in equal_distributions(recipe).items()]
    text = "\n\n".join(
        [
            "# Two-view augmentation, one core: batched tensors against torchvision and Pillow per image",
            head,
            f"Images 32x32 RGB. Microseconds per image (both views), median (quartiles) of {args.repeats} turns; "
            "ratios are medians of the turns' ratios. Target: 8x Pillow.",
            table(["recipe", "batch", "ours", "torchvision", "Pillow", "torchvision / ours", "Pillow / ours"], rows),
            f"Equal results: two-sample Kolmogorov-Smirnov tests of {CHECKED} images per view on mean, contrast, "
            "colour and sharpness (rounded to 0.001); the smallest p-value of 8 tests (below about 0.001 would mean "
            "different distributions).",
            table(["recipe", "ours against", "smallest p"], checks),
        ]
    )
    print(text)
    if not args.dry_run:
        print(f"\nwritten to {os.path.relpath(write_result('two_views', text))}")


if __name__ == "__main__":
    main()
