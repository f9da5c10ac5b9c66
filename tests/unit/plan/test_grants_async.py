"""What is allowed to async stages: one of which nobody may ever start is no reason to refuse the pipeline."""

from dataclasses import replace

import pytest

from runner.errors import UsageError
from runner.plan.grants import Grants, grant
from runner.plan.model import Plan
from tests.support.children import apart
from tests.support.plans import plan, service, stage, step

EVIL = service("evil", image="attacker/img", privileged=True)
DIND = service("dind", image="docker:dind", privileged=True)
WHY = (
    "the service evil wants to be privileged, which makes it root of this machine "
    "(to allow it: --privileged-image attacker/img, or the setting RUNNER_PRIVILEGED_IMAGES)"
)


def _plan() -> Plan:
    """Return a plan of two async stages; of these ``scan`` needs a service that is not allowed."""
    return plan(
        stage("build", step("a")),
        async_stages=(
            replace(apart("scan"), services=("dind", "evil")),
            replace(apart("check"), services=("dind",)),
        ),
        services=(DIND, EVIL),
    )


def test_a_service_that_only_async_stages_need_and_that_is_refused_is_not_privileged() -> None:
    found = grant(_plan(), Grants.read(["docker"], []))

    assert {each.name: each.privileged for each in found.services} == {"dind": True, "evil": False}


def test_the_stages_that_need_it_have_a_fault_which_says_what_would_allow_it() -> None:
    found = grant(_plan(), Grants.read(["docker"], []))

    assert {each.name: each.fault for each in found.async_stages} == {"scan": WHY, "check": ""}


def test_a_fault_that_a_stage_has_already_stays() -> None:
    of = _plan()
    of = replace(of, async_stages=tuple(replace(each, fault="no script") for each in of.async_stages))

    assert {each.fault for each in grant(of, Grants()).async_stages} == {"no script"}


def test_none_of_them_is_needed_where_no_stage_of_the_graph_names_it() -> None:
    assert grant(_plan(), Grants()).needed_services == ()


def test_with_all_that_it_needs_a_stage_has_no_fault() -> None:
    found = grant(_plan(), Grants.read(["docker", "attacker/img"], []))

    assert {each.fault for each in found.async_stages} == {""}
    assert {each.privileged for each in found.services} == {True}


def test_what_a_stage_of_the_graph_needs_too_must_be_allowed_before_the_run() -> None:
    of = replace(_plan(), stages=(stage("build", step("a"), services=("evil",)),))

    with pytest.raises(UsageError, match="the service evil wants to be privileged"):
        grant(of, Grants.read(["docker"], []))


def test_a_service_for_all_must_be_allowed_before_the_run() -> None:
    of = replace(_plan(), async_stages=())

    with pytest.raises(UsageError, match="wants to be privileged"):
        grant(of, Grants())


def test_a_service_whose_stage_fails_before_it_begins_is_not_needed() -> None:
    of = plan(stage("build", step("a"), services=("db",), fault="no script"), services=(service("db"), service("all")))

    assert [each.name for each in of.needed_services] == ["all"]
    whole = replace(of, stages=(*of.stages, stage("test", step("a"), services=("db",))))
    assert [each.name for each in whole.needed_services] == ["db", "all"]
