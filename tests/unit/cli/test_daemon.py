import sys
from pathlib import Path

import pytest

import runner.daemon
from runner.cli import app
from runner.settings import DaemonSettings, Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Settings, DaemonSettings, str | None]]:
    """Return what the daemon was called with, which is not there."""
    calls: list[tuple[Settings, DaemonSettings, str | None]] = []

    def serve(settings: Settings, daemon: DaemonSettings, *, listen: str | None) -> int:
        calls.append((settings, daemon, listen))
        return 7

    monkeypatch.setattr(runner.daemon, "serve", serve)
    monkeypatch.setenv("RUNNER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RUNNER_GRACE", "3")
    return calls


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["runner", "daemon", *arguments])
    return app.run()


def test_the_daemon_is_that_of_the_settings(
    served: list[tuple[Settings, DaemonSettings, str | None]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _call(monkeypatch) == 7

    ((settings, daemon, listen),) = served
    assert (settings.grace, daemon.data, listen) == (3.0, tmp_path, None)


def test_it_can_listen_on_tcp(
    served: list[tuple[Settings, DaemonSettings, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _call(monkeypatch, "--listen", "127.0.0.1:8080") == 7

    assert served[0][2] == "127.0.0.1:8080"


def test_a_setting_that_means_nothing_is_bad_usage(
    served: list[tuple[Settings, DaemonSettings, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_QUEUES", "default")

    assert _call(monkeypatch) == 2
    assert served == []
