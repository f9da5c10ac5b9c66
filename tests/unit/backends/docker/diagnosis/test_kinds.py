from dataclasses import replace

import pytest

from runner.backends.docker.diagnosis.check import Verdict
from runner.backends.docker.diagnosis.facts import Facts
from runner.backends.docker.diagnosis.kinds import kinds
from tests.support.diagnosed import FACTS, shown


def seen(facts: Facts) -> dict[str, str]:
    return shown(list(kinds(facts)))


def test_a_usual_engine_is_well() -> None:
    assert seen(FACTS) == {
        "engine": "ok Docker 20.10.24 (API 1.41, linux/x86_64) at unix:///var/run/docker.sock",
        "users": "ok root in a step is root on the engine's machine, should it break out of its container",
        "clock": "ok the engine's agrees with ours",
        "restarts": "ok live-restore is off: a restart of the engine ends running steps, which are then `lost`",
    }


@pytest.mark.parametrize(
    ("api", "verdict"),
    [
        ((1, 24), Verdict.BAD),
        ((1, 29), Verdict.BAD),
        ((1, 30), Verdict.NOTE),
        ((1, 40), Verdict.NOTE),
        ((1, 41), Verdict.OK),
        ((1, 52), Verdict.OK),
        ((2, 0), Verdict.OK),
    ],
)
def test_an_engine_must_be_new_enough(api: tuple[int, ...], verdict: Verdict) -> None:
    engine = next(kinds(replace(FACTS, api=api)))

    assert (engine.name, engine.verdict) == ("engine", verdict)
    assert bool(engine.advice) is (verdict is not Verdict.OK)


def test_an_engine_for_windows_containers_is_bad() -> None:
    engine = next(kinds(replace(FACTS, platform="windows/x86_64")))

    assert engine.verdict is Verdict.BAD
    assert "no Linux containers" in engine.advice


@pytest.mark.parametrize(
    ("facts", "name", "found"),
    [
        (replace(FACTS, product="Podman Engine"), "podman", "note Podman answers"),
        (replace(FACTS, system="Docker Desktop"), "desktop", "note the engine is in the virtual machine"),
        (replace(FACTS, security=("name=rootless",)), "users", "note rootless: "),
        (replace(FACTS, security=("name=userns",)), "users", "note userns-remap: "),
        (replace(FACTS, security=("name=rootless", "name=userns")), "users", "note rootless: "),
        (replace(FACTS, live_restore=True), "restarts", "ok live-restore is on: steps outlive"),
    ],
)
def test_what_is_special_about_an_engine_is_told(facts: Facts, name: str, found: str) -> None:
    assert seen(facts)[name].startswith(found)


def test_untested_kinds_are_called_so() -> None:
    special = replace(FACTS, product="Podman Engine", system="Docker Desktop", security=("name=rootless",))

    told = {check.name: check.advice for check in kinds(special) if check.verdict is Verdict.NOTE}

    assert told.keys() == {"podman", "desktop", "users"}
    assert all("tested" in advice for advice in told.values())


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (1.9, "ok the engine's agrees with ours"),
        (-2.0, "ok the engine's agrees with ours"),
        (2.6, "note the engine's is 3 s ahead of ours"),
        (-3600.2, "note the engine's is 3600 s behind ours"),
    ],
)
def test_clocks_may_differ_by_two_seconds(ahead: float, found: str) -> None:
    assert seen(replace(FACTS, ahead=ahead))["clock"] == found
