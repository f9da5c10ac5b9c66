import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.plan.model import Bind, Cache, PullPolicy, Rules, Ruleset, Step
from runner.plan.status import Status
from tests.support.engine import at, drive
from tests.support.hooked import DEADLINE, Call, HookedBackend
from tests.support.plans import step, steps_only


@pytest.fixture
def world() -> World:
    return World(scale=0.02)


class Watched:
    """The verbs that a backend hears, in their order, as ``verb step``."""

    def __init__(self, world: World, also: Callable[[Call], None] = lambda _: None) -> None:
        self.calls: list[str] = []
        self.backend = HookedBackend(FakeBackend(world), before=self._note)
        self._also = also

    def _note(self, call: Call) -> None:
        if call.verb in ("prepare", "release", "discard"):
            self.calls.append(f"{call.verb} {call.path.partition('/')[2]}")
        self._also(call)

    def order(self, *calls: str) -> bool:
        """Whether these calls were made, each before the next."""
        places = [self.calls.index(call) for call in calls]
        return places == sorted(places)


def test_a_step_is_made_ready_while_the_one_before_it_runs(world: World) -> None:
    watched = Watched(world)

    result = drive(steps_only(step("a", seconds=1), step("b")), backend=watched.backend)

    assert watched.order("prepare b", "discard a", "release b")
    assert result.statuses == {"s/a": "success", "s/b": "success"}


def test_a_later_step_is_made_ready_while_the_one_before_it_runs(world: World) -> None:
    watched = Watched(world)

    drive(steps_only(step("a", seconds=1), step("b", seconds=1), step("c")), backend=watched.backend)

    assert watched.order("prepare c", "discard b", "release c")


BESIDE = {
    "the first": (),
    "one behind a step after which nothing is made ready": (step("x", volumes=[Bind(source="/x", target="/y")]),),
    "one behind a short step": (step("x"),),
}


@pytest.mark.parametrize("before", BESIDE.values(), ids=BESIDE)
def test_the_next_step_is_made_ready_at_the_same_time_as_one_that_is_not_ready_yet(
    world: World, before: tuple[Step, ...]
) -> None:
    together, met = threading.Barrier(2), set[str]()

    def meet(call: Call) -> None:
        if call.verb == "prepare" and call.path in {"s/a", "s/b"} - met:
            met.add(call.path)
            together.wait(DEADLINE)

    result = drive(steps_only(*before, step("a"), step("b")), backend=Watched(world, meet).backend)

    assert met == {"s/a", "s/b"}
    assert not together.broken
    assert set(result.statuses.values()) == {"success"}


def test_only_the_next_step_is_made_ready(world: World) -> None:
    watched = Watched(world)

    drive(steps_only(step("a", seconds=1), step("b", seconds=1), step("c")), backend=watched.backend)

    assert watched.order("prepare b", "discard a", "prepare c", "release c")


def test_no_step_of_a_job_that_does_not_prestart_is_made_ready_before_its_turn(world: World) -> None:
    watched = Watched(world)

    steps = steps_only(step("a", seconds=1), step("b"), step("c", seconds=1))
    result = drive(steps, backend=watched.backend, prestart=False)

    for before, after in (("a", "b"), ("b", "c")):
        assert watched.order(f"discard {before}", f"prepare {after}", f"release {after}")
    assert [entry.status for entry in result.entries if entry.address == at("s/b")] == [Status.RUNNING, Status.SUCCESS]
    assert set(result.statuses.values()) == {"success"}


def test_a_step_that_is_made_ready_is_pending_in_the_journal_until_its_turn(world: World) -> None:
    result = drive(steps_only(step("a", seconds=1), step("b")), world=world)

    of_b = [entry.status for entry in result.entries if entry.address == at("s/b")]
    assert of_b == [Status.PENDING, Status.RUNNING, Status.SUCCESS]


def test_a_step_that_turns_out_to_be_skipped_leaves_no_trace(world: World) -> None:
    watched = Watched(world)

    result = drive(steps_only(step("a", 1, seconds=1), step("b")), backend=watched.backend)

    assert watched.order("prepare b", "discard b")
    assert "release b" not in watched.calls
    assert result.statuses["s/b"] == "skipped"
    assert world.starts[at("s/b")] == 0
    assert leftovers(world) == ()


@pytest.mark.parametrize(
    "following",
    [
        step("b", status=["failure"]),
        step("b", detach=True),
        step("b", pull=PullPolicy.ON_START),
    ],
    ids=["unlikely to run", "detached", "pulled when it starts"],
)
def test_a_step_is_not_made_ready_before_its_turn(world: World, following: Step) -> None:
    watched = Watched(world)

    drive(steps_only(step("a", seconds=1), following), backend=watched.backend)

    before = watched.calls[: watched.calls.index("discard a")]
    assert "prepare b" not in before


def test_what_a_step_is_missing_may_still_be_made_by_the_step_before_it(world: World) -> None:
    def appears(call: Call) -> None:
        if (call.verb, call.path) == ("discard", "s/a"):
            world.missing_images = frozenset()

    world.missing_images = frozenset({"made:later"})
    watched = Watched(world, appears)

    later = step("b", image="made:later", pull=PullPolicy.NEVER)
    result = drive(steps_only(step("a", seconds=1), later), backend=watched.backend)

    assert watched.calls.count("prepare b") == 2
    assert result.statuses["s/b"] == "success"


def test_a_step_that_cannot_be_made_at_its_turn_either_is_an_error(world: World) -> None:
    world.missing_images = frozenset({"gone:1"})

    result = drive(steps_only(step("a", seconds=1), step("b", image="gone:1", pull=PullPolicy.NEVER)), world=world)

    assert result.statuses["s/b"] == "error"


def test_a_step_that_waits_at_its_gate_when_its_stage_times_out_never_runs(world: World) -> None:
    result = drive(steps_only(step("a", seconds=500), step("b"), timeout=0.1), world=world)

    assert (result.statuses["s/a"], result.statuses["s/b"]) == ("timeout", "cancelled")
    assert world.starts[at("s/b")] == 0
    assert leftovers(world) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"image": "app:${TAG}", "pull": PullPolicy.NEVER},
        {"user": "${WHO}"},
        {"entrypoint": ("x", "$$5")},
        {"working_dir": "${DIR}"},
        {"user": "${WHO"},
        {"ruleset": Ruleset(if_=Rules(status=("*",), eval="A == ''"))},
    ],
    ids=["image", "user", "entrypoint", "directory", "cannot be filled in", "asks for outputs"],
)
def test_a_step_of_which_only_its_turn_shows_what_it_is_made_from_is_not_made_ready(
    world: World, fields: dict[str, Any]
) -> None:
    watched = Watched(world)

    drive(
        steps_only(step("a", seconds=1), Step(**{"name": "b", "image": "i", "late": True, **fields})),
        backend=watched.backend,
    )

    before = watched.calls[: watched.calls.index("discard a")]
    assert "prepare b" not in before


DATA = Bind(source="/srv/data", target="/data")


@pytest.mark.parametrize(
    "fields",
    [
        {"working_dir": "sub"},
        {"working_dir": "/vela/src/a/../sub"},
        {"working_dir": "//vela/sub"},
        {"caches": (Cache(key="k", path="sub"),)},
        {"caches": (Cache(key="k", path="/data"),), "working_dir": "/data/sub"},
        {"volumes": (DATA,), "working_dir": "/data/sub"},
        {"volumes": (DATA,), "caches": (Cache(key="k", path="/data/sub"),)},
        {"volumes": (Bind(source="/srv/data", target="/vela/src/sub"),)},
    ],
    ids=str,
)
def test_a_step_for_which_an_engine_makes_a_directory_that_others_see_is_not_made_ready(
    world: World, fields: dict[str, Any]
) -> None:
    assert not _is_ahead(world, step("a", seconds=1), replace(step("b"), **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"working_dir": "."},
        {"working_dir": "/vela"},
        {"working_dir": "/vela/src"},
        {"working_dir": "/tmp/sub"},
        {"working_dir": "/velaxsrc"},
        {"caches": (Cache(key="k", path="/data"),), "working_dir": "/data"},
        {"volumes": (DATA,)},
    ],
    ids=str,
)
def test_a_step_whose_directories_are_its_own_or_there_is_made_ready(world: World, fields: dict[str, Any]) -> None:
    assert _is_ahead(world, step("a", seconds=1), replace(step("b"), **fields))


def test_a_step_behind_one_that_works_on_the_machine_is_not_made_ready(world: World) -> None:
    socket = Bind(source="/var/run/docker.sock", target="/var/run/docker.sock")

    assert not _is_ahead(world, replace(step("a", seconds=1), volumes=(socket,)), step("b"))


def _is_ahead(world: World, *steps: Step) -> bool:
    """Whether the second step is made ready while the first runs, in a workspace /vela with the directory /vela/src."""
    watched = Watched(world)
    of = replace(steps_only(*steps), home="/vela", workdir="/vela/src")
    result = drive(of, backend=watched.backend)
    assert set(result.statuses.values()) == {"success"}
    return watched.order("prepare b", "discard a")


def test_a_late_step_whose_variables_alone_are_not_known_is_made_ready(world: World) -> None:
    watched = Watched(world)

    drive(steps_only(step("a", seconds=1), step("b", late=True, fake={"X": "${Y}"})), backend=watched.backend)

    assert watched.order("prepare b", "discard a", "release b")


def test_the_rules_of_the_stage_say_too_whether_a_step_is_likely_to_run(world: World) -> None:
    watched = Watched(world)
    ruleset = Ruleset(if_=Rules(status=("failure",)))

    drive(steps_only(step("a", seconds=1, status=["success"]), step("b"), ruleset=ruleset), backend=watched.backend)

    assert watched.calls == []
