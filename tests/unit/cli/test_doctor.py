"""``runner doctor`` on an engine that says what the test tells it to."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner import __version__
from runner.backends.docker.client import Engine
from runner.backends.docker.diagnosis.check import Check, bad, note, ok
from runner.backends.docker.diagnosis.checks import Subject
from runner.cli import app, fitness
from runner.errors import EngineUnavailableError
from runner.store import instances
from tests.support.local import FakeSweep, remnant
from tests.support.repositories import Repository

FINE = [ok("engine", "1.2.3 at unix:///x"), ok("init", "tini")]


class Machine:
    """A machine that is fit, but for what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.state = folder / "state"
        self.here = folder / "here"
        self.here.mkdir()
        self.checks = FINE
        self.sweep = FakeSweep()
        self.asked: list[Subject] = []
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(self.here)
        monkeypatch.setenv("RUNNER_STATE_DIR", str(self.state))
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        monkeypatch.setenv("HOME", str(folder))
        for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(fitness, "diagnose", self._diagnose)
        monkeypatch.setattr(fitness, "Sweep", self.sweep)
        room = SimpleNamespace(f_bavail=3 * 1024**2, f_frsize=1024, f_favail=0, f_files=0)
        monkeypatch.setattr(os, "statvfs", lambda _: room)

    def run(self, *arguments: str) -> int:
        """Run the command; return its exit code."""
        self._monkeypatch.setattr(sys, "argv", ["runner", "doctor", *arguments])
        return app.run()

    def _diagnose(self, subject: Subject) -> Iterator[Check]:
        self.asked.append(subject)
        return iter(self.checks)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, tmp_path)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    found = capsys.readouterr()
    assert found.err == ""
    return found.out.splitlines()


def line(capsys: pytest.CaptureFixture[str], name: str) -> str:
    (found,) = [each for each in lines(capsys) if each[5:].startswith(f"{name}: ")]
    return found


def test_a_fit_machine_is_0_and_a_line_for_each_thing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    Repository(machine.here)

    assert machine.run() == 0

    version = sys.version.split()[0]
    git_version = subprocess.check_output(["git", "version"], text=True).split()[2]
    assert lines(capsys) == [
        f"ok   runner: {__version__}, with Python {version}",
        f"ok   git: {git_version}: {machine.here} is a repository, at main",
        f"ok   state's disk: 3.0 GiB free at {machine.state}",
        "ok   logins: none: Docker has no config.json, so images are pulled without credentials",
        "ok   engine: 1.2.3 at unix:///x",
        "ok   init: tini",
        "ok   leftovers: no dead run has left anything",
    ]


def test_the_engine_is_asked_as_an_instance_that_lives_so_long(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[bool] = []

    def diagnose(subject: Subject) -> Iterator[Check]:
        assert subject.instance is not None
        alive.append(not instances.dead(subject.instance.lock))
        yield ok("source", str(subject.source))

    monkeypatch.setattr(fitness, "diagnose", diagnose)

    assert machine.run() == 0
    assert alive == [True]
    assert list((machine.state / "instances").iterdir()) == []


def test_a_weakness_has_advice_and_is_0(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.checks = [*FINE, note("walls", "none", "build some")]

    assert machine.run() == 0

    assert "note walls: none\n     build some\n" in capsys.readouterr().out


def test_what_is_bad_has_advice_and_is_3(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.checks = [bad("init", "none", "install it"), ok("limits", "all")]

    assert machine.run() == 3

    assert "BAD  init: none\n     install it\nok   limits: all\n" in capsys.readouterr().out


def test_json_is_one_document_with_all_checks(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.checks = [note("walls", "none", "build some"), bad("init", "none", "install it")]

    assert machine.run("--output", "json") == 3

    checks = json.loads(capsys.readouterr().out)["checks"]
    assert checks[-3:-1] == [
        {"name": "walls", "verdict": "note", "found": "none", "advice": "build some"},
        {"name": "init", "verdict": "bad", "found": "none", "advice": "install it"},
    ]
    assert [check["name"] for check in checks][:2] == ["runner", "git"]


def test_there_are_no_events(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.run("--output", "events") == 2

    assert "there are no events" in capsys.readouterr().err
    assert machine.asked == []


def test_a_state_directory_that_cannot_be_written_is_bad_and_the_rest_is_told(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.state.write_text("a file")

    assert machine.run() == 3

    found = lines(capsys)
    assert any(each.startswith(f"BAD  state: cannot lock {machine.state}/instances/") for each in found)
    assert "ok   engine: 1.2.3 at unix:///x" in found
    assert machine.asked[0].instance is None
    assert not any("leftovers" in each for each in found)


def test_certificates_that_are_not_there_are_bad(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(machine.here))

    assert machine.run() == 3

    assert line(capsys, "engine").startswith("BAD  engine: finding the engine: ")
    assert machine.asked == []


def test_an_engine_that_is_not_there_is_not_asked_for_leftovers(machine: Machine) -> None:
    machine.checks = [bad("engine", "not there", "start it")]

    assert machine.run() == 3
    assert machine.sweep.asked == []


def test_a_directory_without_a_repository_is_a_fall_back(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.run() == 0

    assert line(capsys, "git").endswith(f": {machine.here} is in no repository")


def test_a_repository_that_git_refuses_is_bad(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    Repository(machine.here)
    (machine.here / ".git" / "config").write_text("[nonsense")

    assert machine.run() == 3

    assert line(capsys, "git").startswith("BAD  git: ")


def test_a_machine_without_git_is_told_what_it_misses(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "git", None)

    assert machine.run() == 0

    assert line(capsys, "git") == "note git: there is no git command"


def test_a_directory_that_is_gone_is_bad_usage(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(machine.here)

    assert machine.run() == 2

    assert "this directory cannot be looked at" in capsys.readouterr().err


def test_leftovers_of_dead_runs_are_counted_and_left_alone(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with instances.live(machine.state, "exec") as keeper:
        instances.keep(keeper)
    with instances.live(machine.state, "exec") as alive:
        machine.sweep.there = [
            remnant("c", "/instances/0.lock"),
            remnant("d", "/instances/0.lock"),
            remnant("n", "/instances/0.lock", "network"),
            remnant("v", keeper.lock, "volume"),
            remnant("l", alive.lock),
        ]
        assert machine.run() == 0

    assert line(capsys, "leftovers") == (
        "note leftovers: 2 containers, 1 network, 1 volume of dead runs (1 kept on purpose)"
    )
    assert len(machine.sweep.there) == 5


def test_leftovers_that_cannot_be_listed_are_told(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.sweep.error = EngineUnavailableError("no engine answers", hint="start one")

    assert machine.run() == 0

    assert line(capsys, "leftovers") == "note leftovers: no engine answers"


def test_the_engine_of_a_diagnosis_is_one_that_is_hurried(machine: Machine) -> None:
    machine.run()

    assert isinstance(machine.asked[0].engine, Engine)
    assert type(machine.asked[0].engine) is not Engine
