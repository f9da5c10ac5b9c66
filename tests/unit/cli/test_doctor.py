import shutil
import sys
from pathlib import Path

import pytest

from runner.backends.docker.diagnosis import Check
from runner.cli import app, doctor

WELL = Check(name="engine", well=True, found="1.2.3", advice="not shown")
ILL = Check(name="init", well=False, found="none", advice="install it")


def _run(monkeypatch: pytest.MonkeyPatch, state: Path, *checks: Check) -> int:
    monkeypatch.setenv("RUNNER_STATE_DIR", str(state))
    monkeypatch.setattr(doctor, "diagnose", lambda *_: iter(checks))
    monkeypatch.setattr(sys, "argv", ["runner", "doctor"])
    return app.run()


def _free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))


def test_a_fit_machine_is_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _free(monkeypatch, 3 * 1024**3)

    assert _run(monkeypatch, tmp_path / "not" / "yet", WELL) == 0

    assert capsys.readouterr().out.splitlines() == [
        "ok   engine: 1.2.3",
        f"ok   disk: 3.0 GiB free at {tmp_path}",
        "ok   subnets: 10.213.0.0/16: room for 256 runs at a time",
    ]


def test_what_is_missing_is_told_with_what_to_do_about_it_and_is_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _free(monkeypatch, 3 * 1024**3)

    assert _run(monkeypatch, tmp_path, WELL, ILL) == 3

    assert "BAD  init: none\n     install it\n" in capsys.readouterr().out


def test_a_disk_that_is_nearly_full_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _free(monkeypatch, 1024**3)

    assert _run(monkeypatch, tmp_path, WELL) == 3

    assert "BAD  disk: 1.0 GiB free" in capsys.readouterr().out
