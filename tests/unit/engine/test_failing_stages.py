"""Whose failure keeps what from beginning, and what a failure means to the run: faults, blocks, and what is allowed."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.report import report
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import BlockedBy
from runner.plan.status import Status
from tests.support.engine import SCALE, VaryingBackend, at, drive
from tests.support.plans import plan, stage, step

BOTH = ("success", "failure")
RUN_BLOCKS = BlockedBy.RUN


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


class Keeping(FakeBackend):
    """Keeps what the steps of a run have left, beyond its end."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.store: dict[str, bytes] = {}

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        super().put_values(run, files)
        self.store = dict(self.world.values[run])


def test_a_step_that_its_pipeline_skips_says_why_and_what_stands_behind_it_goes_on(world: World) -> None:
    result = drive(plan(stage("s", step("a", skip="when: false"), step("b"))), world=world)

    assert result.statuses == {"s/a": "skipped", "s/b": "success"}
    assert (result.reason("s/a"), result.run.status) == ("when: false", Status.SUCCESS)
    assert list(world.starts) == [at("s/b")]


def test_a_stage_whose_every_step_is_skipped_is_skipped_and_needs_no_image(world: World) -> None:
    of = plan(stage("s", step("a", skip="no", image="there:none")), stage("t", step("b"), needs=("s",)))
    world.missing_images = frozenset({"there:none"})

    result = drive(of, world=world)

    assert result.stages == {"s": "skipped", "t": "success"}
    assert result.run.status is Status.SUCCESS


def test_a_skipped_step_stands_in_nobodys_way_behind_a_failure() -> None:
    result = drive(plan(stage("s", step("a", 1), step("b", skip="no"), step("c", status=BOTH))))

    assert result.statuses == {"s/a": "failure", "s/b": "skipped", "s/c": "success"}
    assert result.reason("s/b") == "no"


def test_a_stage_with_a_fault_fails_with_it_before_anything_begins(world: World) -> None:
    of = plan(stage("s", step("a"), step("b"), fault="Stage 'scan' is not defined"))

    result = drive(of, world=world)

    assert (result.status("s"), result.reason("s")) == (Status.FAILURE, "Stage 'scan' is not defined")
    assert result.run.status is Status.FAILURE
    assert result.run.reason == "stage s: Stage 'scan' is not defined"
    assert not world.starts
    assert leftovers(world) == ()


def test_the_steps_of_a_stage_with_a_fault_have_ended_and_say_why() -> None:
    result = drive(plan(stage("s", step("a"), step("b"), fault="no such repository")))

    assert result.statuses == {"s/a": "cancelled", "s/b": "cancelled"}
    assert result.reason("s/a") == "not started: no such repository"


def test_a_fault_counts_as_a_failure_of_its_stage_in_the_values_and_for_the_rules_of_others(world: World) -> None:
    backend = Keeping(world)
    of = plan(
        stage("s", step("a"), fault="it is not there"),
        stage("t", step("b"), step("told", status=["failure"])),
    )

    result = drive(of, backend=backend)

    assert result.statuses == {"s/a": "cancelled", "t/b": "skipped", "t/told": "success"}
    assert (backend.store["d.result,s"], backend.store["p.one-pipeline-status"]) == (b"failure\n", b"1\n")


def test_a_fault_does_not_keep_stages_from_beginning_whom_a_failure_does_not() -> None:
    result = drive(plan(stage("s", step("a"), fault="no"), stage("t", step("b", status=BOTH), needs=("s",))))

    assert result.stages == {"s": "failure", "t": "success"}


def test_who_is_blocked_by_the_run_does_not_begin_once_another_stage_has_failed(world: World) -> None:
    of = plan(
        stage("setup", step("a", 1)),
        stage("test", step("b", status=BOTH), needs=("setup",), blocked_by=RUN_BLOCKS),
        stage("deploy", step("c", status=BOTH), needs=("test",), blocked_by=RUN_BLOCKS),
    )

    result = drive(of, world=world)

    assert result.stages == {"setup": "failure", "test": "not_run", "deploy": "not_run"}
    assert result.reason("test") == result.reason("deploy") == "not started: stage setup has failed"
    assert result.statuses == {"setup/a": "failure", "test/b": "cancelled", "deploy/c": "cancelled"}
    assert (result.run.status, result.run.reason) == (Status.FAILURE, "stage setup: step a: exit code 1")
    assert list(world.starts) == [at("setup/a")]


def test_what_runs_when_another_stage_fails_goes_on_and_ends_as_it_would() -> None:
    slow = step("b", seconds=6)
    of = plan(
        stage("bad", step("a", 1, seconds=2), blocked_by=RUN_BLOCKS),
        stage("long", slow, step("later", status=BOTH), blocked_by=RUN_BLOCKS),
        stage("after", step("c", status=BOTH), needs=("long",), blocked_by=RUN_BLOCKS),
    )

    result = drive(of)

    assert result.stages == {"bad": "failure", "long": "success", "after": "not_run"}
    assert result.statuses["long/later"] == "success"


def test_the_last_stage_runs_whatever_happened_and_is_told_how(world: World) -> None:
    of = plan(
        stage("setup", step("a", 1)),
        stage("deploy", step("b"), needs=("setup",), blocked_by=RUN_BLOCKS),
        stage("finish", step("z"), needs=("setup", "deploy"), independent=True),
    )

    result = drive(of, world=world)

    assert result.stages == {"setup": "failure", "deploy": "not_run", "finish": "success"}
    assert result.run.status is Status.FAILURE


def test_a_fault_blocks_from_the_start_what_a_failure_of_the_run_blocks(world: World) -> None:
    of = plan(
        stage("setup", step("a"), blocked_by=RUN_BLOCKS),
        stage("scan", step("b"), needs=("setup",), fault="it is not defined", blocked_by=RUN_BLOCKS),
        stage("finish", step("z"), needs=("setup", "scan"), independent=True),
    )

    result = drive(of, world=world)

    assert result.stages == {"setup": "not_run", "scan": "failure", "finish": "success"}
    assert result.reason("setup") == "not started: stage scan has failed"
    assert result.reason("scan") == "it is not defined"


def test_a_failure_that_is_allowed_leaves_the_run_a_success_and_blocks_nobody(world: World) -> None:
    of = plan(
        stage("scan", step("a", 1), step("later"), allow_failure=True, blocked_by=RUN_BLOCKS),
        stage("deploy", step("b"), needs=("scan",), blocked_by=RUN_BLOCKS),
    )

    result = drive(of, world=world)

    assert result.statuses == {"scan/a": "failure", "scan/later": "skipped", "deploy/b": "success"}
    assert result.stages == {"scan": "failure", "deploy": "success"}
    assert (result.run.status, result.run.reason) == (Status.SUCCESS, "")


def test_an_allowed_failure_is_a_failure_in_the_values_as_any_other(world: World) -> None:
    backend = Keeping(world)

    stages = (stage("scan", step("a", 1), allow_failure=True), stage("t", step("b"), needs=("scan",)))

    drive(plan(*stages), backend=backend, values=True)

    assert (backend.store["d.result,scan"], backend.store["d.result,t"]) == (b"failure\n", b"success\n")
    assert backend.store["p.one-pipeline-status"] == b"1\n"


@pytest.mark.parametrize(("kind", "told"), [("ci", b"1\n"), ("", None)])
def test_scripts_of_ibms_pipelines_are_told_of_a_step_whose_failure_was_forgiven(
    world: World, kind: str, told: bytes | None
) -> None:
    backend = Keeping(world)
    forgiven = step("a", 1, proceed=True)

    drive(replace(plan(stage("build", forgiven)), kind=kind), backend=backend, values=True)

    assert backend.store["d.result,build"] == b"success\n"
    assert backend.store.get("p.one-pipeline-status") == told


@pytest.mark.parametrize("fake", [{"FAKE_START_ERROR": "no such user"}, {"FAKE_VANISH": "9"}])
def test_what_is_not_the_doing_of_its_steps_is_not_allowed(fake: dict[str, str]) -> None:
    result = drive(plan(stage("s", step("a", fake=fake), allow_failure=True)))

    assert result.run.status in (Status.ERROR, Status.LOST)


def test_a_run_blames_the_stage_that_counts_not_the_one_that_may_fail() -> None:
    of = plan(stage("scan", step("a", 1), allow_failure=True), stage("test", step("b", 2), needs=("scan",)))

    result = drive(of)

    assert (result.run.status, result.run.reason) == (Status.FAILURE, "stage test: step b: exit code 2")


def test_an_allowed_fault_leaves_the_run_a_success() -> None:
    result = drive(plan(stage("scan", step("a"), fault="no", allow_failure=True), stage("t", step("b"))))

    assert result.stages == {"scan": "failure", "t": "success"}
    assert result.run.status is Status.SUCCESS


def test_a_stage_that_will_be_tried_again_blocks_nobody_yet(world: World) -> None:
    """Its first round fails, and the second one is good: the others must not have been ruled out in between."""
    of = plan(
        stage("shaky", step("a"), retry=1, blocked_by=RUN_BLOCKS),
        stage("other", step("b"), needs=("shaky",), blocked_by=RUN_BLOCKS),
    )

    result = drive(of, backend=VaryingBackend(world, {at("shaky/a"): {"FAKE_EXIT": "1"}}))

    assert result.stages == {"shaky": "success", "other": "success"}


def test_the_report_of_a_run_shows_a_fault_with_its_reason() -> None:
    result = drive(plan(stage("s", step("a"), fault="no such repository")))

    (found,) = report(result.state, values_of(Store()))["stages"]

    assert (found["status"], found["reason"]) == ("failure", "no such repository")
    assert [each["status"] for each in found["steps"]] == ["cancelled"]
