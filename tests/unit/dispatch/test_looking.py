"""Shells in what is kept of runs that failed."""

import os
import threading
from collections.abc import Iterator

import pytest

from runner.backends.standing import leftovers
from runner.dispatch.requests import Again, Inline, Repository, Submission
from runner.engine.job import Task
from runner.errors import ConflictError, InfrastructureError, NotFoundError, UsageError, WorkspaceError
from runner.naming import Address
from tests.support.daemons import Daemon, Grounds, text_of
from tests.support.hooked import DEADLINE, Fault
from tests.support.plans import plan, service, stage, step, steps_only
from tests.support.repositories import Repository as GitRepository

BAD = plan(
    stage("a", step("x")),
    stage("b", step("y"), step("z", 1), step("never"), needs=("a",)),
    stage("c", step("x"), needs=("b",)),
    services=[service("db")],
)


class Desk:
    """Where a person sits who types what they are told, and leaves when they are told."""

    def __init__(self) -> None:
        self.keys, self.typed = os.pipe()
        self.shown = b""
        self.prompted = threading.Event()

    def fileno(self) -> int:
        return self.keys

    def write(self, data: bytes) -> None:
        self.shown += data
        self.prompted.set()

    def size(self) -> tuple[int, int]:
        return 24, 80

    def closed(self) -> bool:
        return False

    def leave(self) -> None:
        os.write(self.typed, b"exit\n")


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    yield found
    os.close(found.keys)
    os.close(found.typed)


@pytest.mark.parametrize(("path", "place"), [("b/", "b/z"), ("b/y", "b/y"), ("b/z", "b/z"), ("a/", "a/x")])
def test_a_shell_opens_where_a_step_ran_else_where_the_last_one_of_its_stage_did(
    daemon: Daemon, grounds: Grounds, desk: Desk, path: str, place: str
) -> None:
    run = daemon.run(BAD)
    before = daemon.house.means.journal(run).read()
    stage_name, step_name = path.split("/")
    desk.leave()

    daemon.service.shell(run, stage_name, step_name, desk)

    assert [address.path for address in grounds.world.shells] == [place]
    assert desk.shown == b"fake $ "
    assert daemon.house.means.journal(run).read() == before
    assert not leftovers(grounds.world)
    assert run in grounds.world.kept


def test_while_somebody_has_a_shell_nobody_else_gets_the_workspaces(
    daemon: Daemon, grounds: Grounds, desk: Desk
) -> None:
    run = daemon.run(BAD)
    shell = Task("shell", lambda: daemon.service.shell(run, "b", "", desk))
    assert desk.prompted.wait(DEADLINE)

    for ask in (
        lambda: daemon.service.shell(run, "a", "", desk),
        lambda: daemon.service.rerun(run, Again(failed=True)),
    ):
        with pytest.raises(ConflictError, match="somebody has a shell"):
            ask()
    daemon.house.housekeeping.tidy()
    assert f"run {run}" in leftovers(grounds.world)

    desk.leave()
    shell.finish()
    assert daemon.ended(daemon.service.rerun(run, Again(failed=True)).id)


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("none/", NotFoundError, "no stage 'none'"),
        ("b/none", NotFoundError, "no step 'none'"),
        ("/", UsageError, "where a step of a stage ran"),
        ("@services/db", UsageError, "where a step of a stage ran"),
        ("b/never", ConflictError, "step never of stage b has not begun"),
        ("c/", ConflictError, "stage c has not begun"),
    ],
)
def test_where_nothing_ran_there_is_no_shell(
    daemon: Daemon, desk: Desk, path: str, error: type[Exception], words: str
) -> None:
    run, (stage_name, step_name) = daemon.run(BAD), path.split("/")

    with pytest.raises(error, match=words):
        daemon.service.shell(run, stage_name, step_name, desk)
    assert not desk.shown


def test_a_stage_that_another_run_has_done_has_its_shell_there(daemon: Daemon, desk: Desk) -> None:
    first = daemon.run(BAD)
    second = daemon.ended(daemon.service.rerun(first, Again(failed=True)).id)

    with pytest.raises(ConflictError, match=f"stage a has not begun in run {second}"):
        daemon.service.shell(second, "a", "", desk)


def test_a_run_that_was_not_kept_has_no_shell(daemon: Daemon, desk: Desk) -> None:
    run = daemon.run(steps_only(step("a")))

    with pytest.raises(ConflictError, match="not kept"):
        daemon.service.shell(run, "s", "", desk)


def test_a_shell_that_cannot_be_opened_leaves_nothing_and_can_be_tried_again(
    daemon: Daemon, grounds: Grounds, desk: Desk
) -> None:
    run = daemon.run(BAD)
    grounds.hook = Fault("shell", "b/z", InfrastructureError("the image is gone"), times=1)

    with pytest.raises(InfrastructureError, match="the image is gone"):
        daemon.service.shell(run, "b", "", desk)
    assert not leftovers(grounds.world)

    desk.leave()
    daemon.service.shell(run, "b", "", desk)
    assert grounds.world.shells == [Address(run, "b", "z")]


def test_a_shell_in_a_run_whose_repository_has_gone_says_so(
    grounds: Grounds, repository: GitRepository, desk: Desk
) -> None:
    repository.commit("file")
    inline = Inline(text=text_of(BAD), repository=Repository(url=str(repository.root)))
    with grounds.serving() as daemon:
        run = daemon.ended(daemon.service.submit(Submission(inline=inline), local=False).id)
    for folder in (grounds.data / "mirrors", repository.root):
        folder.rename(folder.with_name(f"{folder.name}.gone"))

    with grounds.serving() as daemon:
        with pytest.raises(WorkspaceError, match=str(repository.root)):
            daemon.service.shell(run, "b", "", desk)
        assert daemon.house.service._looking._keeping.looked_into() == frozenset()
