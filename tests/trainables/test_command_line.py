"""What a command line says of a mistyped flag or choice."""

from __future__ import annotations

import pytest

from trainables.command_line import Parser


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line on standard error of a refused command line."""
    parser = Parser("tool.py", "A tool.", "examples: none")
    parser.add_argument("--stage", choices=["search", "confirm"])
    parser.add_argument("--few-shot")
    with pytest.raises(SystemExit, match=r"^2$"):
        parser.parse_args(arguments)
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (("--stage", "serach"), "(choose from 'search', 'confirm'); did you mean 'search'?"),
        (("--stage=Confirm",), "(choose from 'search', 'confirm'); did you mean 'confirm'?"),
        (("--stage", "zzz"), "invalid choice: 'zzz' (choose from 'search', 'confirm')"),
        (("--satge", "search"), "unrecognized arguments: --satge search; did you mean '--stage'?"),
        (("--few_shot=3",), "unrecognized arguments: --few_shot=3; did you mean '--few-shot'?"),
        (("--zzzz",), "unrecognized arguments: --zzzz"),
        (("--stag", "search"), "unrecognized arguments: --stag search; did you mean '--stage'?"),
        (("extra",), "unrecognized arguments: extra"),
        (("--stage",), "argument --stage: expected one argument"),
    ],
)
def test_a_refusal_names_what_is_close(capsys, arguments: tuple[str, ...], end: str) -> None:
    assert said(capsys, *arguments).endswith(end)
