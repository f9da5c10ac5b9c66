"""The process of an async stage that nobody waits for, but for the process."""

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.clock import Deadline
from runner.dispatch import detached
from runner.dispatch.apart import KEPT
from runner.dispatch.orders import StoredOrder
from runner.engine.job import Keep
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.settings import Settings
from runner.store.runs import Kinship, RunFolder
from tests.support.children import apart, triggering
from tests.support.hooked import DEADLINE
from tests.support.local import placing
from tests.support.plans import hanging, plan, stage, step

PARENT, CHILD = "0000beef", "0000cafe"
SCAN = plan(stage("scan", step("x", text="scanned")), async_stages=(apart("scan"),))

Main = Callable[[Plan], str]


@pytest.fixture
def world() -> World:
    return World(scale=0.02)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """What the run is kept in."""
    return RunFolder(tmp_path / "state" / "runs" / CHILD)


@pytest.fixture
def main(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Main]:
    """Return what runs such a process with a plan, and returns what it has answered."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(detached, "local", placing(tmp_path / "state", FakeBackend(world)))

    def run(of: Plan) -> str:
        order = StoredOrder(plan=of)
        message = {"parent": PARENT, "run": CHILD, "stage": "scan", "keep": Keep.NEVER}
        message |= {"ordered": order.document(), "hidden": order.hidden()}
        answer = tmp_path / "answer"
        with answer.open("w") as stdout, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(json.dumps(message)))
            patch.setattr("sys.stdout", stdout)
            detached.main()
        return answer.read_text()

    yield run
    signal.signal(signal.SIGTERM, before)


def test_it_says_that_its_run_is_kept_and_drives_it_to_the_end(main: Main, folder: RunFolder, world: World) -> None:
    assert main(SCAN) == KEPT

    assert folder.journal.read()[-1].status is Status.SUCCESS
    assert [path.read_text() for path in folder.logs.glob("*.log")] == ["scanned\n"]
    assert folder.kinship == Kinship(parent=PARENT, child="scan")
    assert folder.process == os.getpid()
    assert leftovers(world) == ()


def test_those_that_its_run_starts_are_driven_to_their_ends_too(main: Main, tmp_path: Path) -> None:
    main(plan(stage("scan", triggering("t", "deeper")), async_stages=(apart("deeper"),)))

    found = [RunFolder(path) for path in (tmp_path / "state" / "runs").iterdir()]
    assert sorted(each.kinship.child for each in found) == ["deeper", "scan"]
    assert {each.journal.read()[-1].status for each in found} == {Status.SUCCESS}


def test_what_keeps_it_from_the_beginning_is_its_answer(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Settings) -> None:
        raise InfrastructureError("no engine answers", hint="start one")

    monkeypatch.setattr(detached, "local", none)

    assert main(SCAN) == "no engine answers (start one)"


def test_a_run_that_cannot_be_kept_is_its_answer(main: Main, tmp_path: Path, world: World) -> None:
    (tmp_path / "state" / "runs" / CHILD).mkdir(parents=True)

    assert "cannot keep the run" in main(SCAN)
    assert not world.starts


def test_a_term_cancels_its_run_which_ends_as_cancelled_and_leaves_nothing(
    main: Main, folder: RunFolder, world: World
) -> None:
    over, hanging_step = threading.Event(), Address(CHILD, "scan", "x")

    def end() -> None:
        deadline = Deadline(DEADLINE)
        while not world.starts[hanging_step]:
            assert not deadline.passed
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        if not over.wait(DEADLINE):
            world.containers[hanging_step].end(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # so that a process that does not hear it does not die of it
    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    main(plan(stage("scan", hanging("x"))))
    over.set()
    ending.join()

    assert folder.journal.read()[-1].status is Status.CANCELLED
    assert leftovers(world) == ()
