"""Serves NePS's PriMO, without priors, on stdin and stdout; speaks as `moasha.py` does, in an environment of its own.

PriMO promotes: a configuration comes back with a higher `until`, and then goes on from its earlier epoch. Hears of a
trial when it has run so far. After its first phase (MO-ASHA) it models scalarised objectives.
"""

import json
import math
import random
import sys

import neps
import numpy as np
import torch
from neps.optimizers import algorithms
from neps.space import HPOCategorical, HPOFloat, HPOInteger, SearchSpace


def domain(spec):
    if "choices" in spec:
        return HPOCategorical(spec["choices"])
    return (HPOInteger if spec["whole"] else HPOFloat)(spec["low"], spec["high"], log=spec["log"])


class Search:
    def __init__(self, space, epochs, grace, eta, seed):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        domains = {name: domain(spec) for name, spec in space.items()}
        rungs = round(math.log(epochs / grace, eta))  # NePS counts them from the last
        domains["epochs"] = HPOInteger(max(1, epochs // eta**rungs), epochs, is_fidelity=True)
        self.peer = neps.AskAndTell(algorithms.primo(SearchSpace(domains), eta=eta, prior_centers={}))
        self.untils = {}

    def ask(self):
        trial = self._asked()
        point = dict(trial.config)
        self.untils[trial.id] = int(point.pop("epochs"))
        return {"trial": trial.id, "point": point, "until": self.untils[trial.id]}

    def _asked(self):
        """PriMO numbers by what has ended, so trials in flight at once bear one name: the later gets the next free."""
        before = dict(self.peer.trials)
        trial = self.peer.ask()
        if trial.id in before:
            self.peer.trials[trial.id] = before[trial.id]
            trial.metadata.id = str(1 + max(int(name.split("_")[0]) for name in before))
            self.peer.trials[trial.id] = trial
        return trial

    def report(self, trial, epoch, costs):
        if epoch < self.untils[trial]:
            return "go"
        self.peer.tell(trial, {"objective_to_minimize": costs})
        return "stop"


if __name__ == "__main__":
    search = None
    answers = sys.stdout
    sys.stdout = sys.stderr
    torch.set_num_threads(1)
    for line in sys.stdin:
        order, given = next(iter(json.loads(line).items()))
        if order == "start":
            search, answer = Search(**given), "started"
        else:
            answer = search.ask() if order == "ask" else search.report(**given)
        print(json.dumps(answer, default=lambda number: number.item()), file=answers, flush=True)
