"""The writer process behind `study.listeners.tracker`: events from stdin, one JSON object a line, feed the sinks.

W&B: one run per trial, named by its label and id, tagged with its method and stage, its parameters in the config,
grouped by study and stage; at the end one run with the front and the table of trials. A server that cannot be reached,
does not answer or rejects the key costs nothing but the live page: the runs go on offline, and `wandb sync` sends them
later. TensorBoard: one log folder per trial below `tensorboard/`, named by id and label, with the parameters for the
HParams page. A sink of one's own is made of a `study.listeners.own_tracker.TrackerSpec`. An error in a sink ends that
sink only, with a line for the user.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from study import schema
from study.listeners.own_tracker import own_sink
from trainables import dominance

COLUMNS = ("trial_id", "stage", "status", "label", "seed", "epochs", "baseline")
MOST_LABEL = 80
"""Characters of a label in the name of a run or folder."""
INIT_S = 30
FINISH_S = 20
"""Seconds that the rest of a run's data may take to be sent before the server counts as gone."""


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a line that are numbers."""
    return {name: line[name] for name in schema.METRICS if isinstance(line.get(name), (int, float))}


def title(task: Mapping[str, Any]) -> str:
    """What a person reads in a list of runs: `kmclr k=400 t=0.2 (search-0003)`."""
    return f"{task['label'][:MOST_LABEL]} ({task['trial_id']})"


def hyperparameters(task: Mapping[str, Any]) -> dict[str, Any]:
    """What TensorBoard's HParams page compares trials by."""
    fixed = {name: task[name] for name in ("method", "seed", "stage", "baseline")}
    return {**fixed, **{k: v for k, v in task["params"].items() if isinstance(v, bool | int | float | str)}}


class WandbSink:
    """One W&B run per trial that is running; offline from the first time that the server fails, told once by `tell`."""

    def __init__(self, settings: Mapping[str, Any], tell: Callable[[str], None] = print) -> None:
        os.environ["WANDB_SILENT"] = "true"
        import wandb

        self.wandb = wandb
        self.options = settings
        self.tell = tell
        self.mode = settings["wandb"]
        self.online_runs = False
        self.runs: dict[str, Any] = {}
        if self.mode == "online":
            self._check()

    def _check(self) -> None:
        """Ask the server once who we are, before there is a run whose history a hurried stop could lose."""
        try:
            self.wandb.Api(timeout=self.options["check_s"])
        except Exception as error:
            self._go_offline(error)

    def _go_offline(self, error: Exception) -> None:
        if self.mode == "offline":
            return
        self.mode = "offline"
        server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
        unsent = "*run" if self.online_runs else "offline-run"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        self.tell(
            f"W&B: {server} cannot be used, so runs go on offline ({lines[0][:200]}); send them later with: "
            f"wandb sync {shlex.quote(self.options['folder'])}/wandb/{unsent}-*"
        )

    def _init(
        self, name: str, group: str, job: str, config: Mapping[str, Any], title: str = "", tags: Iterable[str] = ()
    ) -> Any:
        online = self.mode == "online"
        try:
            run = self.wandb.init(
                project=self.options["project"],
                mode=self.mode,
                dir=self.options["folder"],
                id=f"{self.options['run_id']}-{name}",
                name=title or name,
                group=group,
                tags=list(tags),
                job_type=job,
                config=dict(config),
                resume="allow" if online else None,
                reinit="create_new",
                settings=self.wandb.Settings(
                    silent=True,
                    console="off",
                    init_timeout=INIT_S,
                    finish_timeout=FINISH_S if online else 0,
                    finish_timeout_raises=True,
                    x_disable_stats=True,
                ),
            )
        except Exception as error:
            if not online:
                raise
            self._go_offline(error)
            for empty in Path(self.options["folder"], "wandb").glob(f"run-*-{self.options['run_id']}-{name}"):
                shutil.rmtree(empty, ignore_errors=True)
            return self._init(name, group, job, config, title, tags)
        self.online_runs |= online
        return run

    def _finish(self, run: Any, exit_code: int = 0) -> None:
        try:
            run.finish(exit_code=exit_code)
        except TimeoutError as error:
            self._go_offline(error)

    def start(self, task: Mapping[str, Any]) -> None:
        if task["trial_id"] in self.runs:
            return
        names = ("method", "label", "seed", "stage", "params", "point", "baseline", "run")
        config = {**task["params"], **{name: task[name] for name in names}}
        group = f"{self.options['study']}/{task['stage']}"
        tags = [task["method"], task["stage"], *(["baseline"] if task["baseline"] else [])]
        self.runs[task["trial_id"]] = self._init(task["trial_id"], group, task["stage"], config, title(task), tags)

    def report(self, trial_id: str, line: Mapping[str, Any]) -> None:
        self.runs[trial_id].log({**numbers(line), "epoch": line["epoch"]}, step=line["epoch"])

    def pause(self, trial_id: str) -> None:
        run = self.runs.pop(trial_id, None)
        if run is not None:
            run.summary.update({"status": "paused"})
            self._finish(run)

    def end(self, trial_id: str, line: Mapping[str, Any]) -> None:
        run = self.runs.pop(trial_id, None)
        if run is None and line["status"] == schema.STOPPED:  # its run was finished when it paused, and says so
            config = {k: line[k] for k in ("method", "label", "seed", "params", "point", "baseline")}
            run = self._init(trial_id, f"{self.options['study']}/{line['stage']}", line["stage"], config)
        if run is not None:
            run.summary.update({"status": line["status"], **numbers(line["metrics"])})
            self._finish(run, exit_code=0 if line["status"] in (schema.COMPLETED, schema.STOPPED) else 1)

    def finish(self, trials: list[Mapping[str, Any]], hurry: bool) -> None:
        for run in self.runs.values():
            self._finish(run, exit_code=1)
        if hurry or not trials:
            return
        self._finish(self._front_run(trials))

    def _front_run(self, trials: list[Mapping[str, Any]]) -> Any:
        """The run that shows the study: tables of all trials and of the front, with the study's objectives."""
        objectives = self.options["objectives"]
        front = dominance.front(trials, objectives)
        run = self._init("front", self.options["study"], "report", {"objectives": objectives})
        for key, chosen in (("trials", trials), ("front", front)):
            table = self.wandb.Table(columns=[*COLUMNS, *objectives])
            for trial in chosen:
                table.add_data(*(trial[c] for c in COLUMNS), *(trial["metrics"].get(name) for name in objectives))
            run.log({key: table})
        volume = dominance.front_volume(trials, objectives)
        run.summary.update({"front_size": len(front), "hypervolume": volume})
        return run


class TensorBoardSink:
    """Event files that TensorBoard reads."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        from tensorboardX import SummaryWriter
        from tensorboardX.summary import hparams

        self.make = SummaryWriter
        self.hparams = hparams
        self.root = Path(settings["folder"]) / "tensorboard"
        self.writers: dict[str, Any] = {}

    def start(self, task: Mapping[str, Any]) -> None:
        """Begin, or go on with, a trial's events; first its parameters.

        Nothing is said of the whole study: TensorBoard would show the parameters of the first method alone.
        """
        name = task["trial_id"]
        if name in self.writers:
            return
        begun = self.root / name  # by an earlier version
        folder = begun if begun.is_dir() else self.root / f"{name} {task['label'][:MOST_LABEL].replace('/', '_')}"
        writer = self.writers[name] = self.make(str(folder))
        _, start, _ = self.hparams(hyperparameters(task), {})
        writer.file_writer.add_summary(start)

    def report(self, trial_id: str, line: Mapping[str, Any]) -> None:
        for name, value in numbers(line).items():
            self.writers[trial_id].add_scalar(name, value, line["epoch"])

    def pause(self, trial_id: str) -> None:
        if trial_id in self.writers:
            self.writers.pop(trial_id).close()

    def end(self, trial_id: str, line: Mapping[str, Any]) -> None:
        if trial_id in self.writers and line["status"] in (schema.COMPLETED, schema.STOPPED):
            _, _, success = self.hparams({}, {})
            self.writers[trial_id].file_writer.add_summary(success)
        self.pause(trial_id)

    def finish(self, trials: list[Mapping[str, Any]], hurry: bool) -> None:
        for writer in self.writers.values():
            writer.close()


class SafeSink:
    """A sink that is switched off by its first error, with a line for the user and the traceback in the log."""

    def __init__(self, make: Callable[[], Any], name: str, tell: Callable[[str], None] = print) -> None:
        self.name = name
        self.tell = tell
        self.sink: Any = None
        self._try(lambda: setattr(self, "sink", make()))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            print(f"{self.name} switched off after an error:\n{traceback.format_exc()}", flush=True)
            said = schema.wording.shorten(" ".join(f"{type(error).__name__}: {error}".split()))
            self.tell(
                f"{self.name} is switched off after an error ({said}); tracking.log in the results folder has more"
            )
            self.sink = None

    def handle(self, event: Mapping[str, Any]) -> None:
        """Hand one event to the sink."""
        if self.sink is not None and (hear := getattr(self.sink, event["event"], None)) is not None:
            content = {k: v for k, v in event.items() if k != "event"}
            self._try(lambda: hear(**content))


def main(settings: Mapping[str, Any], lines: Iterable[str], tell: Callable[[str], None] = print) -> None:
    """Feed every event to every sink until the input ends; `tell` is for the user."""
    schema.parts.learn(settings.get("own", {}))
    sinks = []
    if settings["wandb"] != "disabled":
        sinks.append(SafeSink(lambda: WandbSink(settings, tell), "W&B", tell))
    if settings["tensorboard"]:
        sinks.append(SafeSink(lambda: TensorBoardSink(settings), "TensorBoard", tell))
    if settings.get("tracker"):
        sinks.append(SafeSink(lambda: own_sink(settings, tell), settings["tracker"], tell))
    for text in lines:
        event = json.loads(text)
        for sink in sinks:
            sink.handle(event)


def user_printer() -> Callable[[str], None]:
    """Lines for the user go to standard output and the log; whatever else prints (W&B does) from now on to the log."""
    user = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(text: str) -> None:
        print(text, flush=True)
        with contextlib.suppress(OSError):
            print(text, file=user, flush=True)

    return tell


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.stdin, user_printer())
