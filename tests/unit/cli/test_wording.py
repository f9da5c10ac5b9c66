import pytest

from runner.cli.wording import Wording
from runner.engine.events import Event, Notice, Printing
from runner.plan.status import Status
from tests.support.faces import STORY, address, changed, pulling, service


def _told(*events: Event) -> list[str]:
    wording = Wording()
    return [wording.describe(event) for event in events]


def test_what_needs_no_words_has_none() -> None:
    assert (
        _told(
            Printing(address("build/test"), "log"),
            pulling(),
            changed(address(), Status.RUNNING),
            changed(address("build/test"), Status.PENDING, reason="made ready"),
            changed(address("build"), Status.SUCCESS),
            changed(service("db"), Status.RUNNING),
            changed(service("db"), Status.CANCELLED, reason="it ended with the run"),
        )
        == [""] * 7
    )


def test_an_ending_tells_how_long_it_took() -> None:
    told = _told(
        changed(address("s/a"), Status.RUNNING, at=1.0), changed(address("s/a"), Status.FAILURE, at=3.5, exit_code=2)
    )

    assert told == ["s/a: running", "s/a: failure (exit code 2) in 2.5 s"]


def test_a_step_that_failed_before_its_start_has_no_exit_code() -> None:
    assert _told(changed(address("s/a"), Status.FAILURE, reason="no value for X")) == ["s/a: failure: no value for X"]


def test_a_stage_that_failed_before_its_first_step_says_why_and_one_whose_step_failed_does_not() -> None:
    told = _told(
        changed(address("each"), Status.FAILURE, reason="no list"),
        changed(address("build"), Status.RUNNING),
        changed(address("build"), Status.FAILURE, reason="step a: exit code 1"),
    )

    assert told == ["stage each: failure: no list", "", ""]


def test_each_attempt_has_its_own_time() -> None:
    again = address("s/a", attempts=(1, 2))
    told = _told(
        changed(address("s/a"), Status.RUNNING, at=1.0),
        changed(again, Status.RUNNING, at=4.0),
        changed(again, Status.SUCCESS, at=5.0),
    )

    assert told[-1] == "s/a: success (attempt 1.2) in 1.0 s"


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (Notice("odd"), "note: odd"),
        (Notice("odd", address("s/a")), "note: s/a: odd"),
        (Notice("odd", address("s")), "note: s: odd"),
    ],
)
def test_a_notice_says_whom_it_concerns(notice: Notice, words: str) -> None:
    assert _told(notice) == [words]


def test_the_end_of_a_run_is_told_with_its_time_and_its_reason() -> None:
    assert _told(*STORY)[-1] == "run 0badcafe: failure in 2.6 s: stage build: step test: it was too big"


def test_words_of_others_are_left_as_they_are() -> None:
    assert _told(Notice("\x1b[2J")) == ["note: \x1b[2J"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (changed(address(), Status.PAUSED, at=2.0, reason="stage a: x"), "run 0badcafe: paused in 2.0 s: stage a: x"),
        (changed(address("a"), Status.PAUSED, reason="approval"), "stage a: paused: approval"),
        (changed(address("a"), Status.STOPPED, reason="not today"), "stage a: stopped: not today"),
        (changed(address("each"), Status.SUCCESS, branches=0), "stage each: 0 branches"),
        (changed(address("each"), Status.SUCCESS, branches=1), "stage each: 1 branch"),
        (changed(address("each"), Status.SUCCESS, branches=3), "stage each: 3 branches"),
    ],
)
def test_what_no_step_tells_of_is_told_of_its_stage_or_run(event: Event, words: str) -> None:
    assert _told(event) == [words]
