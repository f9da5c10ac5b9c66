from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from docker.types import Mount

from runner.backends.docker import mounts
from runner.engine.specs import RunSpec, StepSpec
from runner.naming import Address, Instance, of_attempt, shim_volume
from runner.pipelinectl import bundle
from runner.plan.model import Bind, Cache

ME = Instance(id="i1", kind="exec", host="h", owner="o")
RUN = RunSpec(id="0badcafe", home="/vela", workdir="/vela/src")
FULL = replace(RUN, outputs="/vela/outputs", config={PurePosixPath("a"): b"1"})
STEP = StepSpec(address=Address(RUN.id, "s", "a"), image="alpine", commands=("true",))
SHIM = shim_volume(ME, bundle.digest())


def seen(found: tuple[Mount, ...]) -> dict[str, tuple[str, bool]]:
    return {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in found}


def test_a_step_sees_values_and_secrets_to_write_and_commands_and_configuration_to_read() -> None:
    assert seen(mounts.of_step(ME, FULL, STEP)) == {
        "/run/runner": ("r0badcafev", False),
        "/run/runner-secrets": ("r0badcafek", False),
        "/opt/runner": (SHIM, True),
        "/config": ("r0badcafep", True),
        "/vela/outputs": ("r0badcafeo", False),
    }


def test_a_sandbox_sees_the_same_volumes_and_may_fill_them() -> None:
    assert seen(mounts.of_sandbox(ME, FULL.id)) == {
        "/run/runner": ("r0badcafev", False),
        "/run/runner-secrets": ("r0badcafek", False),
        "/opt/runner": (SHIM, False),
        "/config": ("r0badcafep", False),
        "/run/outputs": ("r0badcafeo", False),
    }


def test_without_configuration_and_outputs_a_step_sees_no_volume_for_them() -> None:
    assert set(seen(mounts.of_step(ME, RUN, STEP))) == {"/run/runner", "/run/runner-secrets", "/opt/runner"}


def test_a_service_sees_nothing_of_what_steps_hand_on() -> None:
    assert mounts.of_step(ME, FULL, replace(STEP, workspace=False, commands=())) == ()


@pytest.mark.parametrize(
    "own",
    [
        replace(STEP, volumes=(Bind(source="/etc/app", target="/config/", read_only=True),)),
        replace(STEP, volumes=(Bind(source="/etc/app", target="//config/extra"),)),
        replace(STEP, caches=(Cache(key="a", path="/config"),)),
    ],
)
def test_what_a_step_mounts_at_the_place_of_the_configuration_is_what_it_sees(own: StepSpec) -> None:
    assert "/config" not in seen(mounts.of_step(ME, FULL, own))


@pytest.mark.parametrize("step", [replace(STEP, own_config=True), replace(STEP, own_config=True, user="1000")])
def test_a_configuration_of_its_own_is_seen_in_place_of_the_runs_and_is_memory(step: StepSpec) -> None:
    [mount] = [mount for mount in mounts.of_step(ME, FULL, step) if mount["Target"] == "/config"]
    options = mount["VolumeOptions"]

    assert (mount["Source"], mount["ReadOnly"]) == (of_attempt(step.address, "p"), False)
    assert ("tmpfs" in str(options["DriverConfig"]), "mode=0755" in str(options["DriverConfig"])) == (True, True)
    assert (options["Labels"]["io.runner.run"], options["Labels"]["io.runner.step"]) == (RUN.id, "a")
    other = mounts.of_step(ME, FULL, replace(step, address=replace(step.address, attempt=2)))
    assert mount["Source"] not in {each["Source"] for each in other}


def test_a_configuration_of_its_own_needs_none_of_the_run_and_gives_way_to_what_the_step_mounts() -> None:
    own = replace(STEP, own_config=True)
    assert "/config" in seen(mounts.of_step(ME, RUN, own))

    hidden = replace(own, caches=(Cache(key="a", path="/config"),))
    assert "/config" not in seen(mounts.of_step(ME, FULL, hidden))


def test_a_script_needs_the_values_as_commands_do() -> None:
    service = replace(STEP, workspace=False, commands=(), script="true")

    assert seen(mounts.of_step(ME, FULL, service)) == {"/run/runner": ("r0badcafev", False)}


def test_secrets_and_configuration_are_memory_and_all_is_found_again_by_label() -> None:
    options = {mount["Target"]: mount["VolumeOptions"] for mount in mounts.of_sandbox(ME, FULL.id)}
    memory = {target for target, each in options.items() if "tmpfs" in str(each.get("DriverConfig"))}

    assert memory == {"/run/runner-secrets", "/config"}
    assert "mode=0777" in str(options["/run/runner-secrets"])
    assert "mode=0700" in str(options["/config"])
    assert all(each["NoCopy"] for each in options.values())
    runs = {target: each["Labels"].get("io.runner.run") for target, each in options.items()}
    assert runs == dict.fromkeys(options, "0badcafe") | {"/opt/runner": None}
