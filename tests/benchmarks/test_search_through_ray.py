"""Shares of the best hypervolume from a journal, without Ray."""

import json
from pathlib import Path

import numpy as np

from benchmarks.search_replay import Score
from benchmarks.search_through_ray import shares
from benchmarks.synthetic_curves import Synthetic


def test_epochs_of_all_trials_together_are_counted_and_only_finished_ones_are_found(tmp_path: Path) -> None:
    world = Synthetic(0, epochs=3, early=2.0)
    drawn = world.random(200)
    points = [drawn[i] for i in np.argsort(-world.truths(drawn)[:, 0])[:2]]
    draws = [{"trial_id": name, "params": dict(p)} for name, p in zip("ab", points, strict=True)]
    turns = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2), ("b", 3)]
    reports = [{"trial_id": name, "epoch": epoch, "accuracy": 50.0 + epoch} for name, epoch in turns]
    for name, lines in (("draws.jsonl", draws), ("reports.jsonl", reports)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    score = Score(world, drawn)
    found = shares(tmp_path, world, score, 6)
    one, both = score([(points[0], 53.0)]), score([(points[0], 53.0), (points[1], 53.0)])
    assert found.tolist() == [0.0, 0.0, 0.0, one, one, both]
    assert 0 < one <= both
