"""A study whose journal is damaged says what is lost, and on a resume makes it again: as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
from pathlib import Path

import pytest

from analysis.results.load import load
from study import schema
from study.record import manifest
from study.record.journal import Journal
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.without_ray import finished_folder, study_in_this_process
from trainables.files import DamagedFile
from trainables.lines import examine_lines, read_json_lines

CONFIRM = {"confirm": {"seeds": [1, 2], "max_points": 2}}
FILES = (schema.DRAWS_FILE, schema.REPORTS_FILE, schema.TRIALS_FILE)


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    return finished_folder(make_study(**CONFIRM), out)


def killed_after(finished: Path, folder: Path, reports: int) -> Path:
    """A folder as a kill after so many reports leaves it: a draw and ends that belong to them, old checkpoints."""
    shutil.copytree(finished, folder)
    left = [json.loads(text) for text in (folder / schema.REPORTS_FILE).read_text().splitlines()][:reports]
    seen = [line["trial_id"] for line in left]
    for name in FILES:
        texts = (folder / name).read_text().splitlines(keepends=True)
        rows = [json.loads(text) for text in texts]
        kept = {
            schema.REPORTS_FILE: reports,
            schema.DRAWS_FILE: sum(row["trial_id"] in seen for row in rows),
            schema.TRIALS_FILE: sum(row["trial_id"] in seen[:-1] and row["trial_id"] != seen[-1] for row in rows),
        }[name]
        (folder / name).write_text("".join(texts[:kept]))
    counts = {name: len(read_lines(folder / name)) for name in FILES}
    (folder / schema.LINES_FILE).write_text(json.dumps({"schema": 1, **counts}))
    (folder / schema.OPTUNA_FILE).unlink()
    record = schema.read_manifest(folder)
    record["sessions"][-1].update(ended=None, reason=None)
    manifest.save(folder, {**record, "status": "running", "ended": None})
    return folder


def read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def harm(path: Path, kind: str, rng: random.Random) -> bool:
    """Damage a file of lines; whether anything changed."""
    rows = path.read_bytes().splitlines(keepends=True)
    index = rng.randrange(len(rows))
    if kind == "missing":
        path.unlink()
        return True
    if kind == "changed":
        digits = [i for i, c in enumerate(rows[index]) if chr(c).isdigit()]
        text, place = bytearray(rows[index]), rng.choice(digits)
        text[place] = ord(str((int(chr(text[place])) + 1) % 10))
        rows[index] = bytes(text)
    after = {
        "emptied": b"",
        "halved": path.read_bytes()[: path.stat().st_size // 2],
        "halved at a line": b"".join(rows[: len(rows) // 2]),
        "dropped": b"".join(rows[:index] + rows[index + 1 :]),
        "doubled": b"".join(rows[: index + 1] + rows[index:]),
        "changed": b"".join(rows),
    }[kind]
    path.write_bytes(after)
    return True


KINDS = ("missing", "emptied", "halved", "halved at a line", "dropped", "doubled", "changed")


@pytest.mark.filterwarnings("ignore:.*dropped a torn last line")
@pytest.mark.filterwarnings("ignore:.*damaged; moved to")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_study_becomes_what_it_was(finished, tmp_path, capsys, name, kind, seed) -> None:
    folder = tmp_path / "fake"
    shutil.copytree(finished, folder)
    harm(folder / name, kind, random.Random(seed))
    named = [str(one) for one in examine_lines(folder / name).damage]
    assert named
    assert run_fake(make_study(**CONFIRM), tmp_path, resume=True) == 0
    printed = capsys.readouterr().out
    assert f"{folder / name}:" in printed
    assert outcome(folder) == outcome(finished)
    assert lines(folder / schema.DRAWS_FILE) == lines(finished / schema.DRAWS_FILE)
    for file in FILES:
        read_json_lines(folder / file)
    assert len(list(folder.glob("*.jsonl.damaged-*"))) == (kind != "missing")
    assert not list((folder / "ray").glob("repair-*"))
    assert schema.read_manifest(folder)["sessions"][-1]["damage"]


@pytest.mark.filterwarnings("ignore:.*dropped a torn last line")
@pytest.mark.parametrize("seed", range(8))
def test_a_killed_study_with_damage_anywhere_ends_as_if_undisturbed(finished, tmp_path, capsys, seed) -> None:
    rng = random.Random(seed)
    total = len(read_lines(finished / schema.REPORTS_FILE))
    folder = killed_after(finished, tmp_path / "fake", rng.randrange(10, total))
    for name in rng.sample((schema.REPORTS_FILE, schema.TRIALS_FILE), rng.randint(1, 2)):
        harm(folder / name, rng.choice(KINDS), rng)
    assert run_fake(make_study(**CONFIRM), tmp_path, resume=True) == 0
    assert outcome(folder) == outcome(finished)


def test_what_was_lost_is_named_by_line_trial_and_epoch(finished, tmp_path, capsys) -> None:
    folder = tmp_path / "fake"
    shutil.copytree(finished, folder)
    path = folder / schema.REPORTS_FILE
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*rows[:3], *rows[5:]]))
    (folder / schema.LINES_FILE).unlink()
    assert run_fake(make_study(**CONFIRM), tmp_path, resume=True, quiet=True) == 0
    printed = capsys.readouterr().out
    assert f"{path}:4: lines 4 to 5 are missing (search-0000, epochs 4 to 5)\n" in printed
    assert "Trained again, because their reports are lost: search-0000, epochs 4 to 5\n" in printed


def test_draws_that_stand_nowhere_are_an_error_that_names_the_file(finished, tmp_path) -> None:
    folder = killed_after(finished, tmp_path / "fake", 30)
    rows = (folder / schema.DRAWS_FILE).read_bytes().splitlines(keepends=True)
    (folder / schema.DRAWS_FILE).write_bytes(b"".join([*rows[:1], *rows[2:]]))
    (folder / schema.TRIALS_FILE).unlink()
    with pytest.raises(DamagedFile, match=r"draws\.jsonl: draws before that of trial 2 are lost, and neither optuna"):
        run_fake(make_study(**CONFIRM), tmp_path, resume=True)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "other",
    [
        {"seed": 7, "search": {"trials": 8, "seed": 7}},
        {"space": {"method": ("kmclr", "none"), "k": (30, 300)}, "baselines": ()},
    ],
)
def test_a_whole_file_of_another_study_is_noticed(finished, tmp_path, name, other) -> None:
    """Each line of it is sound, and the folder's count of lines may be right."""
    assert run_fake(make_study(**CONFIRM, **other), tmp_path / "other", quiet=True) == 0
    folder = tmp_path / "fake"
    shutil.copytree(finished, folder)
    for file in (name, schema.LINES_FILE):
        shutil.copy(tmp_path / "other" / "fake" / file, folder / file)
    before = {path: path.read_bytes() for path in folder.glob("*.jsonl")}
    with pytest.raises(DamagedFile, match=r"are not of one study .*restore the files from a backup"):
        run_fake(make_study(**CONFIRM), tmp_path, quiet=True, resume=True)
    assert {path: path.read_bytes() for path in folder.glob("*.jsonl")} == before


def test_a_draw_that_is_no_point_of_the_study(finished, tmp_path) -> None:
    folder = killed_after(finished, tmp_path / "fake", 2)
    path = folder / schema.DRAWS_FILE
    with contextlib.closing(Journal(tmp_path / "other")) as journal:
        for draw in lines(path):
            journal.append_draw({**draw, "params": {"method": "none", "depth": 3}})
    shutil.copy(tmp_path / "other" / schema.DRAWS_FILE, path)
    with pytest.raises(
        DamagedFile, match=r"draws.jsonl: the draw of trial 0 is none of this study .*depth is no param"
    ):
        run_fake(make_study(**CONFIRM), tmp_path, quiet=True, resume=True)


IN_ITS_PLACE = {
    "folder": lambda path: path.mkdir(),
    "link that leads nowhere": lambda path: path.symlink_to(path.parent / "nowhere"),
    "link that leads nowhere (Too many": lambda path: path.symlink_to(path.name),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/full"),
}
ENTRIES = (*FILES, schema.STUDY_FILE, schema.MANIFEST_FILE, schema.LINES_FILE, schema.OPTUNA_FILE, schema.LOCK_FILE)
ENTRIES += (schema.BELIEF_FILE, schema.NEXT_FILE)


@pytest.mark.parametrize("name", [*ENTRIES, f"{schema.OPTUNA_FILE}-journal", schema.RAY_DIR, schema.PROJECTIONS_DIR])
def test_something_else_in_an_entrys_place(finished, tmp_path, name) -> None:
    """One line that names it: reading a pipe or /dev/full never ends."""
    folder = tmp_path / "fake"
    shutil.copytree(finished, folder)
    path = folder / name
    whole = tmp_path / "whole"
    if path.exists():
        path.rename(whole)
    for kind, put in IN_ITS_PLACE.items():
        if kind == "folder" and name in (schema.RAY_DIR, schema.PROJECTIONS_DIR):
            kind, put = "file", Path.touch
        put(path)
        for use in (load, lambda _: run_fake(make_study(**CONFIRM), tmp_path, quiet=True, resume=True)):
            with pytest.raises(
                DamagedFile, match=rf"{re.escape(str(path))}: expected a (file|folder), got a {re.escape(kind)}"
            ):
                use(folder)
        path.rmdir() if kind == "folder" else path.unlink()
    if whole.exists():
        path.symlink_to(whole)
        assert run_fake(make_study(**CONFIRM), tmp_path, quiet=True, resume=True) == 0
