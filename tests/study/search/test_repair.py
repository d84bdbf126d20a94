"""What a damaged journal has lost is made again from what else is on disk; what cannot be is named."""

from __future__ import annotations

import pytest

from study import schema
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.search.repair import check_repeated, restore_last_reports, to_repeat
from study.search.resume import make_search
from tests.helpers.engine_helpers import lines, make_study
from tests.helpers.record_helpers import BOTH, checkpoint, result, task
from tests.helpers.search_helpers import Bench
from trainables.files import DamagedFile

FEW_POINTS = {"space": {"method": ("kmclr", "none"), "k": (50, 100, 200, 400)}, "baselines": ()}
"""Five points, so that most draws are duplicates."""


def without(path, *indices: int) -> None:
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(row for index, row in enumerate(rows) if index not in indices))


@pytest.mark.parametrize("lost", [(0,), (2, 3), (1, 7), (8,), tuple(range(9))])
@pytest.mark.parametrize("more", [{}, FEW_POINTS])
def test_lost_draws_stand_in_the_database(tmp_path, more, lost) -> None:
    study = make_study(search={"trials": 6, "startup_trials": 3}, **more)
    bench = Bench(tmp_path, study)
    while (one := bench.next()) != "FINISHED" and len(bench.journal.draws) < 9:
        bench.run(one, epochs=1 if one.number % 2 else None)
    bench.close()
    path = tmp_path / schema.DRAWS_FILE
    drawn = lines(path)
    without(path, *lost)
    again = Bench(tmp_path, study)
    assert again.journal.draws == lines(path) == drawn
    again.close()


def test_lost_draws_of_ended_trials_stand_in_their_ends(tmp_path) -> None:
    bench = Bench(tmp_path)
    tasks = [bench.next() for _ in range(3)]
    for one in tasks:
        bench.run(one)
    bench.close()
    without(tmp_path / schema.DRAWS_FILE, 1)
    (tmp_path / schema.OPTUNA_FILE).unlink()
    again = Bench(tmp_path)
    assert [line["params"] for line in again.journal.draws] == [one.params for one in tasks]
    assert again.next().number == 3


def test_a_lost_last_report_stands_in_the_end(recorder, tmp_path) -> None:
    for number in range(2):
        for epoch in (1, 2, 3, 4):
            recorder.report(task(number), result(epoch, accuracy=10.0 * epoch + number))
        recorder.end(task(number), schema.COMPLETED)
    recorder.journal.close()
    path = tmp_path / schema.REPORTS_FILE
    whole = [{**line, "time": None, "held_s": None} for line in lines(path)]
    without(path, 3, 7)
    journal = Journal(tmp_path)
    restore_last_reports(journal)
    journal.close()
    assert [{**line, "time": None, "held_s": None} for line in lines(path)] == whole
    assert journal.lost == {}


def test_trials_repeat_from_before_the_first_lost_epoch_to_the_last(recorder, tmp_path) -> None:
    for number, end in ((0, schema.COMPLETED), (1, None), (2, schema.INTERRUPTED)):
        for epoch in (1, 2, 3, 4):
            recorder.report(task(number), result(epoch))
        if end is not None:
            recorder.end(task(number), end)
    recorder.journal.close()
    without(tmp_path / schema.REPORTS_FILE, 1, 2, 5, 10, 11)
    kept = checkpoint(tmp_path, "search-1", "search-0000", 0, {})
    journal = Journal(tmp_path)
    tasks = [task(number) for number in range(4)]
    found = to_repeat(tasks, journal, Checkpoints(tmp_path, None))
    assert [(t.number, t.reported, t.repeat_until, t.resume_from) for t in found] == [
        (0, 1, 3, (str(kept),)),
        (1, 1, 2, ()),
    ]
    with pytest.raises(
        DamagedFile, match=r"search-0000, epochs 2 to 3 cannot be trained again \(failed: a bug\); restore"
    ):
        check_repeated(found, journal, {"search-0000": "failed: a bug"})
    for epoch in (2, 3):
        journal.append_report({**journal.reports[0], "epoch": epoch})
    with pytest.raises(DamagedFile, match=r"search-0001, epoch 2 cannot be trained again \(its trial ended before"):
        check_repeated(found, journal, {})
    journal.close()


def test_a_trial_that_nobody_drew_is_refused(tmp_path) -> None:
    bench = Bench(tmp_path)
    bench.run(bench.next(), epochs=2, status=schema.INTERRUPTED)
    bench.close()
    (tmp_path / schema.DRAWS_FILE).unlink()
    (tmp_path / schema.OPTUNA_FILE).unlink()
    (tmp_path / schema.TRIALS_FILE).unlink()
    with pytest.raises(DamagedFile, match=r"reports\.jsonl: holds search-0000, which draws\.jsonl does not; restore"):
        make_search(make_study(), tmp_path, journal := Journal(tmp_path), Recorder(journal, BOTH))
    journal.close()


def test_a_folder_of_the_version_before_is_adopted_by_its_ends_where_its_database_is_lost(tmp_path) -> None:
    bench = Bench(tmp_path)
    tasks = [bench.next() for _ in range(4)]
    bench.run(tasks[0])
    bench.run(tasks[1], epochs=1)
    bench.run(tasks[2], epochs=2, status=schema.INTERRUPTED)
    bench.run(tasks[3])
    bench.close()
    for name in (schema.DRAWS_FILE, schema.OPTUNA_FILE):
        (tmp_path / name).unlink()
    again = Bench(tmp_path)
    assert [t.config() for t in again.unfinished] == [tasks[2].config()]
    assert [line["params"] for line in again.journal.draws] == [one.params for one in tasks]
    again.run(tasks[2])
    assert again.next().number == 4
