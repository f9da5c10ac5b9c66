"""The daemon beside others on one engine, and over its own death; what it promises of steps and stages."""

import json
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from docker import APIClient

from runner.naming import LABEL_ROLE, LABEL_RUN
from tests.support.cli import PATIENCE, Finished, Place, Running

SLOW = """\
version: "1"
steps:
  - {name: talk, image: busybox:local, commands: ['for i in $(seq 1 24); do echo word $i; sleep 0.25; done']}
"""
WORDS = [f"word {number}" for number in range(1, 25)]

STEPS = """\
version: "1"
stages:
  first:
    independent: true
    steps:
      - name: makes
        image: busybox:local
        environment: {WORD: hello}
        commands: [echo "$WORD" > made, touch /own]
      - {name: sees, image: debian:local, commands: [cat made, 'test ! -e /own', 'command -v bash']}
  beside:
    independent: true
    steps:
      - {name: alone, image: busybox:local, commands: ['ls -A']}
  absent:
    steps:
      - {name: never, image: "no-such-image:local", pull: never, commands: ['true']}
"""


def _daemon(place: Place, name: str = "daemon", *arguments: str) -> Running:
    daemon = place.start("daemon", *arguments, env=_of(place, name))
    daemon.until("listening on")
    return daemon


def _of(place: Place, name: str) -> dict[str, str]:
    return {"RUNNER_DATA_DIR": str(place.state / name), "RUNNER_DRAIN": "0", "RUNNER_GRACE": "1"}


def _run(place: Place, *arguments: str, daemon: str = "daemon") -> Finished:
    return place.run(*arguments, env=_of(place, daemon))


def _submit(place: Place, daemon: str = "daemon") -> str:
    done = _run(place, "submit", "--output", "json", daemon=daemon)
    assert done.code == 0, done.err
    return str(json.loads(done.out)["id"])


def _step_of(run: str) -> str:
    """Return the container of a run's step that is running, as soon as it is."""
    deadline = time.monotonic() + PATIENCE
    with closing(APIClient()) as api:
        while time.monotonic() < deadline:
            labels = [f"{LABEL_RUN}={run}", f"{LABEL_ROLE}=step"]
            if found := api.containers(filters={"label": labels}):
                return str(found[0]["Id"])
            time.sleep(0.05)
    raise TimeoutError(run)


def _clean(place: Place, *daemons: str) -> None:
    for name in daemons or ("daemon",):
        assert place.run("clean", "--daemon", place.state / name).code == 0


def test_each_step_has_its_own_container_and_each_stage_its_own_workspace(place: Place) -> None:
    place.write(STEPS)
    daemon = _daemon(place)

    done = _run(place, "submit", "--follow")

    assert done.code == 3
    word, bash = done.printed("first/sees")
    assert (word, bash.rpartition("/")[2]) == ("hello", "bash")
    assert done.printed("beside/alone") == [".vela.yml"]
    assert "no-such-image:local" in done.out
    daemon.signal(signal.SIGTERM)
    assert daemon.finish().code == 0
    _clean(place)


def test_a_container_goes_on_while_the_daemon_is_upgraded(place: Place) -> None:
    place.write(SLOW)
    daemon = _daemon(place)
    run = _submit(place)
    container = _step_of(run)

    daemon.signal(signal.SIGHUP)
    assert daemon.finish().code == 0
    assert _step_of(run) == container

    daemon = _daemon(place)
    done = _run(place, "logs", "-f", run)

    assert done.code == 0, done.out + done.err
    assert done.printed("steps/talk") == WORDS
    assert _run(place, "logs", run, "steps/talk").out.splitlines()[1:] == WORDS
    daemon.signal(signal.SIGTERM)
    assert daemon.finish().code == 0
    _clean(place)


@pytest.mark.alone
def test_daemons_and_exec_on_one_engine_never_touch_what_is_not_theirs(place: Place) -> None:
    place.write(SLOW)
    first, second = _daemon(place, "a"), _daemon(place, "b")
    ours, theirs = _submit(place, "a"), _submit(place, "b")
    here = place.start("exec")
    containers = {_step_of(ours), _step_of(theirs)}
    here.until("word 1")

    first.signal(signal.SIGKILL)
    second.signal(signal.SIGKILL)
    second = _daemon(place, "b")  # it sweeps what it has left
    assert place.run("clean").code == 0

    assert containers == {_step_of(ours), _step_of(theirs)}
    assert here.finish().code == 0
    first = _daemon(place, "a")
    for daemon, run in (("a", ours), ("b", theirs)):
        done = _run(place, "logs", "-f", run, daemon=daemon)
        assert (done.code, done.printed("steps/talk")) == (0, WORDS)
    for running in (first, second):
        running.signal(signal.SIGTERM)
        assert running.finish().code == 0
    _clean(place, "a", "b")


def test_a_second_daemon_on_one_directory_refuses(place: Place) -> None:
    daemon = _daemon(place)

    refused = _run(place, "daemon")

    assert refused.code == 3
    assert f"process {daemon.process.pid}" in refused.err
    assert _run(place, "runs").code == 0
    daemon.signal(signal.SIGTERM)
    assert daemon.finish().code == 0


def test_over_tcp_nothing_is_told_without_the_token(place: Place, tmp_path: Path) -> None:
    daemon = _daemon(place, "daemon", "--listen", "127.0.0.1:0")
    address = daemon.text.rpartition("127.0.0.1")[2].split()[0]
    url, token = f"http://127.0.0.1{address}", place.state / "daemon" / "token"

    assert place.run("runs", env={"RUNNER_URL": url, "RUNNER_TOKEN": "wrong"}).code != 0
    listed = place.run("runs", env={"RUNNER_URL": url, "RUNNER_TOKEN_FILE": str(token)})

    assert listed.code == 0, listed.err
    daemon.signal(signal.SIGTERM)
    assert daemon.finish().code == 0
