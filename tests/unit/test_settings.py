from ipaddress import IPv4Network
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.settings import DockerSettings, GitSettings, Settings

NAMES = ("RUNNER_SANDBOX_IMAGE", "RUNNER_SUBNETS", "RUNNER_LOG_DRIVER", "RUNNER_PULL_TIMEOUT", "RUNNER_PULL_STALL")


def test_without_variables_the_defaults_hold() -> None:
    assert Settings.read({"HOME": "/home/ada"}) == Settings(state=Path("/home/ada/.local/state/runner"))


@pytest.mark.parametrize(
    ("variables", "state"),
    [
        ({"RUNNER_STATE_DIR": "/a", "XDG_STATE_HOME": "/b"}, "/a"),
        ({"XDG_STATE_HOME": "/b"}, "/b/runner"),
        ({"XDG_STATE_HOME": "", "RUNNER_STATE_DIR": ""}, "/home/ada/.local/state/runner"),
    ],
)
def test_the_state_directory_is_where_the_nearest_variable_says(variables: dict[str, str], state: str) -> None:
    assert Settings.read({"HOME": "/home/ada", **variables}).state == Path(state)


def test_without_a_home_there_is_a_state_directory_all_the_same() -> None:
    assert Settings.read({}).state == Path("/.local/state/runner")


def test_every_setting_has_a_variable() -> None:
    values = ("image:2", "10.1.0.0/20", "json-file", "60", "1.5")

    found = Settings.read({**dict(zip(NAMES, values, strict=True)), "RUNNER_GRACE": "0", "RUNNER_PRESTART": "false"})

    assert (found.grace, found.prestart) == (0.0, False)
    assert found.docker == DockerSettings(
        sandbox_image="image:2",
        subnets=IPv4Network("10.1.0.0/20"),
        log_driver="json-file",
        pull_total=60.0,
        pull_stall=1.5,
    )


@pytest.mark.parametrize("name", [*NAMES, "RUNNER_GRACE", "RUNNER_PRESTART"])
def test_an_empty_variable_is_as_good_as_none(name: str) -> None:
    assert Settings.read({name: ""}) == Settings.read({})


@pytest.mark.parametrize("name", ["RUNNER_GRACE", "RUNNER_PULL_TIMEOUT", "RUNNER_PULL_STALL"])
@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan", "10s"])
def test_a_time_that_is_none_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}={text}: not a number of seconds$"):
        Settings.read({name: text})


@pytest.mark.parametrize(("text", "holds"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_switch_is_true_or_false_also_as_a_digit(text: str, holds: bool) -> None:  # noqa: FBT001 - a case of it
    assert Settings.read({"RUNNER_PRESTART": text}).prestart is holds


@pytest.mark.parametrize("text", ["off", "False", "2", " true"])
def test_a_switch_that_is_neither_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UsageError, match=f"^RUNNER_PRESTART={text}: neither true nor false$") as caught:
        Settings.read({"RUNNER_PRESTART": text})

    assert caught.value.hint == "write true or false"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "fd00::/64", "10.0.0.0/33"])
def test_a_range_that_is_none_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UsageError, match=f"^RUNNER_SUBNETS={text}: ") as caught:
        Settings.read({"RUNNER_SUBNETS": text})

    assert caught.value.hint == "for example 10.213.0.0/16"


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ()), ("a", ("a",)), ("a:1 b,c", ("a:1", "b", "c")), (" a ,, b\n", ("a", "b"))],
)
def test_grants_are_separated_by_spaces_or_commas(text: str, words: tuple[str, ...]) -> None:
    found = Settings.read({"RUNNER_PRIVILEGED_IMAGES": text, "RUNNER_VOLUMES": text})

    assert (found.privileged_images, found.volumes) == (words, words)


def test_every_setting_of_git_has_a_variable() -> None:
    found = Settings.read(
        {
            "RUNNER_GIT_PROTOCOLS": "https,file",
            "RUNNER_GIT_TIMEOUT": "60",
            "RUNNER_GIT_STALL": "1.5",
            "RUNNER_GIT_CREDENTIALS": "/c",
            "RUNNER_GIT_KEY": "/k",
            "RUNNER_GIT_KNOWN_HOSTS": "/h",
        }
    )

    assert found.git == GitSettings(
        protocols=("https", "file"),
        total=60.0,
        stall=1.5,
        credentials=Path("/c"),
        key=Path("/k"),
        known_hosts=Path("/h"),
    )


def test_without_settings_git_reaches_for_other_machines_only() -> None:
    assert Settings.read({"RUNNER_GIT_PROTOCOLS": "", "RUNNER_GIT_KEY": ""}).git == GitSettings()
    assert GitSettings().protocols == ("https", "ssh")


@pytest.mark.parametrize("text", ["ext", "https ext", "git", "HTTPS"])
def test_a_protocol_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"RUNNER_GIT_PROTOCOLS: {text.rsplit(maxsplit=1)[-1]} is not a protocol"):
        Settings.read({"RUNNER_GIT_PROTOCOLS": text})


def test_a_daemon_confines_its_steps_keeps_their_logs_and_waits_for_engines() -> None:
    plain, told = DockerSettings(), Settings.read({"RUNNER_ENGINE_GRACE": "7", "RUNNER_LOG_DRIVER": "journald"}).docker

    assert (plain.confined, plain.log_driver, plain.engine_grace) == (False, "none", 0.0)
    found = [(of.confined, of.log_driver, of.engine_grace) for of in (plain.of_daemon(), told.of_daemon())]
    assert found == [(True, "json-file", 60.0), (True, "journald", 7.0)]
