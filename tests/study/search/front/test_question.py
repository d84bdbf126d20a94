"""What of a study's objectives is known before training."""

import numpy as np

from study.search.front.question import FORMULAS, question_of
from study.settings import space
from study.settings.loading import load_study
from trainables.vocabulary.methods_and_support_sets import support_bytes
from trainables.vocabulary.metrics_and_objectives import OBJECTIVES


def test_every_known_objective_has_a_formula() -> None:
    assert set(FORMULAS) == {name for name, metric in OBJECTIVES.items() if metric.known}


def test_bytes_at_a_point_are_those_of_its_run() -> None:
    generator = np.random.default_rng(0)
    for name in ("pareto", "k_sweep", "queue_sweep"):
        study = load_study(f"configs/{name}.yaml").study
        question = question_of(study)
        for _ in range(30):
            point = space.random_point(study, generator)
            run = space.to_run(study, point, seed=0)
            expected = support_bytes(run.method, run.support, run.heads.embedding_dim)
            assert question.known(point) == {"support_bytes": expected}
