"""What Docker's config says for a registry."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.backends.docker.credentials import Credentials, find_credentials

HOST = "example.org:5000"
Configure = Callable[[object], None]


def basic(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Write Docker's config file into a directory that DOCKER_CONFIG names."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def write(config: object) -> None:
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))

    return write


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a credential helper named ``test`` on PATH that runs a script."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(script: str) -> None:
        path = tmp_path / "docker-credential-test"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


def sent(credentials: Credentials) -> object:
    return json.loads(base64.urlsafe_b64decode(credentials.headers["X-Registry-Auth"]))


def test_a_login_of_the_config_file_goes_to_its_registry(configure: Configure) -> None:
    configure({"auths": {HOST: basic("me", "pa:ss")}})

    found = find_credentials(HOST, seconds=5)

    assert sent(found) == {"username": "me", "password": "pa:ss", "email": None, "serveraddress": HOST}


def test_a_login_of_another_registry_is_not_sent(configure: Configure) -> None:
    configure({"auths": {"other.org": basic("me", "secret")}})

    assert find_credentials(HOST, seconds=5) == Credentials()
    assert Credentials().headers == {}


def test_the_hub_is_found_under_its_old_address(configure: Configure) -> None:
    configure({"auths": {"https://index.docker.io/v1/": basic("me", "secret")}})

    assert find_credentials("docker.io", seconds=5).entry["username"] == "me"


def test_a_config_file_that_changes_is_read_again(configure: Configure) -> None:
    configure({})
    before = find_credentials(HOST, seconds=5)
    configure({"auths": {HOST: basic("me", "secret")}})

    assert not before.entry
    assert find_credentials(HOST, seconds=5).entry["password"] == "secret"


def test_an_identity_token_is_sent(configure: Configure) -> None:
    configure({"auths": {HOST: {"identitytoken": "t0ken"}}})

    assert sent(find_credentials(HOST, seconds=5)) == {"IdentityToken": "t0ken"}


@pytest.mark.parametrize("config", [{"credsStore": "test"}, {"credHelpers": {HOST: "test"}}])
def test_a_credential_helper_is_asked(config: object, configure: Configure, helper: Callable[[str], None]) -> None:
    configure(config)
    helper('read host; echo "{\\"Username\\": \\"$1 $host\\", \\"Secret\\": \\"s\\"}"')

    found = find_credentials(HOST, seconds=5)

    assert found.entry["Username"] == f"get {HOST}"
    assert found.entry["Password"] == "s"


def test_a_helper_without_an_entry_leaves_the_file(configure: Configure, helper: Callable[[str], None]) -> None:
    configure({"credsStore": "test", "auths": {HOST: basic("me", "secret")}})
    helper("echo credentials not found in native keychain; exit 1")

    assert find_credentials(HOST, seconds=5).entry["username"] == "me"


@pytest.mark.parametrize(
    "script",
    ["echo hunter2; exit 1", "echo hunter2", 'echo \'{"Secret": "hunter2"}\'', "echo '[\"hunter2\"]'", "kill $$"],
)
def test_a_broken_helper_is_named_and_its_output_is_not_shown(
    script: str, configure: Configure, helper: Callable[[str], None]
) -> None:
    configure({"credsStore": "test"})
    helper(script)

    found = find_credentials(HOST, seconds=5)

    assert not found.entry
    assert "docker-credential-test" in found.trouble
    assert "hunter2" not in found.trouble


def test_a_missing_helper_is_named_without_a_warning_on_stderr(
    configure: Configure, recwarn: pytest.WarningsRecorder
) -> None:
    configure({"credsStore": "nowhere"})

    assert "docker-credential-nowhere, which is not on PATH" in find_credentials(HOST, seconds=5).trouble
    assert not recwarn.list


def test_a_helper_that_hangs_has_a_deadline(configure: Configure, helper: Callable[[str], None]) -> None:
    configure({"credsStore": "test"})
    helper("exec sleep 3")
    begun = time.monotonic()

    found = find_credentials(HOST, seconds=0.3)

    assert time.monotonic() - begun < 2
    assert "did not answer in 0.3 s" in found.trouble


@pytest.mark.parametrize(
    "config",
    [
        {"auths": {HOST: {"auth": "%%%"}}},
        {"auths": {HOST: {"auth": base64.b64encode(b"hunter2").decode()}}},
        {"auths": {HOST: "hunter2"}},
        {"auths": ["hunter2"]},
        ["hunter2"],
    ],
)
def test_a_config_file_that_makes_no_sense_is_told_and_not_quoted(config: object, configure: Configure) -> None:
    configure(config)

    found = find_credentials(HOST, seconds=5)

    assert "config.json makes no sense" in found.trouble
    assert "hunter2" not in found.trouble


def test_secrets_are_hidden_in_a_registrys_words() -> None:
    credentials = Credentials(entry={"username": "me", "password": "hunter2"})
    encoded = base64.b64encode(b"me:hunter2").decode()

    hidden = credentials.hide(f"me may not: Basic {encoded} with hunter2")

    assert hidden == "me may not: Basic *** with ***"


def test_a_helpers_secrets_are_hidden_too() -> None:
    assert Credentials(entry={"Username": "me", "Password": "pw1"}).hide("bad pw1") == "bad ***"
    assert Credentials(entry={"IdentityToken": "t0ken"}).hide("bad t0ken") == "bad ***"


def test_nothing_is_hidden_without_credentials() -> None:
    assert Credentials().hide("words of: a registry") == "words of: a registry"


def test_credentials_do_not_show_themselves() -> None:
    assert "hunter2" not in repr(Credentials(entry={"username": "me", "password": "hunter2"}))
