"""The points that a search tries, in order, each written to the journal before its trial starts.

Declared baselines (or the points of a grid) come first, then what the sampler draws. Each draw has a seed of its own,
so a search resumed with one trial at a time goes on exactly as if undisturbed. A point that was drawn before, or that
an earlier study has trained (`study.record.learning`), is not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study import schema
from study.record.journal import Journal
from study.record.task import Task, point_key
from study.search import stages
from study.search.optuna_mirror import Mirror
from study.settings import space
from study.settings.config import StudyConfig
from trainables.files import DamagedFile

MAX_DUPLICATES = 50
"""Duplicates in a row after which the search counts as exhausted."""


class Proposals:
    """Draws the tasks of a search stage, going on from the draws that the journal holds."""

    def __init__(self, study: StudyConfig, journal: Journal, mirror: Mirror) -> None:
        self.mirror = mirror
        self.exhausted = False
        """True once only duplicates came."""
        self._study = study
        self._journal = journal
        self._grid = study.search.sampler == "grid"
        baselines = space.baseline_points(study)
        declared = [*baselines, *(space.grid_points(study) if self._grid else [])]
        self._points = _in_order_begun(declared, journal.draws)
        """Tried first, in order."""
        self._limit = study.search.trials
        self._baselines = {point_key(point) for point in baselines if len(baselines) <= self._limit}
        self._known: dict[str, str] = {}
        self._next_number = 0
        self._next_attempt = 0
        self._next_point = 0
        for line in journal.learned:
            if line["status"] == schema.COMPLETED or point_key(line["params"]) not in self._baselines:
                self._known.setdefault(point_key(line["params"]), line["trial_id"])
        for line in journal.draws:
            self._remember(line)

    def draw(self) -> Task | None:
        """A new point as a task, or None at the limit or when only duplicates come."""
        points = len(self._points)
        while self._next_attempt < MAX_DUPLICATES or self._next_point < points:  # earlier sessions' count too
            exhausted = self._grid and self._next_point >= points
            if (self._next_number >= self._limit and not self._owed()) or exhausted:
                return None
            line = self._draw_once()
            if line["duplicate_of"] is None:
                return self._task(line)
        self.exhausted = True
        return None

    def _owed(self) -> bool:
        """Whether a baseline has not been drawn, as one that was declared after the search had ended; not where there
        are more baselines than trials, of which the study's check tells."""
        left = map(point_key, self._points[self._next_point :])
        return any(key in self._baselines and key not in self._known for key in left)

    def _draw_once(self) -> dict[str, Any]:
        number, attempt = self._next_number, self._next_attempt
        index = self._next_point if self._next_point < len(self._points) else None
        point = {} if index is None else self._points[index]
        trial, suggested = self.mirror.ask(number, attempt, point or None, reports=self._reports())
        params = {**suggested, **point}
        original = self._known.get(point_key(params))
        line = {
            "number": number,
            "attempt": attempt,
            "trial_id": stages.search_id(number) if original is None else None,
            "label": space.label(params),
            "params": params,
            "point_index": index,
            "duplicate_of": original,
            "ended": len(self._journal.ends_in_order(schema.SEARCH)),
        }
        line = self._journal.append_draw(line)
        self.mirror.add(trial, line)
        self._remember(line)
        return line

    def _reports(self) -> dict[str, list[Mapping[str, Any]]]:
        """The search's reports by trial, in the order of their epochs; those of learned trials too."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for line in (*self._journal.learned_reports, *filter(_of_search, self._journal.reports)):
            found.setdefault(line["trial_id"], []).append(line)
        return {name: sorted(lines, key=lambda line: line["epoch"]) for name, lines in found.items()}

    def _remember(self, line: Mapping[str, Any]) -> None:
        if line["point_index"] is not None:
            self._next_point = line["point_index"] + 1
        if line["duplicate_of"] is None:
            self._known[point_key(line["params"])] = line["trial_id"]
            self._next_number, self._next_attempt = line["number"] + 1, 0
        else:
            self._next_attempt = line["attempt"] + 1

    def _task(self, line: Mapping[str, Any]) -> Task:
        return stages.drawn_task(self._study, line)

    def unfinished(self) -> list[Task]:
        """Drawn and not ended, by number. DamagedFile if the journal holds a trial of the search that nobody drew."""
        drawn = {line["trial_id"] for line in self._journal.draws}
        reported = {line["trial_id"]: schema.REPORTS_FILE for line in self._journal.reports if _of_search(line)}
        ended = {line["trial_id"]: schema.TRIALS_FILE for line in self._journal.ends.values() if _of_search(line)}
        for name, file in (reported | ended).items():
            if name not in drawn:
                path = self._journal.folder / file
                raise DamagedFile(f"{path}: holds {name}, which {schema.DRAWS_FILE} does not; restore the folder")
        tasks = stages.drawn_tasks(self._study, self._journal.draws)
        return [task for task in tasks if not self._journal.ended(task.trial_id)]

    def learn(self, task: Task, line: Mapping[str, Any]) -> None:
        """How a trial ended; `line` is its line of trials.jsonl."""
        self.mirror.tell(line)


def _in_order_begun(declared: Sequence[dict[str, Any]], draws: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The declared points in their order; if some were begun in another, as the study has changed since, these come
    first, and the rest with the new ones after them."""
    begun = {line["point_index"]: dict(line["params"]) for line in draws if line["point_index"] is not None}
    if all(index < len(declared) and declared[index] == point for index, point in begun.items()):
        return list(declared)
    first = [begun[index] for index in sorted(begun)]
    return [*first, *(point for point in declared if point not in first)]


def _of_search(line: Mapping[str, Any]) -> bool:
    return bool(line["stage"] == schema.SEARCH)
