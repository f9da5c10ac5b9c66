import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.backends.docker.diagnosis.check import Verdict
from runner.backends.docker.diagnosis.logins import context, logins
from tests.support.diagnosed import shown

LOGIN = {"auth": b64encode(b"me:hunter2").decode()}
Configure = Callable[[object], Path]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Write Docker's config file, for its owner only, and return its path; no credential helper is on PATH."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)

    def write(config: object) -> Path:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    return write


def seen() -> dict[str, str]:
    return shown(list(logins()))


def test_without_a_config_file_images_are_pulled_without_credentials(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert seen() == {"logins": "ok none: Docker has no config.json, so images are pulled without credentials"}


def test_registries_are_named_and_nothing_else_of_them(configure: Configure) -> None:
    path = configure({"auths": {"b.example.org": LOGIN, "https://index.docker.io/v1/": LOGIN, "localhost": {}}})

    assert seen() == {"logins": f"ok {path} knows b.example.org, https://index.docker.io/v1/, localhost"}


@pytest.mark.parametrize("config", [{}, {"proxies": {"default": {}}}, {"currentContext": "x"}, {"auths": {}}])
def test_a_config_file_without_logins_knows_no_registry(config: object, configure: Configure) -> None:
    path = configure(config)

    assert seen() == {"logins": f"ok {path} knows no registry"}


def test_a_credential_helper_that_is_missing_is_a_fall_back(configure: Configure) -> None:
    path = configure({"credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud"}})

    assert seen() == {
        "logins": f"note {path} names docker-credential-gcloud (for gcr.io), docker-credential-desktop"
        " (for all registries), which is not on PATH"
    }


def test_a_credential_helper_that_is_there_is_named(configure: Configure, tmp_path: Path) -> None:
    path = configure({"credHelpers": {"a.org": "test", "b.org": "test"}})
    helper = tmp_path / "docker-credential-test"
    helper.touch(mode=0o755)

    assert seen() == {"logins": f"ok {path} knows a.org, b.org, with docker-credential-test"}


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o640, True), (0o604, True), (0o200 | 0o400, False)])
def test_passwords_that_others_can_read_are_a_weakness(mode: int, told: bool, configure: Configure) -> None:  # noqa: FBT001 - a case
    path = configure({"auths": {"a.org": LOGIN}})
    path.chmod(mode)

    found = seen().get("stored logins")

    assert found == (f"note others can read {path}, which holds the password for a.org" if told else None)


def test_a_file_that_others_can_read_without_passwords_is_well(configure: Configure) -> None:
    configure({"auths": {"a.org": {}}}).chmod(0o644)

    assert "stored logins" not in seen()


@pytest.mark.parametrize(
    "config",
    [["hunter2"], {"auths": {"a.org": "hunter2"}}, {"auths": {"a.org": {"auth": "%%%"}}}, {"credHelpers": ["hunter2"]}],
)
def test_a_config_file_that_makes_no_sense_is_bad_and_not_quoted(config: object, configure: Configure) -> None:
    path = configure(config)

    (check,) = logins()

    assert check.verdict is Verdict.BAD
    assert check.found.startswith(f"{path} makes no sense (")
    assert "hunter2" not in check.found + check.advice


def test_a_context_that_only_docker_follows_is_told(configure: Configure) -> None:
    configure({"currentContext": "desktop-linux"})

    (check,) = context()

    assert check.found == "the docker command uses its context desktop-linux, runner does not"
    assert "`docker context inspect desktop-linux`" in check.advice


def test_the_context_of_the_environment_goes_first(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure({"currentContext": "default"})
    monkeypatch.setenv("DOCKER_CONTEXT", "far")

    assert "context far," in next(context()).found


@pytest.mark.parametrize("config", [{}, {"currentContext": "default"}, {"currentContext": ""}, ["x"]])
def test_without_a_context_nothing_is_told(config: object, configure: Configure) -> None:
    configure(config)

    assert list(context()) == []


def test_docker_host_goes_before_every_context(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure({"currentContext": "desktop-linux"})
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")

    assert list(context()) == []
