import io
import sys
from pathlib import Path

import pytest

from runner.cli.events import EventFace
from runner.cli.faces import showing
from runner.cli.live import face as live
from runner.cli.live.face import LiveFace
from runner.cli.look import Look
from runner.cli.options import OutputFormat
from runner.cli.plain import PlainFace
from runner.cli.printer import Face
from runner.cli.quiet import QuietFace
from runner.logs.files import LogBook
from runner.logs.mask import Mask
from tests.support.plans import step, steps_only
from tests.support.terminal import Terminal

PLAN = steps_only(step("a"))


class _Stream(io.TextIOWrapper):
    """A standard stream, at a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        self.shown = Terminal()
        super().__init__(self.shown, encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogBook:
    monkeypatch.setenv("TERM", "xterm")
    return LogBook(tmp_path, Mask())


def _at(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> _Stream:
    stream = _Stream(terminal=terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", _Stream(terminal=terminal))
    return stream


def _kind(look: Look, logs: LogBook) -> type[Face]:
    with showing(look, PLAN, logs) as shown:
        return type(shown.face)


@pytest.mark.parametrize(
    ("look", "at_terminal", "in_pipe"),
    [
        (Look(output=OutputFormat.TEXT), LiveFace, PlainFace),
        (Look(output=OutputFormat.TEXT, color=False), LiveFace, PlainFace),
        (Look(output=OutputFormat.TEXT, timestamps=True), PlainFace, PlainFace),
        (Look(output=OutputFormat.TEXT, quiet=True), QuietFace, QuietFace),
        (Look(output=OutputFormat.JSON), PlainFace, PlainFace),
        (Look(output=OutputFormat.JSON, quiet=True), QuietFace, QuietFace),
        (Look(output=OutputFormat.EVENTS), EventFace, EventFace),
        (Look(output=OutputFormat.EVENTS, quiet=True, timestamps=True), EventFace, EventFace),
    ],
    ids=str,
)
def test_a_run_looks_as_it_is_asked_to_where_it_can(
    look: Look, at_terminal: type[Face], in_pipe: type[Face], logs: LogBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    _at(monkeypatch, terminal=True)
    assert _kind(look, logs) is at_terminal

    _at(monkeypatch, terminal=False)
    assert _kind(look, logs) is in_pipe


def test_a_terminal_that_can_only_show_lines_gets_lines(logs: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    _at(monkeypatch, terminal=True)
    monkeypatch.setenv("TERM", "dumb")

    assert _kind(Look(output=OutputFormat.TEXT), logs) is PlainFace


def test_what_is_said_beside_a_tree_is_shown_by_it_and_the_tree_goes_however_the_run_ends(
    logs: LogBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _at(monkeypatch, terminal=True)

    def run() -> None:
        with showing(Look(output=OutputFormat.TEXT), PLAN, logs) as shown:
            shown.face.flush()
            assert stream.shown.cursor_hidden
            assert shown.say is not None
            shown.say("ending the run")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()

    assert not stream.shown.cursor_hidden
    assert stream.shown.everything == ["ending the run"]


def test_beside_lines_everything_is_said_as_ever(logs: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    _at(monkeypatch, terminal=False)

    with showing(Look(output=OutputFormat.TEXT), PLAN, logs) as shown:
        assert shown.say is None


@pytest.mark.parametrize("color", [True, False])
def test_a_tree_has_colours_unless_they_are_not_wanted(
    color: bool,  # noqa: FBT001 - a case
    logs: LogBook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _at(monkeypatch, terminal=True)
    seen: list[object] = []

    class Seen(LiveFace):
        def __init__(self, *arguments: object, **options: object) -> None:
            seen.append(options["color"])
            super().__init__(*arguments, **options)  # type: ignore[arg-type]  # what `showing` gives

    monkeypatch.setattr(live, "LiveFace", Seen)

    _kind(Look(output=OutputFormat.TEXT, color=color), logs)

    assert seen == [color]


@pytest.mark.parametrize(("output", "stream"), [("text", "out"), ("json", "err"), ("events", "err")])
def test_words_for_people_go_where_nothing_else_is_expected(
    output: str, stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Look(output=OutputFormat(output)).say("one\ntwo", "three")

    captured = capsys.readouterr()
    assert getattr(captured, stream) == "one\ntwo\nthree\n"
    assert captured.out + captured.err == "one\ntwo\nthree\n"


def test_with_timestamps_these_words_have_their_time_too(capsys: pytest.CaptureFixture[str]) -> None:
    Look(output=OutputFormat.TEXT, timestamps=True).say("one\ntwo")

    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("Z ")[2] for line in lines] == ["one", "two"]
    assert len(lines[0]) == len("2026-01-31T12:00:00.000Z one")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Look(output=OutputFormat.TEXT, quiet=True).say("one")

    assert capsys.readouterr() == ("", "")
