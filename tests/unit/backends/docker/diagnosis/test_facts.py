"""What is read of an engine's answers about itself."""

import platform
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from runner.backends.docker.diagnosis.facts import Facts, ask, understood
from runner.errors import InfrastructureError
from tests.support.diagnosed import FACTS, INFO, VERSION, StoppedClock
from tests.support.stub_engine import StubEngine, answer, stub_engine


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        yield engine


def read(stub: StubEngine, **info: Any) -> Facts:  # noqa: ANN401 - fields of the engine's answer
    stub.script |= {"/version": [answer(VERSION)], "/info": [answer({**INFO, **info})]}
    engine = stub.engine()
    try:
        return ask(engine, StoppedClock())
    finally:
        engine.api.close()


def test_an_engines_answers_are_read(stub: StubEngine) -> None:
    facts = read(stub)

    assert facts == Facts(
        address=stub.address,
        encrypted=False,
        product="Docker",
        version="20.10.24",
        api=(1, 41),
        platform="linux/x86_64",
        system="Debian GNU/Linux 12 (bookworm)",
        machine="elsewhere",
        ahead=facts.ahead,
        driver="overlay2",
        root="/var/lib/docker",
        init="docker-init 0.19.0",
        live_restore=True,
        cgroup="v2",
        limits={"memory": True, "swap": False, "cpu": True, "processes": True},
        log_drivers=frozenset({"json-file", "local"}),
        security=("name=seccomp,profile=default", "name=cgroupns"),
        warnings=(),
    )
    assert facts.ahead == pytest.approx(0.936515)


def test_an_engine_that_says_next_to_nothing_is_no_error(stub: StubEngine) -> None:
    stub.script |= {"/info": [answer({})]}
    engine = stub.engine()

    facts = ask(engine, StoppedClock())
    engine.api.close()

    assert (facts.version, facts.platform, facts.cgroup, facts.ahead) == ("?", "linux/?", "v1", 0.0)
    assert not any(facts.limits.values())


@pytest.mark.parametrize(
    "info", [[], "text", {"SystemTime": "noon"}, {"SecurityOptions": 5}, {"Plugins": [5]}, {"InitCommit": "x"}, None]
)
def test_answers_of_another_shape_are_our_error(stub: StubEngine, info: object) -> None:
    stub.script |= {"/version": [answer({"ApiVersion": "1.41"})], "/info": [answer(info)]}
    engine = stub.engine()

    with pytest.raises(InfrastructureError, match=r"^what the engine says of itself makes no sense"):
        ask(engine, StoppedClock())

    engine.api.close()


def test_a_clock_behind_ours_is_a_negative_difference(stub: StubEngine) -> None:
    assert read(stub, SystemTime="2026-01-02T03:03:55Z").ahead == -10.0
    assert read(stub, SystemTime="2026-01-02T05:04:05+02:00").ahead == 0.0


@pytest.mark.parametrize(
    ("info", "init"),
    [
        ({"InitBinary": "/usr/bin/docker-init"}, "/usr/bin/docker-init 0.19.0"),
        ({"InitBinary": "other", "InitCommit": {"ID": "abc"}}, "other"),
        ({"InitBinary": "other", "InitCommit": {"ID": "N/A"}}, ""),
        ({"InitBinary": "", "InitCommit": None}, ""),
    ],
)
def test_an_init_program_counts_only_if_the_engine_could_run_it(
    stub: StubEngine, info: dict[str, Any], init: str
) -> None:
    assert read(stub, **info).init == init


def test_podman_is_known_by_its_components(stub: StubEngine) -> None:
    components = [{"Name": "Podman Engine", "Version": "4.9.3"}, {"Name": "Conmon", "Version": "2.1"}]
    stub.script |= {"/info": [answer(INFO)], "/version": [answer({**VERSION, "Components": components})]}
    engine = stub.engine()

    assert ask(engine, StoppedClock()).podman
    assert not FACTS.podman

    engine.api.close()


def test_only_an_engine_behind_a_socket_of_this_machine_is_near() -> None:
    here = replace(FACTS, machine=platform.node())

    assert here.near
    assert not replace(here, machine="elsewhere").near
    assert not replace(here, address="tcp://127.0.0.1:2375").near
    assert not replace(here, system="Docker Desktop").near


def test_a_security_option_is_found_by_its_whole_name() -> None:
    facts = replace(FACTS, security=("name=seccomp,profile=builtin", "name=userns"))

    assert facts.secured("seccomp") == "name=seccomp,profile=builtin"
    assert facts.secured("userns") == "name=userns"
    assert facts.secured("sec") == facts.secured("user") == facts.secured("apparmor") == ""


def test_what_cannot_be_understood_has_a_next_action() -> None:
    message = r"says of its disks makes no sense \(KeyError: 'a'\)$"
    with pytest.raises(InfrastructureError, match=message) as caught, understood("its disks"):
        raise KeyError("a")

    assert caught.value.hint
