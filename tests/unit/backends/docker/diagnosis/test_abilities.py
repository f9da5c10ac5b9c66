from dataclasses import replace

from runner.backends.docker.diagnosis.abilities import abilities
from runner.backends.docker.diagnosis.facts import Facts
from tests.support.diagnosed import FACTS, shown


def seen(facts: Facts, log_driver: str = "none") -> dict[str, str]:
    return shown(list(abilities(facts, log_driver)))


def test_an_engine_that_can_do_everything_is_well() -> None:
    assert seen(FACTS) == {
        "init": "ok docker-init 0.19.0",
        "limits": "ok cgroup v2: memory, swap, cpu, processes can be limited",
        "log drivers": "ok none",
    }


def test_without_an_init_program_no_step_starts() -> None:
    assert seen(replace(FACTS, init=""))["init"].startswith("bad ")


def test_podman_need_not_name_its_init_program() -> None:
    assert seen(replace(FACTS, init="", product="Podman Engine"))["init"].startswith("note ")


def test_limits_that_do_not_hold_are_a_weakness() -> None:
    some = {"memory": True, "swap": False, "cpu": True, "processes": False}

    assert seen(replace(FACTS, limits=some))["limits"] == (
        "note cgroup v2: no limit of swap, processes holds, of memory, cpu does"
    )
    assert seen(replace(FACTS, limits=dict.fromkeys(some, False)))["limits"] == (
        "note cgroup v2: no limit of memory, swap, cpu, processes holds"
    )


def test_the_log_driver_of_steps_must_be_there() -> None:
    assert seen(FACTS, "local")["log drivers"] == "ok local"
    assert seen(FACTS, "syslog")["log drivers"] == "bad the engine does not list syslog"
    assert seen(replace(FACTS, log_drivers=frozenset()), "json-file")["log drivers"] == (
        "bad the engine does not list json-file"
    )


def test_podman_takes_json_file_for_a_driver_of_its_own() -> None:
    podman = replace(FACTS, product="Podman Engine", log_drivers=frozenset({"k8s-file"}))

    assert seen(podman, "json-file")["log drivers"] == "note the engine does not list json-file"
    assert seen(podman, "syslog")["log drivers"] == "bad the engine does not list syslog"
