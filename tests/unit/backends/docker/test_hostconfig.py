"""What containers are created from."""

from dataclasses import replace
from typing import Any

import pytest
from docker.types import Mount

from runner.backends.docker import gate
from runner.backends.docker.hostconfig import (
    Joined,
    Own,
    Placement,
    Terms,
    behind_gate,
    config,
    gated,
    mark,
    variables,
    with_path,
)
from runner.engine.specs import StepSpec
from runner.naming import ORIGINS, Address, Instance, cache_labels, cache_volume, container, labels
from runner.plan.model import Bind, Cache, Limits, Ulimit
from runner.settings import DockerSettings

INSTANCE = Instance(id="i1", kind="exec", host="h", owner="o")
TERMS = Terms(instance=INSTANCE, settings=DockerSettings(), version="1.41")
DAEMONS = replace(TERMS, settings=DockerSettings().of_daemon())
SPEC = StepSpec(address=Address("r1", "stage", "step"), image="alpine", commands=("true",))
PLACEMENT = Placement(
    image="sha256:abc",
    network=Joined(container="box"),
    role="step",
    workdir="/vela/src",
    marks="/run/runner/released",
    scripts="/run/runner/scripts",
    mounts=(Mount("/vela", "ws", type="volume", no_copy=True),),
    has_shell=lambda _: True,
)


def made(spec: StepSpec = SPEC, placement: Placement = PLACEMENT, **environment: str) -> dict[str, Any]:
    return dict(config(spec, placement, environment, TERMS))


def test_a_gated_container_holds_the_gate_and_an_input_that_closes_with_its_client() -> None:
    found = made()

    assert found["Entrypoint"] == gate.entrypoint(mark(SPEC, PLACEMENT))
    assert found["Entrypoint"][-1] == f"/run/runner/released/{container(SPEC.address)}"
    assert found["Cmd"] == []
    assert (found["OpenStdin"], found["StdinOnce"], found["AttachStdin"]) == (True, True, True)
    assert found["Image"] == "sha256:abc"


def test_a_step_without_commands_keeps_its_images_entrypoint_and_has_no_input() -> None:
    spec = replace(SPEC, commands=())
    found = made(spec)

    assert not gated(spec)
    assert mark(spec, PLACEMENT) == ""
    assert found["Entrypoint"] is None
    assert (found["OpenStdin"], found["StdinOnce"], found["AttachStdin"]) == (False, False, False)


def test_a_script_stands_behind_a_gate_that_becomes_the_file_it_lies_in() -> None:
    spec = replace(SPEC, commands=(), script="#!/bin/cat\n")
    found = made(spec)

    assert found["Entrypoint"] == gate.entrypoint(mark(spec, PLACEMENT))
    assert found["OpenStdin"] is True
    assert behind_gate(spec, PLACEMENT).endswith(f"\nexec '/run/runner/scripts/{container(SPEC.address)}'")
    assert behind_gate(SPEC, PLACEMENT) == gate.script(("true",))


def test_an_entrypoint_of_the_step_replaces_that_of_the_image() -> None:
    assert made(replace(SPEC, commands=(), entrypoint=("/a", "b c")))["Entrypoint"] == ["/a", "b c"]


def test_commands_go_before_an_entrypoint() -> None:
    assert made(replace(SPEC, entrypoint=("/a",)))["Entrypoint"][0] == gate.SHELL


@pytest.mark.parametrize("commands", [(), ("true",)])
def test_every_container_has_init_that_signals_the_whole_group(commands: tuple[str, ...]) -> None:
    found = made(replace(SPEC, commands=commands), A="1")

    assert found["HostConfig"]["Init"] is True
    assert sorted(found["Env"]) == ["A=1", "TINI_KILL_PROCESS_GROUP=1"]


def test_a_gated_container_shows_nothing_of_the_specs_environment() -> None:
    assert made(replace(SPEC, environment={"A": "1"}))["Env"] == ["TINI_KILL_PROCESS_GROUP=1"]


def test_steps_begin_in_the_workspace_and_services_and_secret_plugins_where_their_image_says() -> None:
    assert made()["WorkingDir"] == "/vela/src"
    assert made(replace(SPEC, commands=()))["WorkingDir"] == "/vela/src"
    assert made(replace(SPEC, workspace=False))["WorkingDir"] is None
    assert made(replace(SPEC, address=replace(SPEC.address, stage=ORIGINS)))["WorkingDir"] is None


def test_the_user_is_the_specs_or_the_images() -> None:
    assert made(replace(SPEC, user="1000:1000"))["User"] == "1000:1000"
    assert made()["User"] is None


def test_labels_tell_whose_it_is_and_which_attempt() -> None:
    assert made()["Labels"] == labels(INSTANCE, SPEC.address, "step")


def test_a_joined_container_has_the_network_of_another_and_no_name_there() -> None:
    found = made()

    assert found["HostConfig"]["NetworkMode"] == "container:box"
    assert found["NetworkingConfig"] is None


def test_a_container_of_its_own_has_its_alias_on_the_network() -> None:
    found = made(placement=replace(PLACEMENT, network=Own(network="runner-r1", alias="db")))

    assert found["HostConfig"]["NetworkMode"] == "runner-r1"
    assert found["NetworkingConfig"] == {"EndpointsConfig": {"runner-r1": {"Aliases": ["db"]}}}


@pytest.mark.parametrize("driver", ["none", "json-file"])
def test_the_log_driver_is_that_of_the_settings_and_nothing_is_rotated_away(driver: str) -> None:
    found = config(SPEC, PLACEMENT, {}, replace(TERMS, settings=DockerSettings(log_driver=driver)))

    assert dict(found["HostConfig"]["LogConfig"]) == {"Type": driver, "Config": {}}


def test_exec_takes_the_engines_defaults() -> None:
    host = made()["HostConfig"]

    assert [host.get(key) for key in ("CapDrop", "SecurityOpt", "PidsLimit")] == [None, None, None]


def test_the_steps_of_a_daemon_are_confined_and_their_logs_are_bounded() -> None:
    host = dict(config(SPEC, PLACEMENT, {}, DAEMONS)["HostConfig"])

    assert (host["CapDrop"], host["SecurityOpt"]) == (["NET_RAW", "MKNOD"], ["no-new-privileges"])
    assert host["PidsLimit"] == 1024
    assert dict(host["LogConfig"]) == {"Type": "json-file", "Config": {"max-size": "67108864", "max-file": "8"}}


def test_a_limit_of_processes_of_the_step_counts_before_that_of_the_daemon() -> None:
    found = config(replace(SPEC, limits=Limits(pids=9)), PLACEMENT, {}, DAEMONS)

    assert found["HostConfig"]["PidsLimit"] == 9


def test_privileged_steps_stay_privileged_where_a_daemon_runs_them() -> None:
    host = config(replace(SPEC, privileged=True), PLACEMENT, {}, DAEMONS)["HostConfig"]

    assert host["Privileged"] is True
    assert [host.get(key) for key in ("CapDrop", "SecurityOpt", "PidsLimit")] == [None, None, None]


def test_the_log_of_another_driver_has_no_bound_of_ours() -> None:
    terms = replace(TERMS, settings=DockerSettings(log_driver="journald").of_daemon())

    assert dict(config(SPEC, PLACEMENT, {}, terms)["HostConfig"]["LogConfig"]) == {"Type": "journald", "Config": {}}


def test_mounts_are_those_of_the_placement() -> None:
    assert made()["HostConfig"]["Mounts"] == list(PLACEMENT.mounts)


@pytest.mark.parametrize(
    ("given", "seen"), [("", "/vela/src"), ("web", "/vela/src/web"), ("./a/b/", "/vela/src/a/b"), ("/opt", "/opt")]
)
def test_a_working_directory_is_absolute_or_below_that_of_the_run(given: str, seen: str) -> None:
    assert made(replace(SPEC, working_dir=given))["WorkingDir"] == seen


def test_a_service_begins_elsewhere_only_if_it_says_so() -> None:
    assert made(replace(SPEC, workspace=False, working_dir="/opt"))["WorkingDir"] == "/opt"


def test_a_step_that_asks_for_nothing_is_created_as_if_nothing_could_be_asked_for() -> None:
    assert made()["HostConfig"].keys() == {"Init", "NetworkMode", "Mounts", "LogConfig"}


def test_limits_are_in_the_engines_units_and_swap_is_no_way_around_them() -> None:
    host = made(replace(SPEC, limits=Limits(cpus=1.1, memory=64 << 20, pids=100)))["HostConfig"]

    assert (host["NanoCpus"], host["PidsLimit"]) == (1_100_000_000, 100)
    assert host["Memory"] == host["MemorySwap"] == 64 << 20


@pytest.mark.parametrize(
    ("limits", "name"),
    [(Limits(cpus=2), "NanoCpus"), (Limits(memory=1 << 30), "Memory"), (Limits(pids=1), "PidsLimit")],
)
def test_a_limit_stands_alone(limits: Limits, name: str) -> None:
    asked = made(replace(SPEC, limits=limits))["HostConfig"].keys() & {"NanoCpus", "Memory", "PidsLimit"}

    assert asked == {name}


def test_ulimits_are_handed_on() -> None:
    limits = (Ulimit(name="nofile", soft=1, hard=2), Ulimit(name="core", soft=-1, hard=-1))

    assert made(replace(SPEC, ulimits=limits))["HostConfig"]["Ulimits"] == [
        {"Name": "nofile", "Soft": 1, "Hard": 2},
        {"Name": "core", "Soft": -1, "Hard": -1},
    ]


def test_a_step_is_privileged_if_it_says_so() -> None:
    assert made(replace(SPEC, privileged=True))["HostConfig"]["Privileged"] is True


def test_a_path_of_the_host_is_a_mount_which_the_engine_does_not_make() -> None:
    volumes = (Bind(source="/a:b", target="/c"), Bind(source="/d", target="/e", read_only=False))
    host = made(replace(SPEC, volumes=volumes))["HostConfig"]

    assert "Binds" not in host
    assert [(mount["Type"], mount["Source"], mount["Target"], mount["ReadOnly"]) for mount in host["Mounts"][1:]] == [
        ("bind", "/a:b", "/c", True),
        ("bind", "/d", "/e", False),
    ]


def test_a_cache_is_a_volume_by_its_name_and_is_labelled_as_the_engine_makes_it() -> None:
    spec = replace(SPEC, caches=(Cache(key="npm", path="node_modules"), Cache(key="go", path="/go")))
    mounts = made(spec)["HostConfig"]["Mounts"][1:]

    assert [mount["Target"] for mount in mounts] == ["/vela/src/node_modules", "/go"]
    assert mounts[1]["Source"] == cache_volume(INSTANCE, "go", "/go")
    assert mounts[1]["VolumeOptions"] == {"NoCopy": True, "Labels": cache_labels(INSTANCE, "go", "/go")}


def test_defaults_count_where_neither_the_image_nor_the_step_sets_them() -> None:
    spec = replace(SPEC, defaults={"A": "d", "B": "d", "C": "d", "D": "d"}, environment={"B": "s", "E": "s"})
    placement = replace(PLACEMENT, image_environment={"C": "i"})

    assert variables(spec, placement, {"D": "t"}) == {"A": "d", "B": "s", "D": "t", "E": "s"}


@pytest.mark.parametrize(
    ("own", "image", "expected"),
    [
        ({}, {"PATH": "/image"}, "/opt/runner/bin:/image"),
        ({"PATH": "/step"}, {"PATH": "/image"}, "/opt/runner/bin:/step"),
        ({}, {}, f"/opt/runner/bin:{gate.ENGINE_PATH}"),
        ({"PATH": ""}, {"PATH": "/image"}, f"/opt/runner/bin:{gate.ENGINE_PATH}"),
    ],
)
def test_a_step_without_a_gate_finds_the_commands_of_steps_first(
    own: dict[str, str], image: dict[str, str], expected: str
) -> None:
    placement = replace(PLACEMENT, image_environment=image)

    assert with_path(SPEC, placement, {"A": "1", **own}) == {"A": "1", "PATH": expected}


def test_the_path_of_a_service_is_its_own() -> None:
    placement = replace(PLACEMENT, image_environment={"PATH": "/image"})

    assert with_path(replace(SPEC, workspace=False), placement, {"A": "1"}) == {"A": "1"}
