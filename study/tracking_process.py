"""The writer process behind `study.tracking`: reads events from stdin, one JSON object a line, and feeds the sinks.

W&B: one run per trial, named by the trial, grouped by study and stage; at the end one run with the front and the table
of trials. TensorBoard: one log folder per trial below `tensorboard/`. An error in a sink ends that sink only.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from study import pareto, schema

METRICS = (*schema.REPORT_METRICS, *schema.TEST_METRICS)
COLUMNS = ("trial_id", "stage", "status", "label", "seed", "epochs", "baseline")


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a line that are numbers."""
    return {name: line[name] for name in METRICS if isinstance(line.get(name), (int, float))}


def front_of(trials: Iterable[Mapping[str, Any]], objectives: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Completed search trials that no other dominates."""
    done = [t for t in trials if t["stage"] == "search" and t["status"] == schema.COMPLETED]
    done = [t for t in done if pareto.finite(t["metrics"], objectives)]
    costs = np.array([pareto.to_costs(t["metrics"], objectives) for t in done]).reshape(len(done), len(objectives))
    return [done[i] for i in pareto.front_indices(costs)]


class WandbSink:
    """One W&B run per trial that is running."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        import wandb

        self.wandb = wandb
        self.options = settings
        self.runs: dict[str, Any] = {}
        os.environ["WANDB_SILENT"] = "true"

    def _init(self, name: str, group: str, job: str, config: Mapping[str, Any]) -> Any:
        return self.wandb.init(
            project=self.options["project"],
            mode=self.options["wandb"],
            dir=self.options["folder"],
            id=f"{self.options['run_id']}-{name}",
            name=name,
            group=group,
            job_type=job,
            config=dict(config),
            resume="allow" if self.options["wandb"] == "online" else None,
            reinit="create_new",
            settings=self.wandb.Settings(silent=True, console="off", init_timeout=30, x_disable_stats=True),
        )

    def start(self, task: Mapping[str, Any]) -> None:
        if task["trial_id"] in self.runs:
            return
        config = {k: task[k] for k in ("method", "label", "seed", "params", "point", "baseline", "run")}
        group = f"{self.options['study']}/{task['stage']}"
        self.runs[task["trial_id"]] = self._init(task["trial_id"], group, task["stage"], config)

    def report(self, trial_id: str, line: Mapping[str, Any]) -> None:
        self.runs[trial_id].log({**numbers(line), "epoch": line["epoch"]}, step=line["epoch"])

    def end(self, trial_id: str, line: Mapping[str, Any]) -> None:
        run = self.runs.pop(trial_id, None)
        if run is not None:
            run.summary.update({"status": line["status"], **numbers(line["metrics"])})
            run.finish(exit_code=0 if line["status"] in (schema.COMPLETED, schema.STOPPED) else 1)

    def finish(self, trials: list[Mapping[str, Any]], hurry: bool) -> None:
        for run in self.runs.values():
            run.finish(exit_code=1)
        if hurry or not trials:
            return
        run = self._init("front", self.options["study"], "report", {})
        names = [*COLUMNS, *self.options["objectives"]]
        for key, chosen in (("trials", trials), ("front", front_of(trials, self.options["objectives"]))):
            table = self.wandb.Table(columns=names)
            for trial in chosen:
                table.add_data(*[trial[c] for c in COLUMNS], *[trial["metrics"].get(o) for o in names[len(COLUMNS) :]])
            run.log({key: table})
        run.finish()


class TensorBoardSink:
    """Event files that TensorBoard reads."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        from tensorboardX import SummaryWriter

        self.make = SummaryWriter
        self.root = Path(settings["folder"]) / "tensorboard"
        self.writers: dict[str, Any] = {}

    def start(self, task: Mapping[str, Any]) -> None:
        if task["trial_id"] not in self.writers:
            self.writers[task["trial_id"]] = self.make(str(self.root / task["trial_id"]))

    def report(self, trial_id: str, line: Mapping[str, Any]) -> None:
        for name, value in numbers(line).items():
            self.writers[trial_id].add_scalar(name, value, line["epoch"])

    def end(self, trial_id: str, line: Mapping[str, Any]) -> None:
        if trial_id in self.writers:
            self.writers.pop(trial_id).close()

    def finish(self, trials: list[Mapping[str, Any]], hurry: bool) -> None:
        for writer in self.writers.values():
            writer.close()


class Safe:
    """A sink that is switched off by its first error, with the traceback in the log."""

    def __init__(self, make: Callable[[], Any], name: str) -> None:
        self.name = name
        self.sink: Any = None
        self._try(lambda: setattr(self, "sink", make()))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            print(f"{self.name} switched off after an error:\n{traceback.format_exc()}", flush=True)
            self.sink = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Hand one event to the sink."""
        if self.sink is not None:
            content = {k: v for k, v in event.items() if k != "event"}
            self._try(lambda: getattr(self.sink, event["event"])(**content))


def main(settings: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Feed every event to every sink until the input ends."""
    sinks = []
    if settings["wandb"] != "disabled":
        sinks.append(Safe(lambda: WandbSink(settings), "W&B"))
    if settings["tensorboard"]:
        sinks.append(Safe(lambda: TensorBoardSink(settings), "TensorBoard"))
    for text in lines:
        event = json.loads(text)
        for sink in sinks:
            sink.take(event)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.stdin)
