"""Lines of JSON that are as they were written, or named in an error: whatever becomes of them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainables import lines
from trainables.files import SCHEMA_VERSION, DamagedFile
from trainables.lines import LineFiles, examine_lines, read_json_lines

NAME = "reports.jsonl"
LINE = json.dumps({"schema": SCHEMA_VERSION, "epoch": 1})
QUICK = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def report(epoch: int, trial: int = 0) -> dict:
    return {"schema": 1, "trial_id": f"search-{trial:04d}", "epoch": epoch, "loss": 1 / (1 + epoch + 7 * trial)}


def written(folder: Path, count: int = 9) -> list[dict]:
    """A file of so many lines, three of each trial."""
    made = [report(n % 3 + 1, n // 3) for n in range(count)]
    for name in (NAME, lines.COUNTS_FILE):
        (folder / name).unlink(missing_ok=True)
    files = LineFiles(folder)
    files.open(NAME)
    for line in made:
        files.append(NAME, line)
    files.close()
    return made


def test_lines_come_back_as_they_were_with_their_numbers(tmp_path) -> None:
    assert read_json_lines(tmp_path / NAME) == []
    made = written(tmp_path)
    assert read_json_lines(tmp_path / NAME) == list(enumerate(made, 1))
    raw = [json.loads(text) for text in (tmp_path / NAME).read_text().splitlines()]
    assert [line["line"] for line in raw] == list(range(1, 10))
    assert len({line["check"] for line in raw}) == 9
    assert json.loads((tmp_path / lines.COUNTS_FILE).read_text()) == {"schema": 1, NAME: 9}


@pytest.mark.parametrize("known", [True, False])
def test_each_kind_of_damage_is_named_with_line_trial_and_epoch(tmp_path, known) -> None:
    made = written(tmp_path)
    path = tmp_path / NAME
    if not known:
        (tmp_path / lines.COUNTS_FILE).unlink()
    rows = path.read_bytes().splitlines(keepends=True)
    changed = rows[4].replace(b"0.1", b"0.2", 1)
    assert changed != rows[4]
    cases = {
        "dropped": ([*rows[:4], *rows[5:]], r":5: this line is missing$", [4]),
        "doubled": ([*rows[:5], *rows[4:]], r":5: this line is there twice \(search-0001, epoch 2\)$", []),
        "changed": ([*rows[:4], changed, *rows[5:]], r":5: .* not as it was written \(search-0001, epoch 2\)$", [4]),
        "moved": ([*rows[:3], *rows[4:], rows[3]], r":4: this line is out of its place \(search-0001, epoch 1\)$", []),
        "foreign": ([*rows[:5], b"{}\n", *rows[5:]], r":5: this line is not one that belongs here$", []),
        "holed": ([*rows[:2], *rows[6:]], r":3: lines 3 to 6 are missing$", [2, 3, 4, 5]),
    }
    for texts, message, lost in cases.values():
        path.write_bytes(b"".join(texts))
        with pytest.raises(DamagedFile, match=f"^{path}{message.removesuffix('$')}\n.*restore the file from a backup"):
            read_json_lines(path)
        rest = [line for index, line in enumerate(made) if index not in lost]
        assert [line for _, line in examine_lines(path).rows] == rest


@pytest.mark.parametrize("keep", [None, 0, 1, 5, 8])
def test_an_end_that_was_cut_off_is_noticed(tmp_path, keep) -> None:
    written(tmp_path)
    path = tmp_path / NAME
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))
    first = (keep or 0) + 1
    wanted = ":9: this line is missing" if first == 9 else f":{first}: lines {first} to 9 are missing"
    with pytest.raises(DamagedFile, match=wanted):
        read_json_lines(path)


def test_what_a_kill_leaves_is_no_damage(tmp_path) -> None:
    """A torn last line, and a line on disk that was not counted yet."""
    made = written(tmp_path)
    files = LineFiles(tmp_path)
    files.open(NAME)
    counts = (tmp_path / lines.COUNTS_FILE).read_bytes()
    files.append(NAME, report(99))
    files.close()
    (tmp_path / lines.COUNTS_FILE).write_bytes(counts)
    assert [line for _, line in read_json_lines(tmp_path / NAME)] == [*made, report(99)]
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"schema": 1, "li')
    with pytest.warns(UserWarning, match=rf"{NAME}: dropped a torn last line of 17 bytes"):
        assert len(read_json_lines(tmp_path / NAME)) == 10
    with pytest.warns(UserWarning, match="dropped a torn last line"):
        (again := LineFiles(tmp_path)).open(NAME)
    again.append(NAME, report(100))
    again.close()
    assert [line["epoch"] for _, line in read_json_lines(tmp_path / NAME)][-2:] == [99, 100]
    assert again.kept == []


@pytest.mark.parametrize("content", [None, b"", b"\xff{", b"[1]", b'{"reports.jsonl": "nine"}'])
def test_counts_that_cannot_be_read_count_nothing(tmp_path, content) -> None:
    made = written(tmp_path)
    path = tmp_path / lines.COUNTS_FILE
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert [line for _, line in read_json_lines(tmp_path / NAME)] == made
    files = LineFiles(tmp_path)
    files.open(NAME)
    files.close()
    assert lines.read_counts(tmp_path) == {NAME: 9}


def damaged_at_random(raw: bytes, rng: random.Random) -> bytes:
    """A few lines dropped, doubled, swapped, or a byte of theirs changed, or the file cut."""
    rows = raw.splitlines(keepends=True)
    for _ in range(rng.randint(1, 3)):
        i, j = rng.randrange(len(rows)), rng.randrange(len(rows))
        kind = rng.choice(["drop", "double", "swap", "byte", "cut"])
        if kind == "drop":
            del rows[i]
        elif kind == "double":
            rows.insert(j, rows[i])
        elif kind == "swap":
            rows[i], rows[j] = rows[j], rows[i]
        elif kind == "cut":
            rows = rows[: i + 1]
        else:
            text = bytearray(rows[i])
            place = rng.randrange(len(text) - 1) if len(text) > 1 else 0
            text[place] = rng.choice([c for c in range(33, 127) if c != text[place]])
            rows[i] = bytes(text)
        if not rows:
            break
    return b"".join(rows)


@given(seed=st.integers(0, 10**9))
@QUICK
def test_random_damage_never_passes_and_never_invents_a_line(tmp_path, seed) -> None:
    rng = random.Random(seed)
    made = written(tmp_path, rng.randint(1, 12))
    path = tmp_path / NAME
    raw = path.read_bytes()
    harmed = damaged_at_random(raw, rng)
    path.write_bytes(harmed)
    found = examine_lines(path)
    assert bool(found.damage) == (harmed != raw)
    lost = {n for one in found.damage if one.lost for n in range(one.first, one.last + 1)}
    assert [line for _, line in found.rows] == [line for n, line in enumerate(made, 1) if n not in lost]
    assert all(path.name in str(one) and len(str(one)) < len(str(path)) + 300 for one in found.damage)
    files = LineFiles(tmp_path)
    assert files.open(NAME) == found
    files.append(NAME, report(50))
    files.close()
    whole = read_json_lines(path)
    assert [line for _, line in whole] == [*(line for _, line in found.rows), report(50)]
    assert [number for number, _ in whole] == list(range(1, len(whole) + 1))
    assert [copy.read_bytes() for copy in files.kept] == ([harmed] if harmed != raw else [])
    for copy in files.kept:
        copy.unlink()


def test_lines_of_an_earlier_version_may_stand_before_numbered_ones(tmp_path) -> None:
    path = tmp_path / NAME
    path.write_text(f"{LINE}\n{LINE}\n")
    assert not examine_lines(path).numbered
    files = LineFiles(tmp_path)
    files.open(NAME)
    files.append(NAME, report(3))
    files.close()
    assert [(number, line["epoch"]) for number, line in read_json_lines(path)] == [(1, 1), (2, 1), (3, 3)]
    assert path.read_text().startswith(f"{LINE}\n{LINE}\n")
    path.write_text(path.read_text().removeprefix(f"{LINE}\n"))
    with pytest.raises(DamagedFile, match=":2: this line is missing"):
        read_json_lines(path)


def test_empty_lines_are_passed_over(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{LINE}\n\n{LINE}\n")
    assert [number for number, _ in read_json_lines(path)] == [1, 2]
    assert read_json_lines(path)[0][1] == {"schema": SCHEMA_VERSION, "epoch": 1}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"{", r"a.jsonl:2: not JSON \(.*\); restore the file from a backup"),
        (b'{"a": "\xff"}', r"a.jsonl:2: not UTF-8 text \(invalid start byte\)"),
        (b"[1]", r"a.jsonl:2: expected an object, got list"),
        (b"{}", rf"a.jsonl:2: expected schema version {SCHEMA_VERSION}, got None; use the version"),
        (b'{"schema": 99}', r"got 99"),
    ],
)
def test_anything_else_is_an_error_that_names_file_and_line(tmp_path, bad, message) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE.encode() + b"\n" + bad + b"\n" + LINE.encode() + b"\n")
    with pytest.raises(DamagedFile, match=message):
        read_json_lines(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": ' + "9" * 5000 + "}"])
def test_a_line_that_no_program_of_ours_wrote_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{text}\n")
    with pytest.raises(DamagedFile, match=r"a\.jsonl:1: nested too deeply, or a number with too many digits"):
        read_json_lines(tmp_path / "a.jsonl")
