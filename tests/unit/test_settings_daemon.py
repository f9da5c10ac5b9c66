from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.settings import DEFAULT_QUEUE, DaemonSettings

HOME = {"HOME": "/home/me"}


def test_without_settings_everything_is_below_the_home_of_its_user() -> None:
    settings = DaemonSettings.read(HOME)

    assert settings.data == Path("/home/me/.local/share/runner")
    assert settings.socket.parent == settings.token.parent == settings.mirrors.parent == settings.data
    assert settings.queues.keys() == {DEFAULT_QUEUE}
    assert settings == DaemonSettings(data=settings.data)


def test_each_setting_has_a_variable() -> None:
    settings = DaemonSettings.read(
        {
            "RUNNER_DATA_DIR": "/srv/runner",
            "RUNNER_DATABASE": "postgresql://db/runner",
            "RUNNER_SECRET_KEY_FILE": "/srv/key",
            "RUNNER_QUEUES": "default=4, deploy=1",
            "RUNNER_WAITING": "7",
            "RUNNER_DRAIN": "1.5",
            "RUNNER_KEEP_FAILED": "60",
            "RUNNER_KEEP_FAILED_RUNS": "2",
            "RUNNER_KEEP_FAILED_BYTES": "1000",
            "RUNNER_KEEP_RUNS": "9",
            "RUNNER_FREE_SPACE": "0",
            "RUNNER_HOSTS": "ci.example.org ci",
            "RUNNER_FOLLOWERS": "3",
            "RUNNER_SPARE_SANDBOXES": "0",
        }
    )

    assert settings == DaemonSettings(
        data=Path("/srv/runner"),
        database="postgresql://db/runner",
        key=Path("/srv/key"),
        queues={"default": 4, "deploy": 1},
        waiting=7,
        drain=1.5,
        keep_failed=60.0,
        keep_failed_runs=2,
        keep_failed_bytes=1000,
        keep_runs=9,
        free_space=0,
        hosts=("ci.example.org", "ci"),
        followers=3,
        spare_sandboxes=0,
    )


@pytest.mark.parametrize("text", ["default", "=4", "default=0", "default=-1", "default=many", "a=1 a=2"])
def test_a_queue_without_a_number_of_runs_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="RUNNER_QUEUES"):
        DaemonSettings.read({**HOME, "RUNNER_QUEUES": text})


@pytest.mark.parametrize("name", ["RUNNER_KEEP_RUNS", "RUNNER_SPARE_SANDBOXES"])
@pytest.mark.parametrize("text", ["-1", "ten", "1.5"])
def test_a_count_that_is_no_number_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=name):
        DaemonSettings.read({**HOME, name: text})


def test_one_sandbox_is_spare_unless_somebody_says_otherwise() -> None:
    assert DaemonSettings.read({**HOME, "RUNNER_SPARE_SANDBOXES": ""}).spare_sandboxes == 1
