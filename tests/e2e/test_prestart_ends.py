"""What becomes of a step that waits at its gate when somebody else, or the end of the run, gets there first."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from runner.errors import ExitCode
from runner.plan.status import Status
from tests.support.attempts import BUSYBOX
from tests.support.cli import Place
from tests.support.offspring import a_second, say, until
from tests.support.prestart import HOLD, MODES, Gates, Mode, begun, gates_of, images, made_ready, step, write
from tests.support.standing_daemon import daemon_in

OLD, NEW, MOVED, GONE = (f"runner-test-prestart-{name}:local" for name in ("old", "new", "moved", "gone"))
DOCKERFILES = {name: f"FROM {BUSYBOX}\nENV VERSION={name.partition(':')[0]}\n" for name in (OLD, NEW, MOVED, GONE)}
STUBBORN = ("trap 'echo ignored' TERM", "echo ready; while true; do sleep 1 || true; done")
NEXT = step("next", "echo never")


@pytest.fixture(params=[pytest.param(mode, marks=pytest.mark.sampled) for mode in MODES], ids=str)
def mode(request: pytest.FixtureRequest, place: Place) -> Mode:
    found: Mode = request.param
    place.environment = {**found.environment, "RUNNER_GRACE": "1"}
    return found


@pytest.fixture
def _tags() -> Iterator[None]:
    with images(DOCKERFILES):
        yield


def each_stands(gates: Gates, mode: Mode, *stages: str) -> None:
    """Wait until the first step of each stage holds, and the next one is ready where it is made so."""
    for stage in stages:
        gates.holds(stage, "first")
        if mode.ahead:
            gates.stands(stage, "next")


@pytest.mark.usefixtures("_tags")
def test_a_step_runs_although_its_container_was_killed_or_removed_or_its_image_made_anew(
    place: Place, mode: Mode
) -> None:
    following = {stage: step("next", "echo went on") for stage in ("killed", "removed")}
    following |= {"moved": step("next", "echo $VERSION", image=MOVED), "gone": step("next", "echo never", image=GONE)}
    following["gone"]["pull"] = "never"
    write(place, **{stage: [step("first", *HOLD), behind] for stage, behind in following.items()})
    running = place.start("exec", "--output", "json", "--max-parallel", "4")

    with gates_of(begun(place)) as gates:
        each_stands(gates, mode, *following)
        if mode.ahead:
            gates.api.kill(gates.made("killed", "next"))
            gates.api.remove_container(gates.made("removed", "next"), force=True)
        subprocess.run(["docker", "tag", NEW, MOVED], check=True)
        gates.api.remove_image(GONE, force=True)
        for stage in following:
            gates.go(stage, "first")
        done = running.finish()

    assert made_ready(place) is mode.ahead
    assert done.code == ExitCode.INFRASTRUCTURE
    assert done.printed("killed/next") == done.printed("removed/next") == ["went on"]
    assert done.printed("moved/next") == [NEW.partition(":")[0]]
    assert done.statuses == {
        **{f"{stage}/{name}": "success" for stage in following for name in ("first", "next")},
        "gone/next": "error",
    }
    assert GONE in done.steps["gone/next"]["reason"]


def test_a_step_that_is_not_to_run_vanishes_without_a_trace(place: Place, mode: Mode) -> None:
    write(
        place,
        fails=[step("first", *HOLD, "exit 3"), NEXT, step("last", *HOLD, ruleset={"status": ["failure"]})],
        late=[step("first", *HOLD, timeout="5s"), NEXT],
        long={"steps": [step("first", *HOLD), NEXT], "timeout": "5s"},
    )
    running = place.start("exec", "--output", "events")

    run = begun(place)
    with gates_of(run) as gates:
        each_stands(gates, mode, "fails", "late", "long")
        gates.go("fails", "first")
        gates.stands("fails", "last")
        until(lambda: gates.made("fails", "next") == "", "the end of fails/next")
        gates.go("fails", "last")
        done = running.finish()
    shown = json.loads(place.run("show", run, "--output", "json").out)
    entered = {(event["stage"], event["status"]) for event in done.events if event.get("step") == "next"}
    reasons = {stage["name"]: stage["steps"][1]["reason"] for stage in shown["stages"]}

    assert made_ready(place) is mode.ahead
    assert done.code == ExitCode.FAILURE
    assert entered == {("fails", "skipped"), ("late", "skipped"), ("long", "cancelled")}
    assert {stage["name"]: stage["steps"][1]["status"] for stage in shown["stages"]} == dict(entered)
    assert reasons["long"] == "not started: the stage took longer than 5 s"
    assert {path.name.split("-")[1] for path in (place.runs[0] / "logs").iterdir()} == {"first", "last"}
    assert "never" not in done.out


def test_cancelling_kills_what_ignores_term_after_the_grace_and_what_waits_behind_it(place: Place, mode: Mode) -> None:
    write(place, s=[step("first", *STUBBORN), NEXT])
    running = place.start("exec", "--output", "json")
    with gates_of(begun(place)) as gates:
        each_stands(gates, mode, "s")
        running.until("s/first | ready")
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        done = running.finish()
    took = time.monotonic() - began

    assert done.code == ExitCode.TERMINATED
    assert 1.0 <= took < 6.0
    assert "ignored" in done.printed("s/first")
    assert done.statuses == {"s/first": "cancelled", "s/next": "cancelled"}
    assert [path.name.split("-1.1-")[0] for path in (place.runs[0] / "logs").glob("*.log")] == ["s-first"]
    assert place.objects() == []


def test_what_waits_when_exec_is_killed_is_gone_within_a_second(place: Place) -> None:
    stages = ("a", "b", "c", "d")
    write(place, **{stage: [step("first", *HOLD), NEXT] for stage in stages})
    running = place.start("exec", "--max-parallel", "4")
    with gates_of(begun(place)) as gates:
        for stage in stages:
            gates.holds(stage, "first")
        waiting = [gates.stands(stage, "next") for stage in stages]
        running.end()
        took = _ended(gates, waiting)
        codes = [gates.api.inspect_container(container)["State"]["ExitCode"] for container in waiting]
        held = [bool(gates.made(stage, "first", running=True)) for stage in stages]
    cleaned = place.run("clean")

    say(f"exec killed: {len(waiting)} that waited were gone after {took * 1000:.0f} ms")
    assert took < a_second()
    assert codes == [125] * len(stages)
    assert held == [True] * len(stages)
    assert cleaned.code == ExitCode.SUCCESS


def test_what_waits_when_a_daemon_is_killed_is_gone_within_a_second_and_runs_in_its_turn_under_the_next_one(
    place: Place,
) -> None:
    stages = ("a", "b", "c")
    write(place, **{stage: [step("first", *HOLD), step("next", "echo went on")] for stage in stages})
    with daemon_in(place) as daemon:
        run = daemon.submit()
        with gates_of(run) as gates:
            for stage in stages:
                gates.holds(stage, "first")
            waiting = [gates.stands(stage, "next") for stage in stages]
            daemon.kill()
            took = _ended(gates, waiting)
            daemon.start()
            for stage in stages:
                gates.go(stage, "first")
        daemon.reaches(run, Status.SUCCESS)
        logs = daemon.run("logs", run)

    say(f"daemon killed: {len(waiting)} that waited were gone after {took * 1000:.0f} ms")
    assert took < a_second()
    assert {stage: logs.printed(f"{stage}/next") for stage in stages} == {stage: ["went on"] for stage in stages}


def _ended(gates: Gates, containers: list[str]) -> float:
    """Wait until none of these containers runs; return the seconds that it took."""
    began = time.monotonic()
    left = set(containers)
    until(lambda: not left & {each["Id"] for each in gates.api.containers()}, "the end of what waited")
    return time.monotonic() - began
