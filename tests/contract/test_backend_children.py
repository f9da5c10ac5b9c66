"""The contract of ``runner.engine.backend``, as far as async stages and scripts need it, against every backend."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from runner.engine.backend import Ending, Phase
from runner.engine.specs import Placed, Release, RunSpec, Source, StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address, new_run_id
from runner.pipelinectl.payload import Payload, read_request
from runner.plan.model import Step
from tests.support.backends import PLACES, Bench, Listener, Place
from tests.support.plans import IMAGE

HANDING_ON = {
    "FAKE_SET_ENV": "kept=1",
    "FAKE_EXPORT_ENV": "kept:unset",
    "FAKE_SAVE_REPO": "app url=u commit=c",
    "FAKE_SAVE_ARTIFACT": "image name=n",
    "FAKE_TRIGGER": "check",
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param]() as found:
        yield found


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    """Return a bench whose run declares the async stages ``check`` and ``scan``."""
    declared = {"y.check": b"", "y.scan": b""}
    found = Bench(place, RunSpec(id=new_run_id(), home="/w", workdir="/w/app", values=declared))
    yield found
    found.close()
    assert place.left(found.run.id) == ()


def _triggering(name: str, *stages: str) -> Step:
    commands = tuple(f"trigger-task {stage}" for stage in stages)
    return Step(name=name, image=IMAGE, commands=commands, environment={"FAKE_TRIGGER": ":".join(stages)})


def _stages(bench: Bench, *, anew: bool = False) -> list[str]:
    return sorted(name.partition(".")[2] for name in bench.backend.requests(bench.run.id, anew=anew))


def test_what_steps_ask_for_is_told_once_and_anew_when_that_is_asked_for(bench: Bench) -> None:
    assert bench.backend.requests(bench.run.id) == {}

    assert bench.ending(*bench.released(_triggering("a", "check", "scan"))).exit_code == 0
    assert _stages(bench) == ["check", "scan"]
    assert _stages(bench) == []

    assert bench.ending(*bench.released(_triggering("b", "check"))).exit_code == 0
    assert _stages(bench) == ["check"]
    assert _stages(bench, anew=True) == ["check", "check", "scan"]
    assert _stages(bench) == []


def test_a_request_holds_what_its_stage_is_handed(bench: Bench) -> None:
    commands = (
        "set_env kept 1; export_env kept unset; save_repo app url=u commit=c; save_artifact image name=n",
        "trigger_async_stage check",
    )
    step = Step(name="a", image=IMAGE, commands=commands, environment=HANDING_ON)

    assert bench.ending(*bench.released(step)).exit_code == 0

    [(name, content)] = bench.backend.requests(bench.run.id).items()
    assert read_request(name, content).payload == Payload(
        stage="check",
        values={"kept": "1"},
        marked=("unset",),
        repositories={"app": {"url": "u", "commit": "c"}},
        artifacts={"image": {"name": "n"}},
    )


def test_requests_outlive_the_client_and_are_told_to_the_next(bench: Bench) -> None:
    assert bench.ending(*bench.released(_triggering("a", "check"))).exit_code == 0
    told = bench.backend.requests(bench.run.id)

    bench.reborn()

    assert len(told) == 1
    assert bench.backend.requests(bench.run.id) == told


def test_a_stage_that_is_not_declared_cannot_be_asked_for(bench: Bench) -> None:
    assert bench.ending(*bench.released(_triggering("a", "nope"))).exit_code == 1
    assert bench.backend.requests(bench.run.id, anew=True) == {}


def test_the_requests_of_a_run_that_is_not_open_cannot_be_reached(bench: Bench) -> None:
    with pytest.raises(InfrastructureError):
        bench.backend.requests("feedbeef")


def test_runs_do_not_see_each_others_requests(bench: Bench, place: Place) -> None:
    other = Bench(place)
    assert bench.ending(*bench.released(_triggering("a", "check"))).exit_code == 0

    assert other.backend.requests(other.run.id, anew=True) == {}
    other.close()


def _started(bench: Bench, spec: StepSpec, release: Release) -> tuple[Address, Listener]:
    listener = Listener()
    assert bench.backend.prepare(spec) is Phase.READY
    bench.backend.follow(spec.address, listener, listener.wake)
    bench.backend.release(spec.address, release)
    return spec.address, listener


def test_a_script_runs_behind_the_gate_like_commands(bench: Bench) -> None:
    environment = {"WORD": "hello", "FAKE_PRINT": "hello", "FAKE_EXIT": "3"}
    spec = StepSpec(
        address=replace(bench.stage, step="a"), image=IMAGE, script='#!/bin/sh -u\nfalse\necho "$WORD"; exit 3\n'
    )
    listener = Listener()
    assert bench.backend.prepare(spec) is Phase.READY
    bench.backend.follow(spec.address, listener, listener.wake)
    assert bench.backend.conclude(spec.address) is None

    bench.backend.release(spec.address, Release(environment=environment))

    assert bench.ending(spec.address, listener) == Ending(exit_code=3)
    assert listener.lines == ["hello"]
    assert bench.backend.prepare(spec) is Phase.UNDERWAY


def test_a_step_with_a_configuration_of_its_own_runs_and_leaves_none_of_it(bench: Bench) -> None:
    spec = StepSpec(
        address=replace(bench.stage, step="a"), image=IMAGE, script="cat /config/mode", user="1000", own_config=True
    )
    release = Release(environment={"FAKE_PRINT": "fast"}, config={PurePosixPath("mode"): b"fast\n"})

    address, listener = _started(bench, spec, release)

    assert bench.ending(address, listener) == Ending(exit_code=0)
    assert listener.lines == ["fast"]


def test_a_run_works_on_the_trees_beside_its_source(place: Place, tmp_path: Path) -> None:
    for name in ("source", "tools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(f"{name}\n")
    run = RunSpec(
        id=new_run_id(),
        home="/w",
        workdir="/w/app",
        source=Source(path=tmp_path / "source"),
        beside=(Placed(path=tmp_path / "tools", target="/w/tools"),),
    )
    bench = Bench(place, run)
    step = Step(
        name="a", image=IMAGE, commands=("cat name ../tools/name",), environment={"FAKE_PRINT": "source\ntools"}
    )

    ending = bench.ending(*(attempt := bench.released(step)))

    assert (ending.exit_code, attempt[1].lines) == (0, ["source", "tools"])
    bench.close()
    assert place.left(run.id) == ()
