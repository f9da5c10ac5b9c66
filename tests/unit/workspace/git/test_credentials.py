import os
import shlex
import subprocess
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.settings import GitSettings
from runner.workspace.git.credentials import Credentials, Login
from runner.workspace.git.locations import Location, locate

SECRET = "hunter2token"
ALL = ("https", "ssh", "http", "file")


def _location(address: str) -> Location:
    return locate(address, ALL)


def _read(tmp_path: Path, text: str) -> Credentials:
    path = tmp_path / "credentials"
    path.write_text(text, encoding="utf-8")
    return Credentials.read(GitSettings(credentials=path))


def test_without_settings_there_are_no_credentials() -> None:
    assert Credentials.read(GitSettings()) == Credentials()


def test_a_file_of_logins_is_read_as_git_keeps_it(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        f"# a comment\n\nhttps://ada:{SECRET}@example.org\nhttps://bob:p%40w@example.org:8443/\n"
        "https://first:x@twice.org\nhttps://second:y@twice.org\nhttp://ada:x@plain.org/some/path\n",
    )

    assert found.logins == {
        "https://example.org": Login(user="ada", password=SECRET),
        "https://example.org:8443": Login(user="bob", password="p@w"),
        "https://twice.org": Login(user="first", password="x"),
        "http://plain.org": Login(user="ada", password="x"),
    }
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "line",
    [f"{SECRET}", f"ssh://{SECRET}@h", f"https://{SECRET}", f"https://a:{SECRET}%0Ahost=evil@h", f"ftp://a:{SECRET}@h"],
)
def test_a_line_that_is_no_login_is_named_and_not_shown(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"credentials:2: this is not a login$") as caught:
        _read(tmp_path, f"https://ada:x@example.org\n{line}\n")

    assert SECRET not in caught.value.explained


@pytest.mark.parametrize("name", ["credentials", "key", "known_hosts"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="missing"):
        Credentials.read(
            GitSettings(
                credentials=tmp_path / "missing" if name == "credentials" else None,
                key=tmp_path / "missing" if name == "key" else None,
                known_hosts=tmp_path / "missing" if name == "known_hosts" else None,
            )
        )


def test_bytes_that_are_no_text_are_no_logins(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(UsageError, match="it is not text"):
        Credentials.read(GitSettings(credentials=path))


def test_a_login_in_an_address_counts_more_than_that_of_the_file() -> None:
    known = Credentials(logins={"https://h": Login(user="file", password="x")})

    assert known.including(_location("https://ada:pw@h/r")).logins["https://h"] == Login(user="ada", password="pw")
    assert known.including(_location("https://other:pw@o/r")).logins["https://h"] == Login(user="file", password="x")


def test_a_user_without_a_password_does_not_hide_the_login_of_the_file() -> None:
    known = Credentials(logins={"https://h": Login(user="file", password="x")})

    assert known.including(_location("https://ada@h/r")) is known
    assert Credentials().including(_location("https://token@h/r")).logins == {"https://h": Login(user="token")}


@pytest.mark.parametrize(
    "address", ["https://other.org/r", "http://h/r", "https://h:8443/r", "ssh://git@h/r", "git@h:r", "file:///h/r"]
)
def test_a_login_goes_to_its_own_host_only(address: str) -> None:
    access = Credentials(logins={"https://h": Login(user="ada", password=SECRET)}).access(_location(address))

    assert SECRET not in str((access.environment, access.config, access.secrets))
    assert not access.config


def test_a_login_reaches_git_by_its_environment_alone() -> None:
    access = Credentials(logins={"https://h": Login(user="ada", password=SECRET)}).access(_location("https://h/r"))

    assert access.environment["RUNNER_GIT_PASSWORD"] == SECRET
    assert list(access.config) == ["credential.https://h.helper"]
    assert SECRET not in str(access.config)
    assert access.secrets == (SECRET,)
    assert SECRET not in repr(access)


def test_a_token_in_the_place_of_the_user_is_a_secret() -> None:
    assert Credentials(logins={"https://h": Login(user=SECRET)}).access(_location("https://h/r")).secrets == (SECRET,)


@pytest.mark.parametrize("password", ["x", "a b", "$(touch /tmp/x)", "%s%n\\n", "'\"`", "ü"])
def test_git_gets_a_login_as_it_is(password: str) -> None:
    access = Credentials(logins={"https://h": Login(user="a%sda", password=password)}).access(_location("https://h/r"))
    (helper,) = access.config.values()

    done = subprocess.run(
        ["sh", "-c", helper.removeprefix("!") + ' "$@"', "helper", "get"],
        env={"PATH": os.environ["PATH"], **access.environment},
        check=True,
        capture_output=True,
    )

    assert done.stdout.decode() == f"username=a%sda\npassword={password}\n"


def test_git_gets_no_login_to_store_or_erase() -> None:
    access = Credentials(logins={"https://h": Login(user="ada", password="x")}).access(_location("https://h/r"))
    (helper,) = access.config.values()

    done = subprocess.run(
        ["sh", "-c", helper.removeprefix("!") + ' "$@"', "helper", "erase"],
        env={"PATH": os.environ["PATH"], **access.environment},
        check=True,
        capture_output=True,
    )

    assert done.stdout == b""


def _ssh(credentials: Credentials, tmp_path: Path) -> list[str]:
    """Return the arguments that ssh gets."""
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor each; do printf "%s\\0" "$each"; done\n', encoding="ascii")
    fake.chmod(0o755)
    environment = credentials.access(_location("git@h:r")).environment
    done = subprocess.run(
        ["sh", "-c", environment["GIT_SSH_COMMAND"] + ' "$@"', "ssh", "git@h"],
        env={**environment, "PATH": f"{fake.parent}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
    return done.stdout.decode().split("\0")[:-1]


def test_ssh_never_asks(tmp_path: Path) -> None:
    arguments = _ssh(Credentials(), tmp_path)

    assert "-oBatchMode=yes" in arguments
    assert arguments[-1] == "git@h"
    assert not {"-i", "-oIdentitiesOnly=yes"} & set(arguments)


def test_ssh_uses_the_key_and_the_hosts_of_the_settings_and_no_others(tmp_path: Path) -> None:
    key = tmp_path / "a $(key) 100%h"
    hosts = tmp_path / "known hosts"

    arguments = _ssh(Credentials(key=key, known_hosts=hosts), tmp_path)

    assert arguments[arguments.index("-i") + 1] == str(key).replace("%", "%%")
    assert {"-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-oStrictHostKeyChecking=yes"} <= set(arguments)
    assert f'-oUserKnownHostsFile="{hosts}"' in arguments
    assert shlex.quote(str(key)) not in arguments
