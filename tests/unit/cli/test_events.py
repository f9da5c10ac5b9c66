import io
import json
from typing import Any

from runner.cli.events import EventFace
from runner.engine.events import Printing
from runner.logs.index import Stream
from tests.support.faces import STORY, address, block

AT = {"run": "0badcafe", "stage": "build", "step": "test", "round": 1, "attempt": 1}
WHEN = {"log": "log", "time": "2026-01-01T00:00:00.000000+00:00"}
GOLDEN = """\
{"event": "status", "run": "0badcafe", "stage": "", "step": "", "round": 1, "attempt": 1, "status": "running", "exit_code": null, "reason": "", "at": 0.0}
{"event": "pull", "image": "golang:1.24", "text": "Downloading", "current": 0, "total": 0}
{"event": "pull", "image": "golang:1.24", "text": "Downloading", "current": 1048576, "total": 73400320}
{"event": "status", "run": "0badcafe", "stage": "@services", "step": "db", "round": 1, "attempt": 1, "status": "running", "exit_code": null, "reason": "", "at": 1.0}
{"event": "status", "run": "0badcafe", "stage": "build", "step": "", "round": 1, "attempt": 1, "status": "running", "exit_code": null, "reason": "", "at": 1.0}
{"event": "status", "run": "0badcafe", "stage": "build", "step": "test", "round": 1, "attempt": 1, "status": "running", "exit_code": null, "reason": "", "at": 0.251}
{"event": "status", "run": "0badcafe", "stage": "build", "step": "test", "round": 1, "attempt": 1, "status": "failure", "exit_code": 3, "reason": "", "at": 2.0}
"""  # noqa: E501 - one line an event


def _shown(face: EventFace, buffer: io.BytesIO) -> list[dict[str, Any]]:
    face.flush()
    text = buffer.getvalue().decode("ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _story() -> list[dict[str, Any]]:
    buffer = io.BytesIO()
    face = EventFace(buffer)
    for event in STORY:
        face.event(event)
    return _shown(face, buffer)


def test_events_are_lines_of_json_with_these_keys() -> None:
    buffer = io.BytesIO()
    face = EventFace(buffer)

    for event in STORY[:7]:
        face.event(event)

    assert buffer.getvalue().decode() == GOLDEN


def test_every_event_of_a_run_is_told() -> None:
    assert len(_story()) == len(STORY)


def test_a_later_attempt_is_told_by_its_numbers() -> None:
    attempts = [(told["round"], told["attempt"]) for told in _story() if told.get("step") == "test"]

    assert attempts == [(1, 1), (1, 1), (1, 2), (1, 2), (1, 1)]


def test_a_notice_has_an_address_where_it_is_about_something() -> None:
    notices = [told for told in _story() if told["event"] == "notice"]

    assert notices == [
        {"event": "notice", "text": "something is odd"},
        {"event": "notice", **AT, "text": "could not remove the container"},
    ]


def test_complete_lines_are_one_event_with_their_stream() -> None:
    buffer = io.BytesIO()
    face = EventFace(buffer)

    face.lines(address("build/test"), block(b"one\ntwo\n"))
    face.lines(address("build/test"), block(b"oh\n", Stream.STDERR))
    face.lines(address("build/test"), block(b"runner: a gap\n", Stream.NOTICE))

    assert _shown(face, buffer) == [
        {"event": "log", **AT, **WHEN, "stream": "stdout", "text": "one\ntwo\n"},
        {"event": "log", **AT, **WHEN, "stream": "stderr", "text": "oh\n"},
        {"event": "log", **AT, **WHEN, "stream": "notice", "text": "runner: a gap\n"},
    ]


def test_hostile_bytes_are_text_in_one_line() -> None:
    buffer = io.BytesIO()
    face = EventFace(buffer)

    face.lines(address("build/\udce9"), block("\x1b[2J\u2028\xe9\n".encode() + b"\xff\n"))

    (told,) = _shown(face, buffer)
    assert told["text"] == "\x1b[2J\u2028é\n\ufffd\n"


def test_that_a_log_begins_is_no_event() -> None:
    buffer = io.BytesIO()

    EventFace(buffer).event(Printing(address("build/test"), "log"))

    assert buffer.getvalue() == b""


def test_lines_that_stand_need_no_suspension() -> None:
    buffer = io.BytesIO()

    with EventFace(buffer).suspended():
        assert buffer.getvalue() == b""
