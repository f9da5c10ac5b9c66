"""The async stages of ``exec``: runs of one process beside each other."""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.dispatch.family import Family, Member
from runner.dispatch.orders import Order, StoredOrder, Tree
from runner.dispatch.place import Local
from runner.dispatch.single import LocalRun, means_of
from runner.engine.children import Child
from runner.engine.events import Changed, Event, Observer
from runner.engine.inputs import Inputs
from runner.engine.job import Keep
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError, NotFoundError
from runner.naming import Address
from runner.pipelinectl.payload import Payload, Request
from runner.plan.model import Plan, SecretUse
from runner.plan.status import Status
from runner.plan.trigger import Commit, Trigger
from runner.store.runs import Kinship, RunFolder
from tests.support.children import apart, triggering
from tests.support.hooked import DEADLINE
from tests.support.local import FakeSweep, fake_local
from tests.support.plans import hanging, plan, service, stage, step
from tests.support.repositories import Repository

SECRET = "hunter2 is the word"
ASKING = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan", step("x", text="scanned")),))
HANGING = plan(stage("s", triggering("t", "scan"), step("b")), async_stages=(apart("scan", hanging("x")),))


class Seeing(FakeBackend):
    """Keeps what its runs were made from, and what stood in the file ``file`` of their sources."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.specs: dict[str, RunSpec] = {}
        self.files: dict[str, str] = {}

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        self.specs[run.id] = run
        if run.source is not None:
            self.files[run.id] = (run.source.path / "file").read_text()
        return super().open_run(run)


class Screen:
    """Shows async stages: ``events`` of each by the name of its stage; ``seen`` is called with all of them."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.ended: list[str] = []
        self.seen: Callable[[Member, Event], None] = lambda _, __: None

    @contextmanager
    def __call__(self, member: Member) -> Iterator[Observer]:
        found = self.events.setdefault(member.stage, [])

        def observe(event: Event) -> None:
            found.append(event)
            self.seen(member, event)

        yield observe
        self.ended.append(member.stage)


@pytest.fixture(autouse=True)
def _sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSweep().install(monkeypatch)


@pytest.fixture
def world() -> World:
    return World(scale=0.02)


@pytest.fixture
def backend(world: World) -> Seeing:
    return Seeing(world)


@pytest.fixture
def place(tmp_path: Path, backend: Seeing) -> Iterator[Local]:
    with fake_local(tmp_path / "state", backend) as found:
        yield found


@pytest.fixture
def screen() -> Screen:
    return Screen()


def _through(run: LocalRun) -> list[Member]:
    """Drive a run and all that comes of it to their ends; return its async stages."""
    run.drive(lambda _: None)
    run.family.wait()
    assert isinstance(run.family, Family)
    return list(run.family.members())


def _drive(place: Local, screen: Screen, of: Plan, **order: Any) -> list[Member]:  # noqa: ANN401 - the fields of `Order`
    return _through(LocalRun(place, Order(plan=of, **order), screen))


def _folder(place: Local, run: str) -> RunFolder:
    return RunFolder(place.settings.state / "runs" / run)


def test_an_async_stage_is_a_run_of_its_own_that_ends_and_leaves_nothing(
    place: Local, screen: Screen, world: World
) -> None:
    (member,) = _drive(place, screen, ASKING)

    folder = _folder(place, member.id)
    assert (member.stage, member.status) == ("scan", Status.SUCCESS)
    assert [entry.status for entry in folder.journal.read()][-1] is Status.SUCCESS
    assert [path.read_text() for path in folder.logs.glob("*.log")] == ["scanned\n"]
    assert world.starts[Address(member.id, "scan", "x")] == 1
    assert leftovers(world) == ()


def test_it_is_told_to_its_own_screen_and_known_to_its_parent(place: Local, screen: Screen) -> None:
    run = LocalRun(place, Order(plan=ASKING), screen)

    (member,) = _through(run)

    changes = [event.entry for event in screen.events["scan"] if isinstance(event, Changed)]
    assert (changes[0].address, changes[-1].status) == (Address(member.id), Status.SUCCESS)
    assert (screen.ended, member.parent) == (["scan"], run.id)
    assert run.family.reports() == [{"stage": "scan", "id": member.id, "status": "success"}]


def test_it_runs_while_its_parent_goes_on(place: Local, screen: Screen, world: World) -> None:
    run = LocalRun(
        place,
        Order(plan=plan(stage("s", triggering("t", "scan"), hanging("b")), async_stages=(apart("scan"),))),
        screen,
    )

    def seen(member: Member, event: Event) -> None:
        if isinstance(event, Changed) and event.entry.address == Address(member.id) and event.entry.status.ended:
            world.containers[Address(run.id, "s", "b")].end(0)

    screen.seen = seen
    (member,) = _through(run)

    assert member.status is Status.SUCCESS
    assert _folder(place, run.id).journal.read()[-1].status is Status.SUCCESS


def test_one_that_fails_changes_nothing_of_its_parent(place: Local, screen: Screen) -> None:
    of = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan", step("x", 3)),))
    run = LocalRun(place, Order(plan=of), screen)

    (member,) = _through(run)

    assert member.status is Status.FAILURE
    assert _folder(place, run.id).journal.read()[-1].status is Status.SUCCESS


def test_it_begins_with_what_was_handed_over_and_nothing_else_of_its_parent(
    place: Local, screen: Screen, backend: Seeing
) -> None:
    fake = {"FAKE_SET_ENV": "url=https://x", "FAKE_EXPORT_ENV": "url", "FAKE_SAVE_ARTIFACT": "img digest=d"}
    of = plan(
        stage("s", step("a", fake={"FAKE_SET_ENV": "other=1"}), triggering("t", "scan", fake=fake)),
        async_stages=(apart("scan"),),
        services=[service("db")],
    )

    (member,) = _drive(place, screen, of, inputs=Inputs(properties={"region": "eu"}))

    spec = backend.specs[member.id]
    handed = {name: content for name, content in spec.values.items() if name[0] in "eaxd"}
    assert handed == {"e.url": b"https://x\n", "a.img": b"", "a.img,digest": b"d\n"}
    assert {str(path) for path in spec.config} == {"region", "environment-properties/region", "trigger-payload.json"}
    assert spec.values["y.scan"] == b""


def test_those_that_one_starts_are_awaited_too_and_belong_to_it(place: Local, screen: Screen) -> None:
    of = plan(
        stage("s", triggering("t", "scan")),
        async_stages=(apart("scan", triggering("x", "deeper", seconds=1)), apart("deeper", step("y", seconds=3))),
    )
    run = LocalRun(place, Order(plan=of), screen)

    found = {member.stage: member for member in _through(run)}

    assert {name: member.status for name, member in found.items()} == {
        "scan": Status.SUCCESS,
        "deeper": Status.SUCCESS,
    }
    assert (found["scan"].parent, found["deeper"].parent) == (run.id, found["scan"].id)


def test_all_are_cancelled_with_the_run_of_this_process(place: Local, screen: Screen, world: World) -> None:
    run = LocalRun(place, Order(plan=HANGING), screen)

    def seen(_: Member, event: Event) -> None:
        if isinstance(event, Changed) and event.entry.address.step and event.entry.status is Status.RUNNING:
            run.cancel(force=True)

    screen.seen = seen
    (member,) = _through(run)

    assert member.status is Status.CANCELLED
    assert leftovers(world) == ()


def test_one_that_is_asked_for_after_the_cancel_never_begins(place: Local, screen: Screen, world: World) -> None:
    of = plan(stage("s", triggering("t", "scan", seconds=3600)), async_stages=(apart("scan"),))
    run = LocalRun(place, Order(plan=of), screen)

    def observe(event: Event) -> None:
        if isinstance(event, Changed) and event.entry.address.step and event.entry.status is Status.RUNNING:
            run.cancel()

    run.drive(observe)
    run.family.wait()

    assert [each["status"] for each in run.family.reports()] == ["cancelled"]
    assert {address.run for address in world.starts} <= {run.id}


def _family(place: Local, screen: Screen) -> Family:
    return Family(means_of(place, Keep.NEVER), screen)


def test_a_request_starts_one_run_however_often_it_is_taken_up(place: Local, screen: Screen) -> None:
    family = _family(place, screen)
    kin = family.of("0000beef", StoredOrder(plan=ASKING))
    request = Request(id="0000cafe", payload=Payload(stage="scan"))

    found = [kin.start(request), kin.start(request)]
    family.wait()

    assert found == [Child(stage="scan", id="0000cafe"), None]
    assert [each["id"] for each in kin.all()] == ["0000cafe"]
    assert list(family.of("0000dead", StoredOrder(plan=ASKING)).all()) == []


def test_runs_of_one_stage_are_numbered_as_they_were_asked_for_whichever_is_shown_first(
    place: Local, screen: Screen
) -> None:
    of = plan(stage("s", step("a")), async_stages=(apart("scan"), apart("check")))
    family = _family(place, screen)
    kin = family.of("0000beef", StoredOrder(plan=of))
    for run, name in (("0000ffff", "scan"), ("0000eeee", "check"), ("0000aaaa", "scan")):
        kin.start(Request(id=run, payload=Payload(stage=name)))
    family.wait()

    found = [(member.id, member.number) for member in family.members()]

    assert found == [("0000ffff", 1), ("0000eeee", 1), ("0000aaaa", 2)]


def test_a_stage_that_the_plan_does_not_declare_is_not_there(place: Local, screen: Screen) -> None:
    with pytest.raises(NotFoundError):
        _family(place, screen).of("0000beef", StoredOrder(plan=ASKING)).start(
            Request(id="0000cafe", payload=Payload(stage="none"))
        )

    assert list((place.settings.state / "runs").glob("*")) == []


def test_one_that_could_not_be_kept_is_started_when_it_is_asked_for_again(
    place: Local, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the engine does, which tries again while a disk is full."""
    family = _family(place, screen)
    kin = family.of("0000beef", StoredOrder(plan=ASKING))
    request = Request(id="0000cafe", payload=Payload(stage="scan"))
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "keep_order", _full)
        with pytest.raises(InfrastructureError, match="the disk is full"):
            kin.start(request)

    assert kin.start(request) == Child(stage="scan", id="0000cafe")
    family.wait()
    assert [member.status for member in family.members()] == [Status.SUCCESS]


def _full(_: RunFolder, __: str) -> None:
    raise InfrastructureError("the disk is full")


def test_one_whose_folder_could_not_be_filled_is_started_when_it_is_asked_for_again(
    place: Local, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Plan) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    family = _family(place, screen)
    kin = family.of("0000beef", StoredOrder(plan=ASKING))
    request = Request(id="0000cafe", payload=Payload(stage="scan"))
    with monkeypatch.context() as patch:
        patch.setattr("runner.store.runs.codec.dumps", full)
        with pytest.raises(InfrastructureError, match="No space left on device"):
            kin.start(request)

    assert kin.start(request) is not None
    family.wait()


# What it works on.


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def _in(repository: Repository, commit: str) -> dict[str, Any]:
    """Return what an order says of a run in the directory of a repository."""
    return {
        "tree": Tree(directory=str(repository.root)),
        "inputs": Inputs(trigger=Trigger(commit=Commit(sha=commit))),
    }


def test_it_works_on_the_commit_of_its_parent_whatever_was_changed_since(
    place: Local, screen: Screen, backend: Seeing, repository: Repository
) -> None:
    commit = repository.commit("file")
    before = (repository.root / "file").read_text()
    repository.write("file", "changed")

    (member,) = _drive(place, screen, ASKING, **_in(repository, commit))

    assert (member.status, backend.files[member.id]) == (Status.SUCCESS, before)


def test_its_order_is_kept_with_the_commits_that_it_worked_on(
    place: Local, screen: Screen, repository: Repository
) -> None:
    commit = repository.commit("file")

    (member,) = _drive(place, screen, ASKING, **_in(repository, commit))

    kept, _ = StoredOrder.read_open(_folder(place, member.id).order.read_text())
    assert kept.tree.repository is not None
    assert (kept.tree.repository.commit, kept.handed) == (commit, True)
    assert _folder(place, member.id).kinship == Kinship(parent=member.parent, child="scan")


def test_one_whose_repository_cannot_be_fetched_is_an_error_that_says_why(
    place: Local, screen: Screen, world: World
) -> None:
    asking = triggering("t", "scan", fake={"FAKE_SAVE_REPO": "lib url=/nowhere/lib commit=0badcafe"})
    of = plan(stage("s", asking), async_stages=(apart("scan", step("x"), step("y")),))

    (member,) = _drive(place, screen, of)

    entries = {entry.address: entry for entry in _folder(place, member.id).journal.read()}
    assert member.status is Status.ERROR
    assert "file:///nowhere/lib" in entries[Address(member.id)].reason
    assert entries[Address(member.id, "scan")].status is Status.NOT_RUN
    assert entries[Address(member.id, "scan", "y")].status is Status.CANCELLED
    assert [event.entry.address for event in screen.events["scan"] if isinstance(event, Changed)][-1].stage == ""
    assert {address.run for address in world.starts} == {member.parent}


def test_one_with_a_fault_fails_with_it(place: Local, screen: Screen) -> None:
    asking = triggering("t", "scan", fake={"FAKE_SAVE_REPO": "lib url=https://h/lib path=../x"})

    (member,) = _drive(place, screen, plan(stage("s", asking), async_stages=(apart("scan"),)))

    last = _folder(place, member.id).journal.read()[-1]
    assert (last.status, "leads out of the workspace" in last.reason) == (Status.FAILURE, True)


def test_the_tree_of_one_that_has_ended_is_given_back(place: Local, screen: Screen, repository: Repository) -> None:
    run = LocalRun(place, Order(plan=ASKING, **_in(repository, repository.commit("file"))), screen)

    _through(run)

    assert isinstance(run.family, Family)
    assert run.family.means.trees._leases == {}


def test_one_that_is_cancelled_while_its_repository_is_fetched_ends_as_cancelled(
    place: Local, screen: Screen, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = LocalRun(place, Order(plan=ASKING, **_in(repository, repository.commit("file"))), screen)
    assert isinstance(run.family, Family)
    sources, asked = run.family.means.trees._here, threading.Event()
    fetched = sources.fetched

    def slow(spec: Any, *, wanted: Any) -> Any:  # noqa: ANN401 - as that in whose place it is
        asked.set()
        while wanted():
            threading.Event().wait(0.01)
        return fetched(spec, wanted=wanted)

    monkeypatch.setattr(sources, "fetched", slow)
    run.drive(lambda _: None)
    assert asked.wait(DEADLINE)
    run.cancel()
    run.family.wait()

    (member,) = run.family.members()
    assert member.status is Status.CANCELLED
    assert _folder(place, member.id).journal.read()[-1].reason == "it was cancelled"


# Secrets.


def test_the_secrets_of_its_parent_are_masked_in_its_logs(place: Local, screen: Screen) -> None:
    of = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan", step("x", text=f"say {SECRET}")),))

    (member,) = _drive(place, screen, of, secrets={"TOKEN": SECRET})

    assert [path.read_text() for path in _folder(place, member.id).logs.glob("*.log")] == ["say ***\n"]


def test_it_has_the_secrets_of_its_parent_which_stand_in_no_file(place: Local, screen: Screen) -> None:
    using = step("x", secrets=(SecretUse(source="CODE", target="FAKE_EXIT"),))
    of = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan", using),), secrets=("CODE",))

    (member,) = _drive(place, screen, of, secrets={"CODE": "00047"}, inputs=Inputs(secure={"key": SECRET}))

    entries = {entry.address: entry for entry in _folder(place, member.id).journal.read()}
    assert entries[Address(member.id, "scan", "x")].exit_code == 47
    kept = [path.read_bytes() for path in (place.settings.state / "runs").rglob("*") if path.is_file()]
    assert not [data for data in kept if b"00047" in data or SECRET.encode() in data]
    assert json.loads(_folder(place, member.id).order.read_text())["confidential"] == ["CODE", "key"]


def test_a_secret_in_the_reason_why_one_cannot_begin_is_masked(place: Local, screen: Screen) -> None:
    asking = triggering("t", "scan", fake={"FAKE_SAVE_REPO": "lib url=/nowhere/hunter2"})
    of = plan(stage("s", asking), async_stages=(apart("scan"),))

    (member,) = _drive(place, screen, of, secrets={"TOKEN": "hunter2"})

    reason = _folder(place, member.id).journal.read()[-1].reason
    assert ("hunter2" in reason, "***" in reason) == (False, True)
