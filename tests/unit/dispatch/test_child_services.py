"""Which services an async stage gets, and with which rights, as the backend is asked for them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.dispatch.family import Family, Member
from runner.dispatch.offspring import offspring
from runner.dispatch.orders import Order, StoredOrder
from runner.dispatch.place import Local
from runner.dispatch.single import LocalRun
from runner.engine.backend import Phase
from runner.engine.specs import StepSpec
from runner.naming import SERVICES, Address
from runner.pipelinectl.payload import Payload
from runner.plan.grants import Grants, grant
from runner.plan.model import Plan, Service
from runner.plan.status import Status
from tests.support.children import apart, triggering
from tests.support.local import FakeSweep, fake_local, showing_nothing
from tests.support.plans import plan, service, stage, step

DB = service("db")
DIND = service("dind", image="docker:dind", privileged=True)
EVIL = service("evil", image="attacker/img", privileged=True)
DOCKER = Grants.read(["docker"], [])


class Noting(FakeBackend):
    """Keeps what containers were to be made from, and which were started."""

    def __init__(self) -> None:
        super().__init__(World(scale=0.02))
        self.prepared: list[StepSpec] = []

    def prepare(self, step: StepSpec) -> Phase:
        self.prepared.append(step)
        return super().prepare(step)

    def services(self, run: str) -> dict[str, bool]:
        """Return the services of a run by name, and whether they were to be privileged."""
        found = [spec for spec in self.prepared if (spec.address.run, spec.address.stage) == (run, SERVICES)]
        return {spec.address.step: spec.privileged for spec in found}


@pytest.fixture
def backend() -> Noting:
    return Noting()


@pytest.fixture
def place(tmp_path: Path, backend: Noting, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    FakeSweep().install(monkeypatch)
    with fake_local(tmp_path / "state", backend) as found:
        yield found


def _asking(*needs: str, services: tuple[Service, ...]) -> Plan:
    """Return a plan whose step starts ``scan``, which needs these services."""
    scan = replace(apart("scan"), services=needs)
    return plan(stage("s", triggering("t", "scan")), async_stages=(scan,), services=services)


def _child(place: Local, of: Plan) -> Member:
    """Drive a run and its only async stage to their ends."""
    run = LocalRun(place, Order(plan=of), showing_nothing)
    run.drive(lambda _: None)
    run.family.wait()
    assert isinstance(run.family, Family)
    (member,) = run.family.members()
    return member


def test_a_privileged_service_that_was_refused_is_started_by_nobody(place: Local, backend: Noting) -> None:
    child = _child(place, grant(_asking("evil", services=(EVIL,)), Grants()))

    assert child.status is Status.FAILURE
    assert (backend.services(child.parent), backend.services(child.id)) == ({}, {})
    assert not any(spec.privileged for spec in backend.prepared)


def test_the_end_of_a_child_says_what_was_refused_and_what_would_allow_it(place: Local) -> None:
    child = _child(place, grant(_asking("evil", services=(EVIL,)), DOCKER))

    reason = (place.settings.state / "runs" / child.id / "journal.jsonl").read_text()
    assert "the service evil wants to be privileged" in reason
    assert "--privileged-image attacker/img" in reason


def test_a_service_of_the_same_child_that_is_allowed_is_not_started_with_one_that_is_not(
    place: Local, backend: Noting
) -> None:
    child = _child(place, grant(_asking("dind", "evil", services=(DIND, EVIL)), DOCKER))

    assert child.status is Status.FAILURE
    assert backend.services(child.id) == {}


def test_what_was_allowed_is_privileged_in_the_child_and_started_there_only(place: Local, backend: Noting) -> None:
    child = _child(place, grant(_asking("dind", services=(DIND,)), DOCKER))

    assert child.status is Status.SUCCESS
    assert backend.services(child.id) == {"dind": True}
    assert backend.services(child.parent) == {}


def test_a_child_whose_stage_has_another_fault_starts_none_of_its_services(place: Local, backend: Noting) -> None:
    of = grant(_asking("dind", services=(DB, DIND)), DOCKER)
    of = replace(of, async_stages=(replace(of.async_stages[0], fault="nobody has said what it does"),))

    child = _child(place, of)

    assert child.status is Status.FAILURE
    assert "dind" not in backend.services(child.id)


def test_a_child_has_the_services_for_all_and_its_own_and_those_of_no_other_stage(
    place: Local, backend: Noting
) -> None:
    of = plan(
        stage("build", step("a"), services=("dind",)),
        stage("s", triggering("t", "scan"), needs=("build",)),
        async_stages=(replace(apart("scan"), services=("own",)), replace(apart("other"), services=("others",))),
        services=(DB, DIND, service("own"), service("others")),
    )

    child = _child(place, grant(of, DOCKER))

    assert child.status is Status.SUCCESS
    assert backend.services(child.id) == {"db": False, "own": False}
    assert backend.services(child.parent) == {"db": False, "dind": True}


def test_one_that_stages_of_the_graph_need_too_is_that_of_the_child_all_the_same(place: Local, backend: Noting) -> None:
    of = _asking("dind", services=(DIND,))
    of = replace(of, stages=tuple(replace(each, services=("dind",)) for each in of.stages))

    child = _child(place, grant(of, DOCKER))

    assert backend.services(child.id) == {"dind": True}


def test_a_child_of_a_child_has_no_service_of_its_parents_either() -> None:
    of = plan(
        stage("build", step("a"), services=("dind",)),
        async_stages=(replace(apart("scan"), services=("own",)), replace(apart("deeper"), services=("last",))),
        services=(DB, DIND, service("own"), service("last")),
    )
    child = offspring(StoredOrder(plan=of), Payload(stage="scan"))

    last = offspring(child, Payload(stage="deeper"))

    assert [each.name for each in last.plan.needed_services] == ["db", "last"]


def test_a_refused_child_that_is_run_again_is_refused_as_before(place: Local, backend: Noting) -> None:
    """A rerun asks anew what is allowed."""
    of = grant(_asking("evil", services=(EVIL,)), Grants())
    child = offspring(StoredOrder(plan=of), Payload(stage="scan"))

    again = grant(child.plan, Grants())
    run = LocalRun(place, Order(plan=again), showing_nothing)
    document = run.drive(lambda _: None)

    assert document["run"]["status"] == "failure"
    assert not any(spec.privileged for spec in backend.prepared)
    assert Address(run.id, SERVICES, "evil") not in {spec.address for spec in backend.prepared}
