"""Steps that fetch secrets, as plans and in whole runs."""

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.journal import Memory
from runner.engine.origins import unfold
from runner.engine.report import report
from runner.naming import ORIGINS
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import Plan, Ruleset
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, VaryingBackend, at, drive
from tests.support.hooked import Fault, HookedBackend, Moment
from tests.support.plans import hanging, plan, service, stage, step

BOTH = ("success", "failure")
APART = stage("apart", step("x", status=BOTH), independent=True)


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


def _plan(*origins: str, **fake: str) -> Plan:
    """Return a plan with these origins, the last of which is told how to behave."""
    *quiet, last = origins
    steps = (*(step(name) for name in quiet), step(last, fake=fake))
    return plan(stage("s", step("a", status=BOTH)), APART, services=[service("db")], origins=steps)


def test_origins_become_the_first_stage_which_all_others_need() -> None:
    of = plan(stage("b", step("x"), needs=("a",)), stage("a", step("x")), origins=(step("one"), step("two")))

    unfolded = unfold(of)

    assert [(found.name, found.needs) for found in unfolded.stages] == [
        (ORIGINS, ()),
        ("b", (ORIGINS, "a")),
        ("a", (ORIGINS,)),
    ]
    assert [found.name for found in unfolded.stage(ORIGINS).steps] == ["one", "two"]
    assert (unfolded.origins, unfold(unfolded)) == ((), unfolded)


def test_a_plan_without_origins_stays_as_it_is() -> None:
    of = plan(stage("s", step("a")))

    assert unfold(of) is of


def test_the_rules_of_an_origin_have_been_judged_when_the_plan_was_made() -> None:
    unfolded = unfold(plan(origins=(step("vault", status=["failure"], proceed=True),)))

    assert unfolded.stage(ORIGINS).steps[0].ruleset == Ruleset()


def test_origins_run_one_after_the_other_before_services_and_stages() -> None:
    result = drive(_plan("one", "two"))

    assert result.run.status is Status.SUCCESS
    assert result.order[:3] == ["@secrets/one", "@secrets/two", "@services/db"]
    assert sorted(result.order[3:]) == ["apart/x", "s/a"]


def test_every_stage_stands_on_what_the_origins_have_left(world: World) -> None:
    drive(_plan("one"), world=world)

    assert world.layers == {at(ORIGINS): (), at("s"): (at(ORIGINS),), at("apart"): (at(ORIGINS),)}


@pytest.mark.parametrize(
    ("fake", "why"),
    [
        ({"FAKE_EXIT": "3"}, "origin secret plugin vault ended with exit code 3"),
        ({"FAKE_START_ERROR": "no such user"}, "origin secret plugin vault: no such user"),
        ({"FAKE_VANISH": "1"}, "origin secret plugin vault: the container was removed from outside"),
        ({"FAKE_OOM": "1"}, "origin secret plugin vault: it reached its memory limit"),
    ],
)
def test_without_its_secrets_a_run_is_an_error_and_nothing_else_of_it_runs(
    world: World, fake: dict[str, str], why: str
) -> None:
    result = drive(_plan("vault", **fake), world=world)

    assert (result.run.status, result.run.reason) == (Status.ERROR, why)
    assert result.stages == {ORIGINS: "error", "s": "not_run", "apart": "not_run"}
    assert result.reason("apart") == f"not started: {why}"
    assert result.order == ["@secrets/vault"]
    assert leftovers(world) == ()


def test_an_origin_that_fails_is_a_failure_itself_and_those_behind_it_do_not_start() -> None:
    of = plan(stage("s", step("a")), origins=(step("one", 3, proceed=True), step("two", status=BOTH)))

    result = drive(of)

    assert (result.status("@secrets/one"), result.standing("@secrets/one").exit_code) == (Status.FAILURE, 3)
    assert result.status("@secrets/two") is Status.CANCELLED
    assert result.reason("@secrets/two") == "not started: origin secret plugin one ended with exit code 3"


def test_an_origin_that_is_tried_again_may_succeed(world: World) -> None:
    backend = VaryingBackend(world, {at("@secrets/vault", attempt=2): {"FAKE_EXIT": "0"}})
    of = plan(stage("s", step("a")), origins=(step("vault", 3, retry=1),))

    result = drive(of, backend=backend)

    assert result.stages == {ORIGINS: "success", "s": "success"}


def test_a_cancel_while_secrets_are_fetched_is_no_error(world: World) -> None:
    of = plan(stage("s", step("a")), APART, services=[service("db")], origins=(hanging("vault"),))
    life = Life(of, world=world).start()
    life.until_printing(at("@secrets/vault"))
    life.driver.cancel()

    result = life.finish()
    assert (result.run.status, result.run.reason) == (Status.CANCELLED, "it was cancelled")
    assert result.stages == {ORIGINS: "cancelled", "s": "cancelled", "apart": "cancelled"}
    assert result.order == ["@secrets/vault"]
    assert leftovers(world) == ()


def test_the_report_shows_the_stage() -> None:
    result = drive(_plan("one"))

    assert [found["name"] for found in report(result.state, values_of(Store()))["stages"]] == [ORIGINS, "s", "apart"]


def test_secrets_that_an_earlier_life_has_fetched_are_not_fetched_again(world: World) -> None:
    of = plan(stage("s", hanging("a")), origins=(step("vault"),))
    journal = Memory()
    released = Moment("release", "s/a")
    Life(of, backend=HookedBackend(FakeBackend(world), after=released), journal=journal).start()
    released.wait()
    world.client_dies()

    second = Life(of, world=world, journal=journal).start()
    second.until_printing(at("s/a"))
    second.driver.cancel()

    assert second.finish().stages == {ORIGINS: "success", "s": "cancelled"}
    assert set(world.starts.values()) == {1}


def test_a_failure_of_an_earlier_life_keeps_everything_from_running(world: World) -> None:
    of = _plan("vault", FAKE_EXIT="3")
    journal = Memory()
    crash = Fault("close_stage", ORIGINS, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        Life(of, backend=HookedBackend(FakeBackend(world), after=crash), journal=journal).start().finish()

    result = drive(of, world=world, journal=journal)

    assert result.run.reason == "origin secret plugin vault ended with exit code 3"
    assert result.stages == {ORIGINS: "error", "s": "not_run", "apart": "not_run"}
    assert world.starts == {at("@secrets/vault"): 1}
