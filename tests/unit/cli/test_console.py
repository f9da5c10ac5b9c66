import subprocess
import sys

import pytest

from runner.cli.console import say

GONE = """
import sys, time
from runner.cli.app import run
from runner.cli import console, app
import typer
broken = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
@broken.command()
def _command() -> None:
    console.say("x" * 100_000)
app.app = broken
sys.argv = ["runner"]
time.sleep(0.2)
sys.exit(run())
"""


def _shell(redirection: str) -> subprocess.CompletedProcess[bytes]:
    command = f'"$@" {redirection}; exit "${{PIPESTATUS[0]}}"'
    return subprocess.run(["bash", "-c", command, "bash", sys.executable, "-c", GONE], capture_output=True, check=False)


def test_lines_go_to_stdout_or_where_they_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo")
    say("three", err=True)

    assert capsys.readouterr() == ("one\ntwo\n", "three\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\rb"),
        ("\x9b\x00\x7f", "\\x9b\\x00\\x7f"),
        ("\ud800", "\\ud800"),
        ("rm \u202e# x", "rm \\u202e# x"),
        ("tab\tand é 漢 stay", "tab\tand é 漢 stay"),
    ],
    ids=ascii,
)
def test_what_could_move_the_cursor_is_escaped(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)

    assert capsys.readouterr().out == f"{shown}\n"


def test_a_reader_that_has_gone_is_141_without_a_word() -> None:
    done = _shell("| true")

    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_under_stdout_is_3_and_told_on_stderr() -> None:
    done = _shell("> /dev/full")

    assert done.returncode == 3
    assert done.stderr == b"runner: cannot write the output: No space left on device\n"
