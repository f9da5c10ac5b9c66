"""What is said of async stages at the beginning of ``exec``, and at its end."""

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.cli.beside import Beside, listed, seen_by_children, worst
from runner.cli.printer import Face
from runner.dispatch.family import Family
from runner.dispatch.orders import StoredOrder, Tree
from runner.dispatch.single import means_of
from runner.engine.children import Child
from runner.engine.events import Event
from runner.engine.inputs import Inputs
from runner.engine.job import Keep
from runner.engine.report import ChildReport
from runner.errors import ExitCode
from runner.logs.files import LogBook
from runner.logs.follow import Block
from runner.naming import Address
from runner.plan.trigger import Commit, Trigger
from tests.support.children import apart
from tests.support.local import fake_local, showing_nothing
from tests.support.plans import plan, stage, step
from tests.support.repositories import Repository

PLAN = plan(stage("s", step("a")), async_stages=(apart("scan"),))
DONE: ChildReport = {"stage": "scan", "id": "0000cafe", "status": "success"}
FAILED: ChildReport = {"stage": "check", "id": "0000beef", "status": "failure"}
PAUSED: ChildReport = {"stage": "ask", "id": "0000face", "status": "paused"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def _said(directory: Path, commit: str = "") -> list[str]:
    """Return what is said of a run of a directory, of which the local git knows a commit."""
    inputs = Inputs(trigger=Trigger(commit=Commit(sha=commit)))
    return list(seen_by_children(StoredOrder(plan=PLAN, tree=Tree(directory=str(directory)), inputs=inputs)))


def _as_it_is(directory: Path) -> list[str]:
    return [f"async stages see {directory} as it is then: it is no commit of a repository"]


def test_of_a_clean_checkout_nothing_is_said_since_all_see_the_same(repository: Repository) -> None:
    assert _said(repository.root, repository.commit("one")) == []


def test_what_has_changed_since_the_commit_is_not_seen(repository: Repository) -> None:
    commit = repository.commit("one")
    repository.write("one", "changed")

    assert _said(repository.root, commit) == [f"async stages see commit {commit[:8]}, not what has changed here since"]


def test_a_file_that_is_not_committed_is_not_seen_either(repository: Repository) -> None:
    commit = repository.commit("one")
    repository.write("two")

    assert _said(repository.root, commit) == [f"async stages see commit {commit[:8]}, not what has changed here since"]


def test_a_repository_without_a_commit_is_seen_as_it_is_then(repository: Repository) -> None:
    assert _said(repository.root) == _as_it_is(repository.root)


def test_a_directory_without_git_is_seen_as_it_is_then(tmp_path: Path) -> None:
    assert _said(tmp_path) == _as_it_is(tmp_path)


def test_a_directory_of_a_repository_below_its_top_is_seen_as_it_is_then(repository: Repository) -> None:
    commit = repository.commit("deep/one")
    below = repository.root / "deep"

    assert _said(below, commit) == _as_it_is(below)


def test_a_commit_of_another_repository_is_not_believed(repository: Repository, tmp_path: Path) -> None:
    """As with ``--source``, or with a payload of a commit that has not been fetched."""
    repository.commit("one")
    other = Repository(tmp_path / "other").commit("two")

    assert _said(repository.root, other) == _as_it_is(repository.root)


def test_a_directory_that_has_lost_its_git_is_no_error(repository: Repository) -> None:
    commit = repository.commit("one")
    shutil.rmtree(repository.root / ".git")

    assert _said(repository.root, commit) == _as_it_is(repository.root)


class Unseen:
    """A face that shows nothing."""

    def lines(self, address: Address, block: Block) -> None: ...

    def event(self, event: Event) -> None: ...

    def flush(self) -> None: ...

    def suspended(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_further_runs_of_one_stage_are_numbered_whichever_of_them_is_shown_first(tmp_path: Path) -> None:
    beside, prefixes = Beside(), list[str]()

    def face(_: LogBook, prefix: str) -> Face:
        prefixes.append(prefix)
        return Unseen()

    beside.face = face
    with fake_local(tmp_path / "state", FakeBackend()) as place:
        family = Family(means_of(place, Keep.NEVER), showing_nothing)
        order = StoredOrder(plan=PLAN, tree=Tree(directory=str(tmp_path)), inputs=Inputs())
        for run in ("0000ffff", "0000aaaa"):
            family.adopt("0000beef", Child(stage="scan", id=run), order)
        family.wait()
        for member in reversed(family.members()):
            with beside(member):
                pass

    assert prefixes == ["child#2:", "child:"]


def test_each_is_listed_with_its_run_and_how_that_stands() -> None:
    assert list(listed([DONE, FAILED])) == [
        "async stage scan: run 0000cafe: success",
        "async stage check: run 0000beef: failure",
    ]


@pytest.mark.parametrize(
    ("children", "code"),
    [
        ([], ExitCode.SUCCESS),
        ([DONE], ExitCode.SUCCESS),
        ([DONE, FAILED], ExitCode.FAILURE),
        ([PAUSED, DONE], ExitCode.PAUSED),
        ([PAUSED, FAILED], ExitCode.FAILURE),
    ],
)
def test_one_that_did_not_succeed_is_the_failure_of_whoever_waits(children: list[ChildReport], code: ExitCode) -> None:
    assert worst(children) is code
