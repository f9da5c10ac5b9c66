"""What steps have printed; to follow a whole run, see ``client/test_following``."""

import os
import pty
import signal
import threading

import pytest

from runner.plan.model import Fork, Plan
from runner.plan.status import Status
from tests.support.api_stand import CUT, END, events, failure, text
from tests.support.faces import RUN
from tests.support.plans import stage, step
from tests.support.remote import PLAN, STORY, Remote, begins, ends, prints, report, step_report

LOGS = f"GET /runs/{RUN}/logs"


def test_what_has_been_printed_is_written_byte_by_byte(remote: Remote) -> None:
    remote.stand.on(LOGS, text(b"build/one | a\xff\x1b", b"[2J\r\n", b"no end"))

    with remote.start("logs", RUN, stdout=-1) as running:
        out, _ = running.communicate(timeout=30)

    assert out == b"build/one | a\xff\x1b[2J\r\nno end"
    assert running.returncode == 0


def test_one_stage_or_one_step_can_be_asked_for(remote: Remote) -> None:
    remote.stand.on(LOGS, text(b"hello\n"))

    assert remote.call("logs", RUN, "build") == 0
    assert remote.call("logs", RUN, "build/one") == 0

    assert [asked.query for asked in remote.stand.asked] == [{"stage": "build"}, {"stage": "build", "step": "one"}]
    assert remote.out == "hello\n"


def test_a_terminal_gets_nothing_that_could_move_its_cursor(remote: Remote) -> None:
    remote.stand.on(LOGS, text(b"one \x1b[2", b"J\x1b[31mred\x1b[0m\r\n", b"\x9b2Jtwo \xc3", b"\xbc"))
    ours, its = pty.openpty()
    running = remote.start("logs", RUN, stdout=its)
    os.close(its)
    assert running.wait(30) == 0
    shown = os.read(ours, 4096)
    os.close(ours)

    assert shown == "one \x1b[31mred\x1b[0m\r\n\ufffd2Jtwo ü\r\n".encode()


def test_a_download_that_breaks_off_is_no_success(remote: Remote) -> None:
    remote.stand.on(LOGS, text(b"one\n", CUT))

    assert remote.call("logs", RUN) == 3

    assert remote.out == "one\n"
    assert "the daemon does not answer" in remote.err


def test_a_step_that_is_not_there_is_bad_usage(remote: Remote) -> None:
    remote.stand.on(LOGS, failure(404, "there is no step 'nix'"))

    assert remote.call("logs", RUN, "build/nix") == 2

    assert (remote.out, remote.err) == ("", "runner: there is no step 'nix'\n")


def test_a_reader_who_goes_away_ends_the_download(remote: Remote) -> None:
    hold = threading.Event()
    remote.stand.on(LOGS, text(b"one\n", lambda: hold.wait(30), *[b"more\n" * 20_000] * 20))
    with remote.start("logs", RUN, stdout=-1, stderr=-1) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        hold.set()
        assert running.stderr is not None
        errors = running.stderr.read()

    assert (running.returncode, errors) == (141, b"")


@pytest.mark.parametrize("option", [("--output", "json"), ("--quiet",), ("--timestamps",)])
def test_how_it_looks_is_for_whoever_follows(remote: Remote, option: tuple[str, ...]) -> None:
    assert remote.call("logs", RUN, *option) == 2

    assert "are for --follow" in remote.err


@pytest.mark.parametrize("option", [("--output", "json"), ("--quiet",)])
def test_of_a_part_only_lines_are_followed(remote: Remote, option: tuple[str, ...]) -> None:
    assert remote.call("logs", RUN, "build", "-f", *option) == 2

    assert "of build only lines are followed" in remote.err


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        ("build", ["build/one | hello", "build/one | world", "build/two | oops"]),
        ("build/two", ["build/two | oops"]),
    ],
)
def test_a_part_is_followed_to_the_end_of_the_run(remote: Remote, part: str, lines: list[str]) -> None:
    other = (*begins("other/x"), prints("other/x", b"not this\n"))
    told = (*STORY[:2], *other, *STORY[2:-1], ends("", Status.FAILURE), END)
    remote.stand.has(RUN, events(*told), plan=PLAN, report=report("failure"))

    assert remote.call("logs", RUN, part, "-f") == 1

    assert remote.out.splitlines() == lines


def test_a_part_can_be_followed_with_times(remote: Remote) -> None:
    remote.stand.has(RUN, events(*STORY, END), plan=PLAN, report=report())

    assert remote.call("logs", RUN, "build/two", "-f", "--timestamps") == 0

    assert remote.out == "2026-01-01T00:00:00.000Z build/two | oops\n"


@pytest.mark.parametrize(
    ("part", "trouble"),
    [
        ("nix", "there is no stage 'nix'\n        there are build, @services"),
        ("build/nix", "stage build has no step 'nix'\n        it has one, two"),
    ],
)
def test_a_part_that_is_not_there_is_not_waited_for(remote: Remote, part: str, trouble: str) -> None:
    remote.stand.has(RUN, events(*STORY, END), plan=PLAN, report=report())

    assert remote.call("logs", RUN, part, "-f") == 2

    assert remote.err == f"runner: {trouble}\n"


def test_ctrl_c_ends_the_following_of_a_part(remote: Remote) -> None:
    hold = threading.Event()
    told = (*STORY[:5], lambda: os.kill(os.getpid(), signal.SIGINT), lambda: hold.wait(30), END)
    remote.stand.has(RUN, events(*told), plan=PLAN, report=report())

    assert remote.call("logs", RUN, "build", "-f") == 130
    hold.set()


@pytest.mark.parametrize(("part", "count"), [("each", 2), ("each[1]", 1), ("each[1]/one", 1), ("each/one", 2)])
def test_a_fork_is_followed_with_all_its_branches_and_a_branch_alone(remote: Remote, part: str, count: int) -> None:
    branches = [f"each[{index}]/one" for index in range(2)]
    lines = [item for path in branches for item in (*begins(path), prints(path, b"built\n"))]
    document = report()
    document["stages"] = [
        {"name": f"each[{index}]", "status": "success", "reason": "", "steps": [step_report("one")]}
        for index in range(2)
    ]
    forking = Plan(dialect="metalus", stages=(stage("each", step("one"), fork=Fork(values=["x", "y"])),))
    remote.stand.has(RUN, events(*STORY[:1], *lines, STORY[-1], END), plan=forking, report=document)

    assert remote.call("logs", RUN, part, "-f") == 0

    assert remote.out.splitlines() == [f"{path} | built" for path in branches[2 - count :]]
