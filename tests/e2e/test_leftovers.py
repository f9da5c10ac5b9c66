"""What a killed run leaves is removed by `clean` or by the next run, and never what somebody still uses."""

import os
import signal
import socket
import subprocess

import pytest

from runner.errors import ExitCode
from tests.support.cli import Place, Running, place_in

pytestmark = pytest.mark.alone

LONG = """\
version: "1"
services:
  - name: idle
    image: busybox:local
    entrypoint: [sleep, "1000"]
steps:
  - name: waits
    image: busybox:local
    commands: [echo ready, 'until [ -e go ]; do sleep 0.1; done', echo went on]
"""

SHORT = 'version: "1"\nsteps:\n  - {name: s, image: "busybox:local", commands: [echo short]}\n'


def begin(place: Place, *arguments: str) -> Running:
    place.write(LONG, "long.yml")
    running = place.start("exec", "long.yml", *arguments)
    running.until("waits | ready")
    return running


def kill(running: Running) -> None:
    running.signal(signal.SIGKILL)
    running.process.wait()


def test_clean_removes_what_a_killed_run_left_and_a_second_clean_has_nothing_to_do(place: Place) -> None:
    kill(begin(place))
    left = place.objects()
    run = place.runs[0].name
    cleaned = place.run("clean")
    again = place.run("clean")

    assert {"container", "network", "volume"} <= {item.split()[0] for item in left}
    assert cleaned.code == again.code == ExitCode.SUCCESS
    assert place.objects() == []
    assert run in cleaned.out
    assert run not in again.out
    assert list((place.state / "instances").iterdir()) == []


def test_the_next_run_sweeps_what_a_killed_one_left_and_says_so(place: Place) -> None:
    kill(begin(place))
    dead = place.runs[0].name
    place.write(SHORT)
    finished = place.exec()

    assert finished.code == ExitCode.SUCCESS
    assert f"removed what the dead run {dead} had left" in finished.out
    assert place.objects() == []


def test_a_live_run_beside_is_touched_neither_by_clean_nor_by_another_run(place: Place) -> None:
    live = begin(place, "--bind")
    before = place.objects()
    cleaned = place.run("clean")
    with place_in(place.repo.parent / "beside") as other:
        other.write(SHORT)
        elsewhere = [other.run("clean"), other.exec()]
    place.write(SHORT)
    beside = place.exec()
    after = place.objects()
    (place.repo / "go").touch()
    finished = live.finish()

    assert [command.code for command in (cleaned, *elsewhere, beside)] == [0, 0, 0, 0]
    assert after == before
    assert finished.code == ExitCode.SUCCESS
    assert finished.printed("steps/waits") == ["ready", "went on"]


def test_kept_volumes_survive_the_next_run_and_go_with_clean(place: Place) -> None:
    place.write(SHORT)
    kept = place.exec("--keep")
    volumes = place.objects()
    next_one = place.exec()
    survivors = place.objects()
    cleaned = place.run("clean")

    assert [kept.code, next_one.code, cleaned.code] == [0, 0, 0]
    assert volumes
    assert all(item.startswith("volume ") for item in volumes)
    assert survivors == volumes
    assert place.objects() == []


def test_what_cannot_be_ours_is_never_removed(place: Place) -> None:
    """Objects with foreign labels, and some whose owner lives on another host or as another user."""
    ours = {
        "kind": "exec",
        "owner": str(os.getuid()),
        "host": socket.gethostname(),
        "lock": "/none/instances/0.lock",
        "run": "0badcafe",
    }
    host, user, daemon = {**ours, "host": "elsewhere"}, {**ours, "owner": "7"}, {**ours, "kind": "daemon"}
    mine = _volume(ours)
    made = [_volume(labels) for labels in ({}, host, user, daemon)]
    try:
        cleaned = place.run("clean")
        left = subprocess.check_output(["docker", "volume", "ls", "-q"], text=True).split()
    finally:
        subprocess.run(["docker", "volume", "rm", "-f", mine, *made], check=True, stdout=subprocess.DEVNULL)

    assert cleaned.code == ExitCode.SUCCESS
    assert set(made) <= set(left)
    assert mine not in left


def _volume(labels: dict[str, str]) -> str:
    options = [option for name, value in labels.items() for option in ("--label", f"io.runner.{name}={value}")]
    return subprocess.check_output(["docker", "volume", "create", *options], text=True).strip()
