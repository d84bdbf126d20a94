"""The settings on the terminal and on the page."""

from __future__ import annotations

import subprocess
import sys

import pytest

import run_study
from study.settings import reference, shown
from trainables.settings.edge import ConfigError


def names(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(" ")]


def test_a_paragraph_by_hand():
    assert shown.on_terminal("support.forget").splitlines() == [
        "support.forget_every",
        "    whole number, 0 to 1,000,000; default 3; unit: epochs; in a search space: forget_every",
        "    acts with method=kmclr and support.update=count",
        "    prototypes, update=count: every this many epochs re-seed the prototypes from the newest",
        "    embeddings; 0 never.",
    ]


def test_without_a_prefix_all_settings_are_shown():
    assert names(shown.on_terminal()) == [s.name for s in reference.settings() if not s.section]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("train.e", ["train.epochs"]),
        ("queue", ["support.queue_size", "support.queue_dtype"]),
        ("prototype_u", ["support.update"]),
    ],
)
def test_what_a_prefix_finds(prefix: str, found: list[str]):
    assert names(shown.on_terminal(prefix)) == found


def test_a_prefix_of_nothing_is_one_line_with_a_hint():
    with pytest.raises(ConfigError, match="--settings suport: no setting begins so; did you mean 'support'") as error:
        shown.on_terminal("suport")
    assert "\n" not in str(error.value)


def test_the_command_needs_no_study(capsys):
    assert run_study.main(["--settings", "train.epochs"]) == 0
    assert names(capsys.readouterr().out) == ["train.epochs"]
    assert run_study.main(["--settings", "x" * 1000]) == 2
    assert len(capsys.readouterr().err) < 800


def test_a_reader_may_stop_early():
    """The reader is gone before anything is written."""
    code = "import sys; sys.stdin.read(); import run_study; sys.exit(run_study.main(['--settings']))"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=shown.ROOT, **pipes) as process:
        process.stdout.close()
        process.stdin.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


def test_the_page_has_each_setting_with_default_unit_and_text():
    page = shown.page()
    for setting in reference.settings():
        if not setting.section:
            default = f"`{setting.default}`" if setting.default else "must be given"
            unit = f"; unit: {setting.unit}" if setting.unit else ""
            assert f"| `{setting.name.rpartition('.')[2]}` | {default} | {setting.values}{unit} |" in page, setting.name
            assert not setting.acts or f"*Acts with {setting.acts}.*" in page
            assert setting.facts["description"].split("\n")[0].replace("|", "\\|") in page, setting.name
    assert "| `queue_size` | `support.queue_size` | nnclr |" in page
    assert all(f"- `{name}`" in page for name in ("strong", "seed", "train.checkpoint_every"))
