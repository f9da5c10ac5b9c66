"""`doctor` on a real engine: what it says of it, and that it leaves nothing there."""

import json
import os
import socket
import subprocess

import pytest

from runner.errors import ExitCode
from tests.support.cli import Finished, Place

pytestmark = pytest.mark.alone

NEEDED = ("engine", "init", "log drivers", "sandbox image", "source", "workspaces")
TOLD = ("users", "clock", "restarts", "limits", "engine's disk", "reclaimable", "subnets", "access", "walls", "rights")


def verdicts(finished: Finished) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in json.loads(finished.out)["checks"]}


def test_a_machine_that_runs_these_tests_is_fit_and_nothing_is_left_on_it(place: Place) -> None:
    finished = place.run("doctor", "--output", "json")

    found = verdicts(finished)
    assert (finished.code, finished.err) == (ExitCode.SUCCESS, "")
    assert {name: found[name] for name in NEEDED} == dict.fromkeys(NEEDED, "ok")
    assert set(TOLD) <= found.keys()
    assert "bad" not in found.values()
    assert place.objects() == []
    assert list((place.state / "instances").iterdir()) == []


def test_leftovers_are_told_and_stay_until_they_are_cleaned(place: Place) -> None:
    owner = {"kind": "exec", "owner": str(os.getuid()), "host": socket.gethostname(), "run": "0badcafe"}
    labels = {**owner, "lock": f"{place.state}/instances/0.lock"}
    options = [option for name, value in labels.items() for option in ("--label", f"io.runner.{name}={value}")]
    subprocess.run(["docker", "volume", "create", *options], check=True, stdout=subprocess.DEVNULL)
    seen = place.run("doctor")
    left = place.objects()
    cleaned = place.run("clean")

    assert "note leftovers: " in seen.out
    assert "`runner clean` removes them" in seen.out
    assert len(left) == 1
    assert cleaned.code == ExitCode.SUCCESS
    assert place.objects() == []


def test_without_an_engine_it_says_what_it_can(place: Place) -> None:
    finished = place.run("doctor", env={"DOCKER_HOST": f"unix://{place.state}/none.sock"})

    lines = finished.out.splitlines()
    assert (finished.code, finished.err) == (ExitCode.INFRASTRUCTURE, "")
    assert [line.split(":")[0] for line in lines if line.startswith("BAD")] == ["BAD  engine"]
    assert any(line.startswith("ok   state's disk: ") for line in lines)
