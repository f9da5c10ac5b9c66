"""What an async stage is given that its parent had: configuration, debug mode, and addresses without their logins."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.dispatch.family import Family
from runner.dispatch.offspring import completed, offspring
from runner.dispatch.orders import Order, StoredOrder
from runner.dispatch.place import Local
from runner.dispatch.requests import Again, Definition
from runner.dispatch.single import LocalRun
from runner.engine.inputs import Inputs
from runner.errors import UsageError
from runner.pipelinectl.payload import Payload, read_payload
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.plan.trigger import Trigger
from tests.support.children import apart, triggering
from tests.support.daemons import Daemon, commit
from tests.support.local import FakeSweep, fake_local, showing_nothing
from tests.support.plans import plan, stage, step
from tests.support.repositories import Repository

SHOP = "org/shop"
LACKS = "stage scan takes the name of its configuration from property which, and there is none"
IBM = """
version: '1'
setup: {script: trigger-task scan, configmap: $which}
test: {script: ./test}
build-artifact: {skip: true}
"""


def _wanting(*config: str) -> Plan:
    """Return a plan whose async stage ``scan`` wants these configurations."""
    scan = replace(apart("scan"), config=config)
    return plan(stage("s", triggering("t", "scan")), async_stages=(scan,))


def _order(of: Plan, parameters: dict[str, str] | None = None, **inputs: object) -> StoredOrder:
    trigger = Trigger(parameters=parameters or {})
    return StoredOrder(plan=of, inputs=Inputs(trigger=trigger, **inputs))  # type: ignore[arg-type]  # of `Inputs`


def _fault(order: StoredOrder, hook: dict[str, str] | None = None) -> str:
    return offspring(order, Payload(stage="scan"), hook).plan.stages[-1].fault


# The configuration that its stage names.


def test_a_configuration_that_a_parameter_of_the_parent_named_is_missing_in_the_child_which_says_so() -> None:
    order = _order(_wanting("$which"), {"which": "tools"}, properties={"tools/a": "1"})
    order.inputs.check(order.plan)

    assert _fault(order) == LACKS


def test_a_parameter_of_the_hook_may_name_it() -> None:
    order = _order(_wanting("$which"), properties={"tools/a": "1"})

    assert _fault(order, {"which": "tools"}) == ""
    assert _fault(order, {"which": "other"}) == "stage scan wants the configuration 'other', and nobody has given it"


def test_a_configuration_that_is_there_is_no_fault() -> None:
    order = _order(_wanting("$which", "tools"), properties={"which": "tools", "tools/a": "1"})

    assert _fault(order) == ""


def test_what_only_other_stages_lack_is_no_fault_of_the_child() -> None:
    of = _wanting()
    of = replace(of, async_stages=(*of.async_stages, replace(apart("other"), config=("missing",))))

    assert _fault(_order(of)) == ""


def test_a_fault_that_the_stage_has_already_is_told_rather_than_the_missing_configuration() -> None:
    of = _wanting("missing")
    of = replace(of, async_stages=(replace(of.async_stages[0], fault="no script"),))

    assert _fault(_order(of)) == "no script"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    FakeSweep().install(monkeypatch)
    with fake_local(tmp_path / "state", FakeBackend(World(scale=0.02))) as found:
        yield found


def test_a_child_without_its_configuration_ends_as_a_failure_that_names_it(place: Local) -> None:
    inputs = Inputs(properties={"tools/a": "1"}, trigger=Trigger(parameters={"which": "tools"}))
    run = LocalRun(place, Order(plan=_wanting("$which"), inputs=inputs), showing_nothing)

    run.drive(lambda _: None)
    run.family.wait()

    assert isinstance(run.family, Family)
    (member,) = run.family.members()
    assert member.status is Status.FAILURE
    assert LACKS in (place.settings.state / "runs" / member.id / "journal.jsonl").read_text()


def test_a_rerun_that_would_lack_a_configuration_is_refused_before_it_is_stored(daemon: Daemon) -> None:
    given = {"which": "tools", "tools/a": "1", "other/a": "2"}
    run = daemon.run(IBM, dialect="ibm", kind="ci", properties=given)

    with pytest.raises(UsageError, match="stage setup wants the configuration 'none'"):
        daemon.service.rerun(run, Again(properties={"which": "none"}))

    assert [each.id for each in daemon.service.runs()] == [run]
    again = daemon.ended(daemon.service.rerun(run, Again(properties={"which": "other"})).id)
    assert daemon.house.means.order(again).inputs.properties == {**given, "which": "other"}


# Debug mode.


def _debug(order: StoredOrder) -> str:
    """Return how an async stage of a run is told whether scripts are to say more."""
    child = offspring(order, completed(Payload(stage="scan"), order, "0000beef"))
    return child.inputs.variables("0000cafe", "scan", "/workspace", "/workspace")["PIPELINE_DEBUG"]


@pytest.mark.parametrize(
    ("parameters", "properties", "debug"),
    [
        ({"pipeline-debug": "1"}, {}, "1"),
        ({"pipeline-debug": "1"}, {"pipeline-debug": "0"}, "1"),
        ({}, {"pipeline-debug": "1"}, "1"),
        ({}, {}, "0"),
        ({"pipeline-debug": "0"}, {}, "0"),
    ],
)
def test_debug_mode_is_that_of_the_parent_wherever_that_has_it_from(
    parameters: dict[str, str], properties: dict[str, str], debug: str
) -> None:
    order = _order(_wanting(), parameters, properties=properties)

    assert order.inputs.debug is (debug == "1")
    assert _debug(order) == debug


def test_debug_mode_of_a_child_is_that_of_its_children_too() -> None:
    first = _order(_wanting(), {"pipeline-debug": "1"})
    child = offspring(first, completed(Payload(stage="scan"), first, "0000beef"))

    assert _debug(child) == "1"


def test_a_posted_payload_may_ask_for_debug_mode(daemon: Daemon, repository: Repository) -> None:
    commit(repository, plan(stage("s", step("a")), async_stages=(apart("scan"),)))
    daemon.service.register(SHOP, Definition(repository=str(repository.root)))

    child = daemon.ended(daemon.service._children.start_for_pipeline(SHOP, Payload(stage="scan", debug=True)))

    assert daemon.house.means.order(child).inputs.debug


# Addresses.


def _url(url: str) -> str:
    """Return an address as it is kept; nothing that is kept holds the password."""
    payload = Payload(stage="scan", repositories={"lib": {"url": url, "path": "lib", "commit": "1" * 40}})

    found = offspring(_order(_wanting()), payload)

    assert "hunter2" not in found.document()
    assert b"hunter2" not in found.inputs.payload
    return read_payload(found.inputs.payload).repositories["lib"]["url"]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ada:hunter2@git.example.test/lib.git", "https://git.example.test/lib.git"),
        ("https://hunter2@git.example.test/lib.git", "https://git.example.test/lib.git"),
        ("git://ada:hunter2@git.example.test/lib", "git://git.example.test/lib"),
        ("ftp://ada:hunter2@git.example.test/lib", "ftp://git.example.test/lib"),
        ("https://ada:hunter2@[x", "an address that is not shown, since it may hold a password"),
    ],
)
def test_a_login_in_an_address_is_kept_nowhere(url: str, kept: str) -> None:
    assert _url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.test/lib.git",
        "ssh://git@git.example.test/lib.git",
        "git@git.example.test:org/lib.git",
        "/srv/git/lib",
        "file:///srv/git/lib",
    ],
)
def test_an_address_without_a_password_stays_as_it_was(url: str) -> None:
    assert _url(url) == url


def test_an_address_that_git_may_not_be_given_is_no_end_of_the_child() -> None:
    payload = Payload(stage="scan", repositories={"lib": {"url": "git://ada:hunter2@git.example.test/lib"}})

    found = offspring(_order(_wanting()), payload)

    assert found.plan.stages[-1].fault == ""
    assert [clone.source.url for clone in found.tree.beside] == ["git://git.example.test/lib"]
