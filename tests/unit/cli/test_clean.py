import os
import sys
from pathlib import Path

import pytest

from runner.backends.docker.sweep import Remnant
from runner.cli import app
from runner.errors import EngineUnavailableError
from runner.store import instances
from tests.support.local import FakeSweep, cache, remnant


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSweep:
    monkeypatch.setenv("RUNNER_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["runner", "clean"])
    return FakeSweep().install(monkeypatch)


def test_what_is_removed_is_told(sweep: FakeSweep, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.there = [
        remnant("c", "/instances/0.lock"),
        remnant("n", "/instances/0.lock", "network", run="aaaa"),
    ]

    assert app.run() == 0

    assert capsys.readouterr() == ("removed container c of run 0badcafe\nremoved network n of run aaaa\n", "")
    assert sweep.there == []


def test_volumes_that_were_kept_go_too(sweep: FakeSweep, tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as keeper:
        instances.keep(keeper)
    sweep.there = [remnant("v", keeper.lock, "volume")]

    assert app.run() == 0

    assert sweep.there == []


def test_what_belongs_to_a_live_run_is_not_touched(
    sweep: FakeSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instances.live(tmp_path, "exec") as alive:
        sweep.there = [remnant("c", alive.lock)]
        assert app.run() == 0

    assert len(sweep.there) == 1
    assert capsys.readouterr().out == "nothing to remove\n"


def test_what_cannot_be_removed_is_told_and_is_3(sweep: FakeSweep, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.there = [remnant("c", "/instances/0.lock"), remnant("n", "/instances/0.lock", "network")]
    sweep.stuck = {"n"}

    assert app.run() == 3

    out, err = capsys.readouterr()
    assert out == "removed container c of run 0badcafe\n"
    assert err == "cannot remove network n of run 0badcafe\n"


def test_without_an_engine_it_is_3_and_no_lock_is_left(
    sweep: FakeSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.error = EngineUnavailableError("no engine answers", hint="start one")

    assert app.run() == 3

    assert capsys.readouterr().err == "runner: no engine answers\n        start one\n"
    assert list((tmp_path / "instances").iterdir()) == []


def test_with_all_unused_caches_go_too_and_are_named_by_what_they_are_for(
    sweep: FakeSweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.there = [cache("npm"), cache("go")]
    assert app.run() == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    monkeypatch.setattr(sys, "argv", ["runner", "clean", "--all"])
    sweep.stuck = {"go"}

    assert app.run() == 3

    assert capsys.readouterr() == ("removed cache npm at /cache\n", "cannot remove cache go at /cache\n")
    assert sweep.there == [cache("go")]


def test_with_all_the_commands_of_steps_go_too_and_are_named_by_their_version(
    sweep: FakeSweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.there = [Remnant(kind="volume", name="runner-shim-x", run="", lock="", shim="0123456789ab")]
    monkeypatch.setattr(sys, "argv", ["runner", "clean", "--all"])

    assert app.run() == 0

    assert capsys.readouterr().out == "removed commands of steps, version 0123456789ab\n"


@pytest.mark.parametrize(("arguments", "left"), [([], True), (["--all"], False)])
def test_what_is_kept_of_repositories_goes_with_all_else_that_is_kept(
    sweep: FakeSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], *, left: bool
) -> None:
    (tmp_path / "mirrors" / "a" / "tip").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["runner", "clean", *arguments])

    assert app.run() == 0

    assert (tmp_path / "mirrors" / "a").exists() == left


def test_what_cannot_be_removed_of_repositories_is_told_and_is_3(
    sweep: FakeSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr("runner.workspace.git.forgetting.forget", fail)
    monkeypatch.setattr(sys, "argv", ["runner", "clean", "--all"])

    assert app.run() == 3
    assert "what is kept of repositories cannot be removed" in capsys.readouterr().err


def test_what_a_daemon_has_goes_only_when_its_directory_is_named(
    sweep: FakeSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o022)
    data = tmp_path / "data"
    with instances.daemon(data) as daemon:
        pass
    sweep.there = [remnant("c", daemon.id)]
    assert app.run() == 0
    assert len(sweep.there) == 1

    monkeypatch.setattr(sys, "argv", ["runner", "clean", "--daemon", str(data)])
    assert app.run() == 0
    with instances.daemon(data):
        assert app.run() == 3
    os.umask(before)

    out, err = capsys.readouterr()
    assert out == "nothing to remove\nremoved container c of run 0badcafe\n"
    assert f"a daemon works in {data} already" in err
