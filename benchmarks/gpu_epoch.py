"""Seconds of a training epoch by batch, compilation and one or two forwards, as shares of the device's peak.

    uv run python -m benchmarks.gpu_epoch                      # on a GPU: ResNet-18, batch 64, 256, 512; 3-5 minutes
    OMP_NUM_THREADS=1 uv run python -m benchmarks.gpu_epoch    # on a CPU: the small encoder, two batches

An epoch is 45,000 images of CIFAR-100's shape, two views each; some steps of it are timed, in turns, and scaled up.
The floor counts the matrix products and convolutions of a step (torch's FLOP counter, forward and backward) at the rate
that a large bfloat16 (CPU: float32) product reaches on the same device. A profile of the default setting follows.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import Timing, describe, environment, paired, table, write_result
from benchmarks.machine import Peaks, clock, measure_peaks
from benchmarks.train_step import Setting, run_config
from trainables import devices
from trainables.estimate import Sizes, noise_dataset
from trainables.trial import Trial

IMAGES = 45_000
TARGET_S, STRETCH_S = 1.6, 1.10
"""Of an epoch on one H200 (ResNet-18, batch 256): 25 % and 35 % of its bfloat16 peak."""
ARM = {"method": "kmclr", "support": {"k": 400}}


class Case(NamedTuple):
    batch: int
    compile: str
    one_forward: bool


def trial_of(case: Case, setting: Setting) -> Trial:
    setting = setting._replace(batch=case.batch, compile=case.compile, one_forward=case.one_forward)
    trial = Trial(run_config(setting, ARM), noise_dataset(Sizes(), max(8 * case.batch, 100)))
    trial.total_steps = 10**9
    trial.method.train()
    return trial


def stepper(trial: Trial, batch: int, steps: int) -> Callable[[], None]:
    """A function that takes `steps` steps on changing batches."""
    order = torch.randperm(len(trial.train_data.labels), device=trial.device).split(batch)
    full = [index for index in order if len(index) == batch]

    return lambda: trial.train_steps([full[step % len(full)] for step in range(steps)])


def step_flops(setting: Setting, batch: int) -> float:
    """FLOP of a training step (multiply and add counted as two), counted on a few images and scaled."""
    few = 4
    small = setting._replace(device=torch.device("cpu"))
    trial = trial_of(Case(few, "none", False), small)
    counter = FlopCounterMode(display=False)
    with counter:
        trial.train_step(torch.arange(few))
    return counter.get_total_flops() * batch / few


def measure(cases: Sequence[Case], setting: Setting) -> dict[Case, Timing]:
    """Seconds of an epoch's training."""
    runs = {case: stepper(trial_of(case, setting), case.batch, setting.steps) for case in cases}
    wait = partial(devices.synchronise, setting.device)
    timings = paired(runs, repeats=setting.repeats, warm_up=3, wait=wait, clock=clock(setting.device))
    return {case: time.scaled((IMAGES // case.batch) / setting.steps) for case, time in timings.items()}


def rows_of(timings: dict[Case, Timing], setting: Setting, peaks: Peaks) -> list[list[str]]:
    rows = []
    for case, timing in timings.items():
        flops = step_flops(setting, case.batch) * (IMAGES // case.batch)
        seconds = statistics.median(timing.seconds)
        rows.append(
            [
                str(case.batch),
                case.compile,
                "one" if case.one_forward else "two",
                describe(timing, 3),
                f"{flops / 1e15:.3f}",
                f"{flops / peaks.bfloat16:.3f}",
                f"{100 * flops / peaks.bfloat16 / seconds:.1f} %",
            ]
        )
    return rows


def profile_text(case: Case, setting: Setting, rows: int = 25) -> str:
    """Where the time of five steps goes: operators by their own time."""
    run = stepper(trial_of(case, setting), case.batch, 5)
    run()
    devices.synchronise(setting.device)
    on_gpu = setting.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=activities, acc_events=True) as profiler:
        run()
        devices.synchronise(setting.device)
    key = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    return profiler.key_averages().table(sort_by=key, row_limit=rows, max_name_column_width=60)


def default_cases(on_gpu: bool, batches: Sequence[int], modes: Sequence[str]) -> list[Case]:
    """Two forwards in every mode; one forward eager and with CUDA graphs (each compilation takes its minute)."""
    modes = modes if on_gpu else ["none"]
    one = [mode for mode in modes if mode != "compile"]
    return [Case(b, mode, False) for b in batches for mode in modes] + [Case(b, m, True) for b in batches for m in one]


def report(timings: dict[Case, Timing], setting: Setting, peaks: Peaks) -> str:
    head = ["batch", "compile", "forwards", "s an epoch", "PFLOP an epoch", "floor s", "share of peak"]
    precision = "bfloat16" if setting.device.type == "cuda" else "float32"
    notes = (
        f"{peaks.line()}\n- torch threads: {torch.get_num_threads()}; n = {setting.repeats} readings of "
        f"{setting.steps} steps in turns; median (first to third quartile); method kmclr, k = 400; {precision}\n"
        f"- target on one H200 at batch 256: below {TARGET_S} s (stretch {STRETCH_S} s)"
    )
    text = [f"# Training epoch: {setting.encoder}, 45,000 images, two views 32x32, {setting.device}"]
    text += [f"{environment(('torch', 'torchvision'))}\n{notes}", table(head, rows_of(timings, setting, peaks))]
    first = next(iter(timings))
    case = Case(256 if any(case.batch == 256 for case in timings) else first.batch, "none", False)
    text += [f"## Profile of five steps, batch {case.batch}, two forwards, not compiled"]
    return "\n\n".join([*text, f"```\n{profile_text(case, setting)}\n```"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--encoder", default=None, help="default: resnet18 on a GPU, small_conv on a CPU")
    parser.add_argument("--steps", type=int, default=None, help="steps per reading (default: 30 on a GPU, 1 on a CPU)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", default=None, help="default: 64,256,512 on a GPU, 64,256 on a CPU")
    parser.add_argument("--modes", default="none,compile,cuda_graphs", help="on a GPU: values of train.compile")
    args = parser.parse_args()
    device = devices.pick_device(args.device)
    on_gpu = device.type == "cuda"
    if not on_gpu:
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    setting = Setting(
        device=device,
        encoder=args.encoder or ("resnet18" if on_gpu else "small_conv"),
        steps=args.steps or (30 if on_gpu else 1),
        repeats=args.repeats,
    )
    batches = [int(batch) for batch in (args.batches or ("64,256,512" if on_gpu else "64,256")).split(",")]
    peaks = measure_peaks(device)
    text = report(measure(default_cases(on_gpu, batches, args.modes.split(",")), setting), setting, peaks)
    print(text)
    print("written:", write_result(f"epoch-{device.type}", text))


if __name__ == "__main__":
    main()
