"""What a study learns of earlier ones: their trials that compare with its own, copied into its folder.

`learned.jsonl` holds the copies, so that a resume needs no earlier folder; the manifest says which folders were read,
when they had which fingerprint, and which of their trials were left out for which reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from study import schema
from study.record import earlier
from study.record.comparable import NOT_ENDED, Comparison, Incomparable, plain, reason_in_words
from study.record.earlier import Earlier
from study.record.journal import Journal
from study.record.learned import OF_END, learned_id
from study.record.task import point_key
from study.settings import space
from study.settings.config import StudyConfig
from trainables.files import DamagedFile
from trainables.wording import counted

Line = Mapping[str, Any]


class Learned(NamedTuple):
    """Of one folder."""

    note: dict[str, Any]
    """As the manifest has it."""
    lines: list[dict[str, Any]]
    """Of `learned.jsonl`, numbered from 0 within the folder."""

    @property
    def words(self) -> str:
        return in_words(self.note)


def gather(
    study: StudyConfig, folders: Sequence[str], fingerprint: str | None, taken: Collection[str] = ()
) -> list[Learned]:
    """What there is to learn of these folders, in their order.

    fingerprint: of this study's data; None: not known yet. taken: points (`task.point_key`) that need no other trial.
    Of several trials of one point the first completed one counts, else the first. Raises UserError.
    """
    read = [earlier.read(folder) for folder in folders]
    found = [_sorted_out(study, one, fingerprint) for one in read]
    rows = [(i, end, point) for i, (pairs, _) in enumerate(found) for end, point in pairs]
    done = [end["status"] == schema.COMPLETED for _, end, _ in rows]
    first: dict[str, int] = {}
    for place in sorted(range(len(rows)), key=lambda place: (not done[place], place)):
        first.setdefault(point_key(rows[place][2]), place)
    kept = {place for key, place in first.items() if key not in taken}
    for place, (i, _, _) in enumerate(rows):
        if place not in kept:
            found[i][1].append(plain("a point of which another trial counts"))
    result = []
    for i, (one, (_, left_out)) in enumerate(zip(read, found, strict=True)):
        lines = [_line(study, one, end, point) for p, (j, end, point) in enumerate(rows) if j == i and p in kept]
        result.append(Learned(_note(one, len(lines), left_out), lines))
    return result


def _sorted_out(
    study: StudyConfig, one: Earlier, fingerprint: str | None
) -> tuple[list[tuple[Line, dict[str, Any]]], list[Incomparable]]:
    """The trials of its search that compare, each with its point here; and for each of the others why it does not."""
    comparison, found, left_out = Comparison(study, one, fingerprint), [], list[Incomparable]()
    for end in one.ends:
        try:
            if end["stage"] != schema.SEARCH:
                raise plain(f"of its {end['stage']} stage, which steers no search")
            found.append((end, comparison.point_of(end)))
        except Incomparable as reason:
            left_out.append(reason)
    return found, [*left_out, *[plain(NOT_ENDED)] * one.unfinished]


def _note(one: Earlier, learned: int, left_out: Sequence[Incomparable]) -> dict[str, Any]:
    groups: dict[Any, list[Incomparable]] = {}
    for reason in left_out:
        groups.setdefault(reason.kind, []).append(reason)
    return {
        "folder": one.folder,
        "study": one.manifest["study"],
        "fingerprint": one.fingerprint,
        "learned": learned,
        "left_out": [{"trials": len(group), "why": reason_in_words(group)} for group in groups.values()],
    }


def _line(study: StudyConfig, one: Earlier, end: Line, point: Mapping[str, Any]) -> dict[str, Any]:
    names = ("epoch", *study.objectives)
    reports = [line for line in one.reports.get(end["trial_id"], ()) if line["epoch"] <= end["epochs"]]
    return {
        "folder": one.folder,
        "study": one.manifest["study"],
        "of": end["trial_id"],
        "label": space.label(point),
        "params": dict(point),
        **{name: end[name] for name in OF_END},
        "reports": [{n: line[n] for n in names if line.get(n) is not None} for line in reports],
    }


def numbered(lines: Sequence[Line], first: int = 0) -> list[dict[str, Any]]:
    """The lines with their names in this study."""
    return [{"trial_id": learned_id(n), "number": n, **line} for n, line in enumerate(lines, first)]


# --- in a study's folder ---
def settle(
    study: StudyConfig, journal: Journal, record: dict[str, Any], data: Line, new: Sequence[Learned]
) -> list[str]:
    """Bring `learned.jsonl` and the manifest `record` (which the caller writes) to what `search.learn_from` asks for;
    lines to be told.

    new: what was gathered before the folder was made. What is on record stays, whatever has become of the folder it
    came from. Raises UserError for a folder that is added and cannot be read, and DamagedFile for lines that are lost
    and stand nowhere else.
    """
    notes = list(record.get(schema.LEARNED, ()))
    told = list(filter(None, map(_changed, notes)))
    if sum(note["learned"] for note in notes) != len(journal.learned):
        lines = journal.learned[: sum(note["learned"] for note in notes)]  # more: a kill came before the manifest
        journal.replace_learned(lines if len(lines) < len(journal.learned) else _again(study, journal, notes, data))
    known = {note["folder"] for note in notes}
    added = [folder for folder in study.search.learn_from if folder not in known]
    if added:
        drawn = (line for line in journal.draws if line["duplicate_of"] is None)
        own = {point_key(line["params"]) for line in (*journal.learned, *drawn)}
        earlier.check(added, journal.folder)
        found = new or gather(study, added, data.get("fingerprint"), own)
        lines = [line for one in found for line in one.lines]
        journal.replace_learned([*journal.learned, *numbered(lines, len(journal.learned))])
        record[schema.LEARNED] = [*notes, *(one.note for one in found)]
        told += [one.words for one in found]
    _check_seeds(study, journal)
    return told


def _again(study: StudyConfig, journal: Journal, notes: Sequence[Line], data: Line) -> list[dict[str, Any]]:
    """Lines that a damaged file has lost, read once more from where they come from."""
    found: list[dict[str, Any]] = []
    if not any(map(_changed, notes)):
        read = gather(study, [note["folder"] for note in notes], data.get("fingerprint"))
        found = numbered([line for one in read for line in one.lines])
    whole = len(found) == sum(note["learned"] for note in notes)
    if not whole or any(line["of"] != found[line["number"]]["of"] for line in journal.learned):
        path = journal.folder / schema.LEARNED_FILE
        raise DamagedFile(f"{path}: lines are lost that stand nowhere else any more; restore the file from a backup")
    return found


def _check_seeds(study: StudyConfig, journal: Journal) -> None:
    for line in journal.learned:
        if study.confirm.enabled and line["seed"] in study.confirm.seeds:
            raise schema.UserError(
                f"confirm.seeds holds {line['seed']}, the seed of trials learned from {line['folder']}, which may have "
                f"chosen the points: confirm with other seeds"
            )


# --- in words ---
def in_words(note: Line) -> str:
    """`Learned from results/a: 10 trials; 2 trials left out: encoder.name resnet18, here small_conv`."""
    return f"Learned from {note['folder']}: {'; '.join([counted(note['learned'], 'trial'), *left_out(note)])}"


def left_out(note: Line) -> list[str]:
    """`2 trials left out: encoder.name resnet18, here small_conv`, one for each reason."""
    return [f"{counted(one['trials'], 'trial')} left out: {one['why']}" for one in note["left_out"]]


def _changed(note: Line) -> str | None:
    """What has become of a folder since; None if it is as it was."""
    now = earlier.fingerprint_of(note["folder"])
    if now == note["fingerprint"]:
        return None
    state = "is not there any more" if now is None else "has changed since it was read"
    trials = counted(note["learned"], "trial")
    return f"{note['folder']} {state}; what was learned from it stays as it is on record ({trials})"
