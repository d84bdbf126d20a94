"""One training run as frozen pydantic models: every setting, its default, its unit and its bounds.

The defaults are the `strong` preset: what the field's public recipes show to work on CIFAR-sized data.
A file holds only what differs from them. `trainables.settings.presets` lists named sets of differences.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from trainables import files
from trainables.vocabulary.methods_and_support_sets import METHODS, SUPPORT_KINDS
from trainables.vocabulary.metrics_and_objectives import SCORES

MethodName = Literal[*METHODS]
Score = Literal[*SCORES]


def _possible_path(text: str) -> str:
    files.user_path(text)
    return text


Folder = Annotated[str, AfterValidator(_possible_path)]
"""A path, kept as it was written: `~` means the home of who uses it, on the machine where it is used."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""Generators seed themselves with 32 bits, so a seed beyond would repeat another's run."""
WIDEST, MOST = 2**16, 10**6
"""Bounds of what nobody means: features of a layer; epochs, batches, neighbours, trials."""


class Section(BaseModel):
    """A frozen group of settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DataConfig(Section):
    """Where images come from and how they are split."""

    name: Literal["digits", "cifar10", "cifar100", "parquet", "image_folder"] = "cifar100"
    root: Folder | None = None
    """Folder of the data; cifar10/100: download folder (default: data/); parquet, image_folder: required."""
    download: bool = True
    """cifar10/100: download if missing."""
    image_column: str | None = None
    """parquet: column of image bytes, or a struct with a `bytes` field (default: guessed: img, image, ...)."""
    label_column: str | None = None
    """parquet: integer label column (default: guessed: label, fine_label, ...)."""
    image_size: int | None = Field(None, ge=4, le=512)
    """Images are resized (shorter side) and centre-cropped to this many pixels; None keeps a size all images share."""
    train_limit: int | None = Field(None, ge=2, le=10**9)
    """Use only this many training images after the validation split, drawn stratified with `split_seed`."""
    validation_per_class: int = Field(50, ge=1, le=10**9)
    """Images per class held out of train for validation, stratified."""
    split_seed: Seed = 42
    cache_dir: Folder | None = None
    """Folder of decoded uint8 arrays (default: $KMCLR_CACHE, else the user's cache folder)."""


class EncoderConfig(Section):
    """The network whose features are evaluated."""

    name: Literal["resnet18", "small_conv"] = "resnet18"
    width: int | None = Field(None, ge=4, le=512)
    """Channels of the first stage (default: 64 for resnet18, 32 for small_conv)."""
    stem_padding: Literal[1, 2] = 1
    """Padding of the 3x3 CIFAR stem; 2 gives 34x34 maps, as the original study and solo-learn have it."""


class HeadsConfig(Section):
    """Projector (all methods) and predictor (of the methods that have one)."""

    projector_hidden: int = Field(2048, ge=2, le=WIDEST)
    projector_layers: Literal[2, 3] = 3
    embedding_dim: int = Field(256, ge=2, le=WIDEST)
    predictor_hidden: int = Field(4096, ge=2, le=WIDEST)


class LossConfig(Section):
    temperature: float = Field(0.2, gt=0, le=10)
    """Softmax temperature of the contrastive losses; unused by byol."""
    symmetric: bool = True
    """Average the loss over both directions (view 1 -> 2 and 2 -> 1)."""


class SupportConfig(Section):
    """The support set: which of these settings apply follows from the method."""

    queue_size: int = Field(65536, ge=1, le=10**9)
    """queue: rows of the FIFO queue."""
    queue_dtype: Literal["float32", "float16", "int8"] = "float32"
    """queue: storage of a row; int8 has one float32 scale a row."""
    mask_same_image: bool = False
    """queue: never return a row that came from the query's own image (costs 8 bytes a row)."""
    k: int = Field(400, ge=1, le=10**7)
    """prototypes: number of prototypes."""
    prototype_dtype: Literal["float32", "float16"] = "float32"
    update: Literal["count", "ema"] = "count"
    """prototypes: `count` is mini-batch k-means (rate 1/count); `ema` forgets with a half-life."""
    forget_every: int = Field(3, ge=0, le=MOST)
    """prototypes, update=count: every this many epochs re-seed the prototypes from the newest embeddings; 0 never."""
    half_life: float = Field(100.0, gt=0)
    """prototypes, update=ema: steps after which an observation's weight has halved."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """prototypes: assignment on the unit sphere, or Euclidean on raw projections (as the original study)."""
    revive_after: float = Field(0.0, ge=0, le=1)
    """prototypes: one whose share of assignments falls below this fraction of the mean is re-seeded; 0 never."""
    balance: Literal["none", "sinkhorn"] = "none"
    """prototypes: balanced assignment used for the update only, to keep prototypes in use."""


class PositivesConfig(Section):
    """How a positive is drawn from the support set, by the methods that have one."""

    kind: Literal["nearest", "topk", "soft"] = "nearest"
    top_k: int = Field(5, ge=1, le=10**9)
    """topk, soft: neighbours taken into account."""
    soft_temperature: float = Field(0.1, gt=0)
    """soft: temperature of the similarity weights."""
    mix: Literal["none", "random"] = "none"
    """random: positive = lambda * neighbour + (1 - lambda) * own embedding, lambda ~ U(0, 1) per sample (MNN)."""
    momentum_encoder: bool = False
    """Take queries and keys from an exponential moving average of encoder and projector."""
    momentum: float = Field(0.99, ge=0, le=1)
    """Start value of the moving average's momentum (also byol's target); rises to 1 by a cosine."""


class ViewConfig(Section):
    """Random augmentation of one view; probabilities are per image."""

    crop_min: float = Field(0.08, gt=0, le=1)
    crop_max: float = Field(1.0, gt=0, le=1)
    flip: float = Field(0.5, ge=0, le=1)
    jitter: float = Field(0.8, ge=0, le=1)
    brightness: float = Field(0.4, ge=0)
    contrast: float = Field(0.4, ge=0)
    saturation: float = Field(0.2, ge=0)
    hue: float = Field(0.1, ge=0, le=0.5)
    grey: float = Field(0.2, ge=0, le=1)
    blur: float = Field(0.0, ge=0, le=1)
    blur_sigma_min: float = Field(0.1, gt=0)
    blur_sigma_max: float = Field(2.0, gt=0)
    solarise: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> ViewConfig:
        if self.crop_min > self.crop_max:
            raise ValueError(f"crop_min ({self.crop_min}) must not exceed crop_max ({self.crop_max})")
        if self.blur_sigma_min > self.blur_sigma_max:
            raise ValueError(
                f"blur_sigma_min ({self.blur_sigma_min}) must not exceed blur_sigma_max ({self.blur_sigma_max})"
            )
        return self


class SecondViewConfig(ViewConfig):
    """View 2 differs from view 1 by its solarisation alone."""

    solarise: float = Field(0.2, ge=0, le=1)


class AugmentConfig(Section):
    view1: ViewConfig = ViewConfig()
    view2: SecondViewConfig = SecondViewConfig()


class TrainConfig(Section):
    epochs: int = Field(200, ge=1, le=MOST)
    batch_size: int = Field(256, ge=1, le=MOST)
    drop_last: bool = True
    """Drop a last batch that is not full (never drops the only one)."""
    one_forward: bool = False
    """Both views in one encoder forward: faster; BatchNorm then sees statistics of both views together."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 autocast on CUDA, float32 elsewhere."""
    channels_last: bool | None = None
    """None: on for CUDA."""
    compile: Literal["none", "compile", "cuda_graphs"] = "none"
    time_limit_s: float | None = Field(None, gt=0)
    """A trial over this many seconds of wall time ends as `timed_out`."""
    checkpoint_every: Annotated[int, Field(ge=1, le=MOST)] | Literal["auto"] = "auto"
    """Epochs between checkpoints; auto: as often as saving takes at most 1 % of the time. The last is always saved."""


class OptimizerConfig(Section):
    name: Literal["lars", "sgd", "adamw"] = "lars"
    learning_rate: float = Field(0.4, gt=0)
    """At the given batch size; not rescaled."""
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-5, ge=0)
    """Never applied to biases and norm parameters."""
    lars_eta: float = Field(0.02, gt=0)
    """LARS trust coefficient."""
    lars_clip: bool = True
    """LARS: local rate = min(eta * |w| / |g|, lr) / lr, so that no layer moves faster than plain SGD."""
    warmup_epochs: float = Field(10, ge=0)
    """Linear warm-up; then cosine to 0, ending at the last step."""


class ProbeConfig(Section):
    """Evaluation during training, on validation only."""

    score: Score = "probe_acc1"
    """The metric that becomes `accuracy`, the study's objective."""
    learning_rate: float = Field(0.1, gt=0)
    """Online linear probe (SGD, momentum 0.9, no weight decay, stop-gradient features)."""
    every: int = Field(1, ge=1, le=MOST)
    """Epochs between evaluations; the last epoch is always evaluated, others repeat the last values."""
    knn_k: int = Field(20, ge=1, le=MOST)
    knn_temperature: float = Field(0.07, gt=0)
    few_shot_labels: int = Field(5, ge=1, le=MOST)
    """Labels per class of the few-shot linear probe."""
    few_shot_draws: int = Field(5, ge=1, le=1000)
    """Draws of labelled images averaged by the few-shot probe, seeded by data.split_seed."""
    projection_every: int = Field(0, ge=0, le=MOST)
    """Every this many epochs keep a 2-D projection of prototypes and of a fixed sample of embeddings; 0 never."""
    projection_samples: int = Field(500, ge=10, le=MOST)


class RunSections(Section):
    """The settings that a single run and a study share."""

    preset: Literal["strong", "seed"] = "strong"
    method: MethodName = "kmclr"
    seed: Seed = 0
    device: str = "auto"
    """auto (CUDA if present), cpu, cuda; for a single run also cuda:N (in a study Ray gives each trial its GPU)."""
    data: DataConfig = DataConfig()
    encoder: EncoderConfig = EncoderConfig()
    heads: HeadsConfig = HeadsConfig()
    loss: LossConfig = LossConfig()
    support: SupportConfig = SupportConfig()
    positives: PositivesConfig = PositivesConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    probe: ProbeConfig = ProbeConfig()


class RunConfig(RunSections):
    """One training run: one point, one seed."""

    @model_validator(mode="after")
    def _possible(self) -> RunConfig:
        if self.optimizer.warmup_epochs >= self.train.epochs and self.optimizer.warmup_epochs > 0:
            raise ValueError(
                f"optimizer.warmup_epochs ({self.optimizer.warmup_epochs:g}) must be below train.epochs "
                f"({self.train.epochs}): shorten the warm-up or train longer"
            )
        method = METHODS[self.method]
        setting = SUPPORT_KINDS[method.support].size
        size = None if setting is None else getattr(self.support, setting)
        if self.positives.kind != "nearest" and size is not None and self.positives.top_k > size:
            raise ValueError(
                f"positives.top_k ({self.positives.top_k}) exceeds the support set's size ({size}) "
                f"of method {self.method}"
            )
        if self.positives.momentum_encoder and method.momentum == "never":
            *others, last = (name for name, other in METHODS.items() if other.momentum != "never")
            raise ValueError(
                f"positives.momentum_encoder has no effect with method {self.method}: use {', '.join(others)} or {last}"
            )
        return self
