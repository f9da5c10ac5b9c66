import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from runner.backends.docker.diagnosis.facts import Facts
from runner.backends.docker.diagnosis.security import security
from tests.support.diagnosed import FACTS, shown


def seen(facts: Facts) -> dict[str, str]:
    return shown(list(security(facts)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    return path


def test_a_socket_for_some_is_well(path: Path) -> None:
    path.chmod(0o660)

    assert seen(replace(FACTS, address=f"unix://{path}"))["access"] == f"ok {path} has mode 0660"


def test_a_socket_for_everybody_is_weak(path: Path) -> None:
    path.chmod(0o666)

    found = seen(replace(FACTS, address=f"unix://{path}"))["access"]

    assert found == f"note {path} has mode 0666: every user of this machine is root through it"


def test_a_socket_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    found = seen(replace(FACTS, address=f"unix://{tmp_path}/none"))["access"]

    assert found == f"note {tmp_path}/none: No such file or directory"


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:2375", "http://10.0.0.1:2375"])
def test_an_address_without_tls_is_weak(address: str) -> None:
    found = seen(replace(FACTS, address=address, encrypted=False))["access"]

    assert found.startswith(f"note {address} is neither encrypted nor guarded")


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:2376", "ssh://me@build"])
def test_an_address_with_tls_or_ssh_is_well(address: str) -> None:
    assert seen(replace(FACTS, address=address))["access"] == f"ok {address}"


@pytest.mark.parametrize(
    ("warning", "opened"),
    [
        (
            "WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n   Access to it",
            "http://0.0.0.0:2375",
        ),
        ("[DEPRECATION NOTICE]: API is accessible on https://h:1 without TLS client verification.", "https://h:1"),
    ],
)
def test_an_engine_that_also_listens_for_everybody_is_weak(warning: str, opened: str, path: Path) -> None:
    path.chmod(0o660)
    facts = replace(FACTS, address=f"unix://{path}", warnings=("WARNING: No swap limit support", warning))

    assert seen(facts)["access"].startswith(f"note the engine listens on {opened}: ")


@pytest.mark.parametrize(
    ("options", "walls"),
    [
        (("name=apparmor", "name=seccomp,profile=default"), "ok seccomp (default), apparmor"),
        (("name=seccomp,profile=builtin", "name=selinux"), "ok seccomp (builtin), selinux"),
        (("name=seccomp,profile=default",), "note seccomp (default), but neither AppArmor nor SELinux"),
        (("name=apparmor",), "note no seccomp: steps may make every system call"),
        (("name=seccomp,profile=unconfined", "name=apparmor"), "note no seccomp: steps may make every system call"),
    ],
)
def test_the_walls_around_steps_are_named(options: tuple[str, ...], walls: str) -> None:
    assert seen(replace(FACTS, security=options))["walls"] == walls


@pytest.mark.parametrize(("uid", "rights"), [(0, "note runner runs as root"), (1000, "ok runner runs as user 1000")])
def test_running_as_root_is_weak(uid: int, rights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)

    assert seen(FACTS)["rights"] == rights
