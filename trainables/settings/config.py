"""One training run as frozen pydantic models: every setting, its default, its unit and its bounds.

The defaults are the `strong` preset: what the field's public recipes show to work on CIFAR-sized data.
A file holds only what differs from them. `trainables.settings.presets` lists named sets of differences.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trainables.settings.fields import (
    MOST,
    Epochs,
    Features,
    Folder,
    Images,
    Named,
    Probability,
    Ratio,
    Section,
    Seed,
    Share,
    Unit,
    options_of,
)
from trainables.vocabulary.methods_and_support_sets import LOSSES, METHODS, SUPPORT_KINDS, SUPPORT_SETS
from trainables.vocabulary.metrics_and_objectives import MEASURES, SCORES
from trainables.vocabulary.parts import AUGMENTATIONS, ENCODERS, SOURCES

MethodName = Annotated[str, Named(METHODS, tuple(METHODS))]
Score = Literal[*SCORES]


class DataConfig(Section):
    """Where images come from and how they are split."""

    name: Annotated[str, Named(SOURCES, SOURCES.house)] = "cifar100"
    """Where the images come from; digits are embedded (1,797 grey images of 8x8, from scikit-learn); one of your own:
    an entry point's name, or `module:Class` (docs/extending.md)."""
    options: options_of(SOURCES) = {}
    """Of a data source of your own, by its class."""
    root: Folder | None = None
    """Folder of the data; cifar10/100: download folder (default: data/); parquet, image_folder, and one of your
    own that has files: required."""
    download: bool = True
    """cifar10/100: download if missing."""
    image_column: str | None = None
    """parquet: column of image bytes, or a struct with a `bytes` field (default: guessed: img, image, ...)."""
    label_column: str | None = None
    """parquet: integer label column (default: guessed: label, fine_label, ...)."""
    image_size: Annotated[int | None, Unit("pixels")] = Field(None, ge=4, le=512)
    """Images are resized (shorter side) and centre-cropped to this many pixels; null keeps a size all images share."""
    test_share: Share | None = Field(None, gt=0, lt=1)
    """parquet, image_folder without a test split (train/CLASS/*.png or CLASS/*.png alone): this share of each class's
    images is the test split, drawn once, whatever the seeds; null: there must be one."""
    train_limit: Images | None = Field(None, ge=2, le=10**9)
    """Use only this many training images after the validation split, drawn stratified with `split_seed`."""
    validation_per_class: Images = Field(50, ge=1, le=10**9)
    """Images per class held out of train for validation, stratified."""
    split_seed: Seed = 42
    """Draws the validation images, those of `train_limit` and of the few-shot probe: the same in all trials."""
    cache_dir: Folder | None = None
    """Folder of decoded uint8 arrays (default: $KMCLR_CACHE, else the user's cache folder)."""


class EncoderConfig(Section):
    """The network whose features are evaluated."""

    name: Annotated[str, Named(ENCODERS, ENCODERS.house)] = "resnet18"
    """resnet18: with the 3x3 stem for small images, 512 features; small_conv: a small network for CPUs; one of your
    own: an entry point's name, or `module:Class` (docs/extending.md)."""
    options: options_of(ENCODERS) = {}
    """Of an encoder of your own, by its class."""
    width: Annotated[int | None, Unit("channels")] = Field(None, ge=4, le=512)
    """Channels of the first stage (default: 64 for resnet18, 32 for small_conv)."""
    stem_padding: Annotated[Literal[1, 2], Unit("pixels")] = 1
    """Padding of the 3x3 CIFAR stem; 2 gives 34x34 maps, as the original study and solo-learn have it."""


class HeadsConfig(Section):
    """Projector (all methods) and predictor (of the methods that have one)."""

    projector_hidden: Features = 2048
    """Width of the projector's hidden layers."""
    projector_layers: Annotated[Literal[2, 3], Unit("layers")] = 3
    """Linear layers of the projector."""
    embedding_dim: Features = 256
    """Length of an embedding: what the loss compares and the support set holds."""
    predictor_hidden: Features = 4096
    """Width of the predictor's hidden layer."""


class LossConfig(Section):
    """What is minimised."""

    temperature: Ratio = Field(0.2, gt=0, le=10)
    """Softmax temperature of the contrastive losses; unused by byol."""
    name: Annotated[str | None, Named(LOSSES)] = None
    """A method of your own, whose loss it is (docs/extending.md); null: that of `method`."""
    options: options_of(LOSSES) = {}
    """Of a method of your own, by its class."""
    symmetric: bool = True
    """Average the loss over both directions (view 1 -> 2 and 2 -> 1)."""


class SupportConfig(Section):
    """The support set: which of these settings apply follows from the method."""

    name: Annotated[str | None, Named(SUPPORT_SETS)] = None
    """A support set of your own: an entry point's name, or `module:Class` (docs/extending.md). It is a method of its
    own, with the heads and the loss of nnclr."""
    options: options_of(SUPPORT_SETS) = {}
    """Of a support set of your own, by its class."""
    queue_size: Annotated[int, Unit("embeddings")] = Field(65536, ge=1, le=10**9)
    """queue: rows of the FIFO queue."""
    queue_dtype: Literal["float32", "float16", "int8"] = "float32"
    """queue: storage of a row; int8 has one float32 scale a row."""
    mask_same_image: bool = False
    """queue: never return a row that came from the query's own image (costs 8 bytes a row)."""
    k: Annotated[int, Unit("prototypes")] = Field(400, ge=1, le=10**7)
    """prototypes: number of prototypes."""
    prototype_dtype: Literal["float32", "float16"] = "float32"
    """prototypes: storage of a prototype, and of an embedding kept for forgetting; counts are float32."""
    update: Literal["count", "ema"] = "count"
    """prototypes: `count` is mini-batch k-means (rate 1/count); `ema` forgets with a half-life."""
    forget_every: Epochs = Field(3, ge=0, le=MOST)
    """prototypes, update=count: every this many epochs re-seed the prototypes from the newest embeddings; 0 never."""
    half_life: Annotated[float, Unit("steps")] = Field(100.0, gt=0)
    """prototypes, update=ema: steps after which an observation's weight has halved."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """prototypes: assignment on the unit sphere, or Euclidean on raw projections (as the original study)."""
    revive_after: Share = 0.0
    """prototypes: one whose share of assignments falls below this fraction of the mean is re-seeded; 0 never."""
    balance: Literal["none", "sinkhorn"] = "none"
    """prototypes: balanced assignment used for the update only, to keep prototypes in use."""


class PositivesConfig(Section):
    """How a positive is drawn from the support set, by the methods that have one."""

    kind: Literal["nearest", "topk", "soft"] = "nearest"
    """nearest: the closest vector; topk: the mean of the `top_k` closest; soft: their weighted mean."""
    top_k: Annotated[int, Unit("embeddings")] = Field(5, ge=1, le=10**9)
    """topk, soft: neighbours taken into account."""
    soft_temperature: Ratio = Field(0.1, gt=0)
    """soft: temperature of the similarity weights."""
    mix: Literal["none", "random"] = "none"
    """random: positive = lambda * neighbour + (1 - lambda) * own embedding, lambda ~ U(0, 1) per sample (MNN)."""
    momentum_encoder: bool = False
    """Take queries and keys from an exponential moving average of encoder and projector."""
    momentum: Share = 0.99
    """Start value of the moving average's momentum (also of byol's and resa's targets); rises to 1 by a cosine."""


class ViewConfig(Section):
    """Random augmentation of one view; probabilities are per image."""

    crop_min: Share = Field(0.08, gt=0)
    """Smallest area of the random crop, of the image's; its aspect ratio is between 3/4 and 4/3."""
    crop_max: Share = Field(1.0, gt=0)
    """Largest area of the random crop, of the image's."""
    flip: Probability = 0.5
    """Mirror left and right."""
    jitter: Probability = 0.8
    """Change brightness, contrast, saturation and hue, in random order, by at most the four strengths."""
    brightness: Ratio = Field(0.4, ge=0)
    """Strength: the factor is drawn from 1 - brightness to 1 + brightness."""
    contrast: Ratio = Field(0.4, ge=0)
    """Strength: the factor is drawn from 1 - contrast to 1 + contrast."""
    saturation: Ratio = Field(0.2, ge=0)
    """Strength: the factor is drawn from 1 - saturation to 1 + saturation."""
    hue: Annotated[float, Unit("turns")] = Field(0.1, ge=0, le=0.5)
    """Strength: the hue is turned by up to this part of the colour circle, either way."""
    grey: Probability = 0.2
    """Turn to grey."""
    blur: Probability = 0.0
    """Blur with a Gaussian."""
    blur_sigma_min: Annotated[float, Unit("pixels")] = Field(0.1, gt=0)
    """Smallest standard deviation of the Gaussian."""
    blur_sigma_max: Annotated[float, Unit("pixels")] = Field(2.0, gt=0)
    """Largest standard deviation of the Gaussian."""
    solarise: Probability = 0.0
    """Invert what is brighter than half."""

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

    solarise: Probability = 0.2
    """Invert what is brighter than half."""


class AugmentConfig(Section):
    """The two views of an image; every image of either view draws its own."""

    name: Annotated[str, Named(AUGMENTATIONS, AUGMENTATIONS.house)] = "two_views"
    """two_views: crops, flips and colours as `view1` and `view2` have them; one of your own: an entry point's name, or
    `module:Class` (docs/extending.md)."""
    options: options_of(AUGMENTATIONS) = {}
    """Of an augmentation of your own, by its class."""
    crop_min: Share = 0.0
    """No crop of either view is smaller than this area, whatever its own `crop_min`: the nearer to 1, the weaker."""
    colour: Share = 1.0
    """Factor on the probabilities of jitter, grey and solarisation in both views; 0: colours stay as they are."""
    view1: ViewConfig = ViewConfig()
    view2: SecondViewConfig = SecondViewConfig()

    @model_validator(mode="after")
    def _ordered(self) -> AugmentConfig:
        if (largest := min(self.view1.crop_max, self.view2.crop_max)) < self.crop_min:
            raise ValueError(f"crop_min ({self.crop_min}) must not exceed the views' crop_max ({largest})")
        return self

    @property
    def views(self) -> tuple[ViewConfig, ViewConfig]:
        """Both views as they act: with the smallest crop and the strength of colour of both."""
        return self._acting(self.view1), self._acting(self.view2)

    def _acting(self, view: ViewConfig) -> ViewConfig:
        weakened = {name: self.colour * getattr(view, name) for name in ("jitter", "grey", "solarise")}
        return view.model_copy(update={"crop_min": max(view.crop_min, self.crop_min), **weakened})


class TrainConfig(Section):
    """How long, in which batches, and how the machine is used."""

    epochs: Epochs = Field(200, ge=1, le=MOST)
    """Passes over the training images: the full budget of a trial."""
    batch_size: Images = Field(256, ge=1, le=MOST)
    """Images of a step, each with two views."""
    drop_last: bool = True
    """Drop a last batch that is not full (never drops the only one)."""
    one_forward: bool = False
    """Both views in one encoder forward: faster; BatchNorm then sees statistics of both views together."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 autocast on CUDA, float32 elsewhere."""
    channels_last: bool | None = None
    """Memory layout of images with the channels last; null: on for CUDA."""
    compile: Literal["none", "compile", "cuda_graphs"] = "none"
    """compile: fused kernels by torch.compile; cuda_graphs: also replays forward and backward (CUDA only)."""
    time_limit_s: Annotated[float | None, Unit("s")] = Field(None, gt=0)
    """A trial over this many seconds of wall time ends as `timed_out`."""
    checkpoint_every: Annotated[Annotated[int, Field(ge=1, le=MOST)] | Literal["auto"], Unit("epochs")] = "auto"
    """Epochs between checkpoints; auto: as often as saving takes at most 1 % of the time. The last is always saved."""


class OptimizerConfig(Section):
    """The optimiser of encoder and heads, and its schedule."""

    name: Literal["lars", "sgd", "adamw"] = "lars"
    """lars: SGD with layer-wise adaptive rates (You et al. 2017); sgd, adamw: PyTorch's."""
    learning_rate: Ratio = Field(0.4, gt=0)
    """After warm-up, at the given batch size; not rescaled."""
    momentum: Share = Field(0.9, lt=1)
    """Of lars and sgd; adamw's first beta."""
    weight_decay: Ratio = Field(1e-5, ge=0)
    """Never applied to biases and norm parameters."""
    lars_eta: Ratio = Field(0.02, gt=0)
    """LARS trust coefficient."""
    lars_clip: bool = True
    """LARS: local rate = min(eta * |w| / |g|, lr) / lr, so that no layer moves faster than plain SGD."""
    warmup_epochs: Annotated[float, Unit("epochs")] = Field(10, ge=0)
    """Linear warm-up; then cosine to 0, ending at the last step."""


class ProbeConfig(Section):
    """Evaluation during training, on validation only."""

    score: Score = "probe_acc1"
    """The metric that becomes `accuracy`, the study's objective."""
    learning_rate: Ratio = Field(0.1, gt=0)
    """Of the online linear probe (SGD, momentum 0.9, no weight decay, stop-gradient features)."""
    every: Epochs = Field(1, ge=1, le=MOST)
    """Epochs between evaluations; the last epoch is always evaluated, others repeat the last values."""
    knn_k: Images = Field(20, ge=1, le=MOST)
    """Neighbours of the weighted kNN evaluation."""
    knn_temperature: Ratio = Field(0.07, gt=0)
    """A neighbour's weight is exp(cosine similarity / temperature)."""
    few_shot_labels: Images = Field(5, ge=1, le=MOST)
    """Labels per class of the few-shot linear probe."""
    few_shot_draws: Annotated[int, Unit("draws")] = Field(5, ge=1, le=1000)
    """Draws of labelled images averaged by the few-shot probe, seeded by data.split_seed."""
    projection_every: Epochs = Field(0, ge=0, le=MOST)
    """Every this many epochs keep a 2-D projection of prototypes and of a fixed sample of embeddings; 0 never."""
    projection_samples: Images = Field(500, ge=10, le=MOST)
    """Embeddings of the projection's sample."""


class MeasureConfig(Section):
    """What a trial measures after each epoch beside its own metrics; a study may optimise it."""

    name: Annotated[str | None, Named(MEASURES)] = None
    """A measure of your own: an entry point's name, or `module:Class` (docs/extending.md)."""
    options: options_of(MEASURES) = {}
    """Of a measure of your own, by its class."""


class RunSections(Section):
    """The settings that a single run and a study share."""

    preset: Literal["strong", "seed"] = "strong"
    """Named differences from the defaults: strong has none; seed is the original KMCLR study's recipe."""
    method: MethodName = "kmclr"
    """Encoder, heads, loss and support set together; none: the heads and loss of nnclr without a support set."""
    seed: Seed = 0
    """Of a single run: weights, order of images, views. In a study: of all trials of the search stage."""
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
    measure: MeasureConfig = MeasureConfig()


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
        size = SUPPORT_KINDS[method.support].count(self.support)
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
