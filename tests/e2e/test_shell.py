"""``--shell-on-failure``: whoever sits at the terminal looks around where a step failed."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from runner.errors import ExitCode
from tests.support.attempts import BUSYBOX
from tests.support.cli import PATIENCE, Place, Running

OPENED = "opening a shell like it"
SECRET = "hunter2 is the word"
BARE = "runner-test-bare:local"

LOOKED_AT = """\
version: "1"
secrets: [{name: token}]
stages:
  build:
    steps:
      - name: fails
        image: busybox:local
        user: "1000:1000"
        working_dir: deep
        retry: 1
        environment: {VARIABLE: a value}
        secrets: [{source: token, target: TOKEN}]
        commands:
          - echo attempt >> ../made
          - echo the last words; exit 3
      - name: tells
        image: busybox:local
        ruleset: {status: failure}
        commands: ['echo "found $(cat made-by-hand)"']
"""

SIDE_BY_SIDE = f"""\
version: "1"
stages:
  first:
    steps:
      - {{name: fails, image: busybox:local, commands: [exit 1]}}
  second:
    steps:
      - {{name: fails, image: busybox:local, commands: [exit 2]}}
  bare:
    needs: [first, second]
    steps:
      - {{name: fails, image: "{BARE}", pull: never, ruleset: {{status: failure}}, entrypoint: [busybox, "false"]}}
  talks:
    steps:
      - {{name: on, image: busybox:local, commands: [sleep 1; echo $((40 + 2)) lines]}}
"""

FAILS = """\
version: "1"
steps:
  - {name: fails, image: busybox:local, commands: [exit 1]}
"""


@pytest.fixture
def bare() -> Iterator[str]:
    """Make an image without a shell."""
    with closing(APIClient()) as api:
        source = api.create_container(BUSYBOX, ["rm", "/bin/sh"])["Id"]
        api.start(source)
        api.wait(source)
        repository, tag = BARE.split(":")
        api.commit(source, repository, tag)
        api.remove_container(source)
        yield BARE
        api.remove_image(BARE)


def begin(place: Place, pipeline: str, *arguments: str, term: str = "xterm") -> tuple[Running, list[Any]]:
    """Run a pipeline until its first shell is being opened: what is typed from then on is for it.

    Returns the modes that the terminal had before, too.
    """
    place.write(pipeline)
    running = place.at_terminal("exec", "--shell-on-failure", *arguments, env={"TERM": term})
    modes = running.modes
    running.until(OPENED)
    assert running.modes != modes
    return running, modes


def until(running: Running, text: str, times: int) -> None:
    """Wait until a text has come so many times."""
    deadline = time.monotonic() + PATIENCE
    while running.text.count(text) < times:
        assert time.monotonic() < deadline, running.text
        time.sleep(0.02)


def environments() -> str:
    """Return all that the engine shows of all containers' variables."""
    with closing(APIClient()) as api:
        return str([api.inspect_container(found["Id"])["Config"]["Env"] for found in api.containers()])


def test_everything_of_the_step_is_there_and_exit_goes_on_with_the_run(place: Place, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    running, modes = begin(place, LOOKED_AT, "--secret", f"token=@{tmp_path}/token")

    running.type(b'echo "<$(id -u):$(id -g) $PWD, $(grep -c attempt ../made) attempts, $VARIABLE, $TOKEN>"\n')
    running.until(f"<1000:1000 /vela/src/deep, 2 attempts, a value, {SECRET}>")
    running.type(b'echo "<${TINI_KILL_PROCESS_GROUP-nothing} of the gate>"\n')
    running.until("<nothing of the gate>")
    assert SECRET not in environments()

    running.type(b"sh -c 'echo $((1 + 1)) naps; exec sleep 1000'\n")  # who says it can be interrupted by then
    running.until("2 naps")
    running.type(b"\x03")
    running.type(b"echo still $((40 + 2)); echo by hand > ../made-by-hand\n")
    running.until("still 42")

    running.resize(31, 97)
    running.type(b'until [ "$(stty size)" = "31 97" ]; do sleep 0.1; done; echo $((1 + 1)) sizes\n')
    running.until("2 sizes")
    running.resize(20, 60)
    running.type(b'until [ "$(stty size)" = "20 60" ]; do sleep 0.1; done; echo $((1 + 2)) sizes\n')
    running.until("3 sizes")

    running.type(b"exit\n")
    running.until("found by hand")
    assert running.modes == modes
    finished = running.finish()
    assert finished.code == ExitCode.FAILURE
    assert finished.out.count(OPENED) == 1
    assert finished.out.count("the last words") >= 2
    assert finished.out.rindex("the last words") < finished.out.index(OPENED)


def test_steps_that_fail_at_the_same_time_get_one_shell_after_the_other(place: Place, bare: str) -> None:
    running, _ = begin(place, SIDE_BY_SIDE, term="dumb")
    running.type(b"sleep 1.2; echo $((1 + 1)) seconds\n")
    running.until("2 seconds")
    assert running.text.count(OPENED) == 1
    assert "42 lines" not in running.text

    running.type(b"exit\n")
    until(running, OPENED, 2)
    running.type(b"exit\n")
    finished = running.finish()

    assert finished.code == ExitCode.FAILURE
    assert "talks/on | 42 lines" in finished.out
    assert f"note: bare/fails: nobody could look around: image {bare} has no /bin/sh" in finished.out


def test_a_run_that_is_ended_takes_its_shell_with_it(place: Place) -> None:
    running, modes = begin(place, FAILS)
    running.type(b"trap '' TERM HUP; echo $((1 + 1)) traps; sleep 1000\n")
    running.until("2 traps")
    began = time.monotonic()
    running.signal(signal.SIGTERM)
    running.until("it was cancelled")
    assert running.modes == modes
    finished = running.finish()

    assert finished.code == ExitCode.TERMINATED
    assert time.monotonic() - began < 5
    assert "Traceback" not in finished.out
    assert place.objects() == []


def test_a_terminal_that_closes_ends_the_shell_and_the_run(place: Place) -> None:
    running, _ = begin(place, FAILS)
    running.hang_up()

    assert running.finish().code == ExitCode.TERMINATED
    assert place.objects() == []
