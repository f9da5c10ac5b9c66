"""What the three outputs hold: lines for people, one document, or events."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import ExitCode
from runner.naming import SERVICES
from tests.support.cli import Finished, Place, place_in

PIPELINE = """\
version: "1"
services:
  - name: idle
    image: busybox:local
    entrypoint: [sleep, "1000"]
stages:
  build:
    steps:
      - name: make it
        image: busybox:local
        commands:
          - echo out; sleep 0.1; echo err >&2
          - sleep 0.5
          - printf 'no end'
      - name: flaky
        image: busybox:local
        retry: 2
        commands: ['echo x >> tries; [ $(wc -l < tries) -ge 2 ]']
      - name: only on failure
        image: busybox:local
        ruleset: {status: failure}
        commands: [echo never]
      - name: breaks
        image: busybox:local
        commands: [exit 9]
  after:
    needs: [build]
    steps:
      - name: skipped
        image: busybox:local
        commands: [echo never]
      - name: cleans up
        image: busybox:local
        ruleset: {status: [success, failure]}
        commands: [echo tidy]
"""

RUN = {"id", "status", "dialect", "seconds", "reason"}
STAGE = {"name", "status", "reason", "steps"}
STEP = {"name", "status", "exit_code", "attempt", "reason", "started", "seconds"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Give a run of the pipeline that wrote its document."""
    with place_in(tmp_path_factory.mktemp("document")) as place:
        place.write(PIPELINE)
        yield place.exec("--output", "json")


def test_the_json_document_has_exactly_the_promised_names(finished: Finished) -> None:
    document = finished.document

    assert set(document) == {"run", "stages", "children", "values"}
    assert set(document["run"]) == RUN
    assert [set(stage) for stage in document["stages"]] == [STAGE, STAGE]
    assert all(set(step) == STEP for step in finished.steps.values())


def test_the_json_document_tells_what_happened(finished: Finished) -> None:
    document, steps = finished.document, finished.steps

    assert finished.code == ExitCode.FAILURE
    assert (document["run"]["status"], document["run"]["dialect"], document["children"]) == ("failure", "vela", [])
    assert document["run"]["reason"] == "stage build: step breaks: exit code 9"
    assert {name: stage["status"] for name, stage in finished.stages.items()} == {
        "build": "failure",
        "after": "success",
    }
    assert finished.statuses == {
        "build/make it": "success",
        "build/flaky": "success",
        "build/only on failure": "skipped",
        "build/breaks": "failure",
        "after/skipped": "skipped",
        "after/cleans up": "success",
    }
    assert {path: steps[path]["exit_code"] for path in ("build/breaks", "build/make it")} == {
        "build/breaks": 9,
        "build/make it": 0,
    }
    assert steps["build/flaky"]["attempt"] == 2
    assert steps["after/skipped"]["started"] is None
    assert "failure" in steps["after/skipped"]["reason"]


def test_times_in_the_document_count_from_the_start_of_the_run(finished: Finished) -> None:
    ran = [step for step in finished.steps.values() if step["status"] != "skipped"]
    times = [(step["started"] or 0.0, step["seconds"] or 0.0) for step in ran]
    ends = [started + seconds for started, seconds in times]
    whole = finished.document["run"]["seconds"]

    assert all(started > 0 < seconds for started, seconds in times)
    assert times[0][1] >= 0.6
    assert all(end <= started for end, (started, _) in zip(ends, times[1:], strict=False))
    assert ends[-1] <= whole < finished.seconds


def test_beside_the_document_the_plain_lines_are_on_stderr(finished: Finished) -> None:
    lines = [re.sub(r" in \d+\.\d s", "", line) for line in finished.err.splitlines()]
    run = finished.document["run"]

    assert " | " not in finished.out
    assert lines[0].startswith(".vela.yml: event push")
    assert finished.printed("build/make it") == ["out", "err", "no end"]
    assert finished.lines("after/cleans up") == ["$ echo tidy", "tidy"]
    assert lines.index("build/make it | no end") < lines.index("build/make it: success")
    assert "build/flaky: failure (exit code 1)" in lines
    assert "build/flaky: success (attempt 1.2)" in lines
    assert lines[-1] == f"run {run['id']}: failure: {run['reason']}"


ORDER = [
    ("", 1, "running"),
    ("build", 1, "running"),
    ("build/make it", 1, "running"),
    ("build/make it", 1, "success"),
    ("build/flaky", 1, "running"),
    ("build/flaky", 1, "failure"),
    ("build/flaky", 2, "running"),
    ("build/flaky", 2, "success"),
    ("build/only on failure", 1, "skipped"),
    ("build/breaks", 1, "running"),
    ("build/breaks", 1, "failure"),
    ("build", 1, "failure"),
    ("after", 1, "running"),
    ("after/skipped", 1, "skipped"),
    ("after/cleans up", 1, "running"),
    ("after/cleans up", 1, "success"),
    ("after", 1, "success"),
    ("", 1, "failure"),
]


def test_events_are_json_lines_in_the_order_in_which_things_happened(place: Place) -> None:
    place.write(PIPELINE)
    finished = place.exec("--output", "events")
    events = finished.events
    statuses = [event for event in events if event["event"] == "status"]

    assert finished.code == ExitCode.FAILURE
    assert [json.dumps(event) for event in events] == finished.out.splitlines()
    assert {event["event"] for event in events} <= {"status", "log", "notice", "pull"}
    assert [_moment(event) for event in statuses if event["stage"] != SERVICES] == ORDER
    assert [event["at"] for event in statuses] == sorted(event["at"] for event in statuses)
    assert " | " not in finished.err
    assert _text(events, "build/make it", "stderr") == "err\n"
    assert _text(events, "build/make it", "stdout") == (
        "$ echo out; sleep 0.1; echo err >&2\nout\n$ sleep 0.5\n$ printf 'no end'\nno end\n"
    )
    for number, event in enumerate(events):
        if event["event"] == "log":
            seen = [_moment(e) for e in events[:number] if e["event"] == "status"]
            path, attempt = _path(event), event["attempt"]
            assert {status for at, count, status in seen if (at, count) == (path, attempt)} == {"running"}


def test_a_step_whose_output_holds_hostile_bytes_breaks_neither_lines_nor_documents(place: Place) -> None:
    place.write("""\
        version: "1"
        steps:
          - name: hostile
            image: busybox:local
            commands:
              - printf 'a\\0b\\377c\\033[2Jd\\re\\n{"event":"status"}\\n'
              - head -c 300000 /dev/zero | tr '\\0' x; echo; echo after
        """)
    plain = place.start("exec").finish()
    events = place.exec("--output", "events").events
    text = _text(events, "steps/hostile", "stdout")

    assert plain.code == ExitCode.SUCCESS
    assert plain.printed("steps/hostile")[-1] == "after"
    assert sum(line.count("x") for line in plain.printed("steps/hostile")) == 300_000
    assert "a\0b" in text
    assert '\n{"event":"status"}\n' in text
    assert text.count("x") >= 300_000


def _moment(event: dict[str, Any]) -> tuple[str, int, str]:
    return _path(event), event["attempt"], event["status"]


def _path(event: dict[str, Any]) -> str:
    return "/".join(part for part in (event["stage"], event["step"]) if part)


def _text(events: list[dict[str, Any]], path: str, stream: str) -> str:
    found = [e for e in events if e["event"] == "log" and _path(e) == path and e["stream"] == stream]
    return "".join(event["text"] for event in found)
