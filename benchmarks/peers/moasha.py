"""Serves syne-tune's MO-ASHA on stdin and stdout to `benchmarks.search_peers`; runs in an environment of its own.

One JSON object a line. `start` (space, epochs, grace, eta, seed) begins a search; `ask` is answered by a trial with its
point and the epoch it runs to; `report` (trial, epoch, costs) by `go` or `stop`.
"""

import datetime
import json
import sys

import numpy as np
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA


def domain(spec):
    if "choices" in spec:
        return config_space.choice(spec["choices"])
    kinds = {
        (True, True): config_space.lograndint,
        (True, False): config_space.randint,
        (False, True): config_space.loguniform,
        (False, False): config_space.uniform,
    }
    return kinds[spec["whole"], spec["log"]](spec["low"], spec["high"])


class Search:
    def __init__(self, space, epochs, grace, eta, seed):
        np.random.seed(seed)
        domains = {name: domain(spec) for name, spec in space.items()}
        options = {"time_attr": "epoch", "max_t": epochs, "grace_period": grace, "reduction_factor": eta}
        self.scheduler = MOASHA(domains, metrics=["0", "1"], random_seed=seed, **options)
        self.epochs, self.trials = epochs, []

    def ask(self):
        config = self.scheduler.suggest().config
        trial = Trial(len(self.trials), config, datetime.datetime.now())
        self.trials.append(trial)
        self.scheduler.on_trial_add(trial)
        return {"trial": str(trial.trial_id), "point": config, "until": self.epochs}

    def report(self, trial, epoch, costs):
        told = {"epoch": epoch, **{str(i): cost for i, cost in enumerate(costs)}}
        verdict = self.scheduler.on_trial_result(self.trials[int(trial)], told)
        return "stop" if verdict == SchedulerDecision.STOP else "go"


if __name__ == "__main__":
    search = None
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        order, given = next(iter(json.loads(line).items()))
        if order == "start":
            search, answer = Search(**given), "started"
        else:
            answer = search.ask() if order == "ask" else search.report(**given)
        print(json.dumps(answer, default=lambda number: number.item()), file=answers, flush=True)
