"""The async stages that ``exec`` does not wait for: how their processes are begun, and how they stand."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.dispatch import apart
from runner.dispatch.apart import KEPT, Detached
from runner.dispatch.family import ChildrenOf
from runner.dispatch.orders import StoredOrder
from runner.engine.children import Child
from runner.engine.job import Keep
from runner.engine.journal import Entry
from runner.errors import NotFoundError, UsageError
from runner.naming import Address, Instance
from runner.pipelinectl.payload import Payload, Request
from runner.plan.status import Status
from runner.store.runs import Kinship, RunStore
from tests.support import children
from tests.support.plans import plan, stage, step

PARENT, CHILD = "0000beef", "0000cafe"
PLAN = plan(stage("s", step("a")), async_stages=(children.apart("scan"),))
ORDER = StoredOrder(plan=PLAN, secrets={"TOKEN": "hunter2"})
REQUEST = Request(id=CHILD, payload=Payload(stage="scan"))
HOSTILE = """
    import pathlib
    pathlib.Path({mark!r}).touch()
    raise SystemExit
"""


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "state")


@pytest.fixture
def detached(store: RunStore) -> Iterator[Detached]:
    found = Detached(store, Keep.NEVER)
    yield found
    for process in found._processes:
        process.kill()
        process.wait()


@pytest.fixture
def of_run(detached: Detached) -> ChildrenOf:
    """What starts the async stages of a run."""
    return detached.of(PARENT, ORDER)


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no engine answer to the processes that are begun."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("RUNNER_STATE_DIR", str(tmp_path / "state"))


def _instead(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have the processes do something else."""
    monkeypatch.setattr(apart, "_MAIN", ("-c", textwrap.dedent(script)))


def test_the_process_imports_nothing_from_the_directory_it_is_begun_in(
    detached: Detached, of_run: ChildrenOf, no_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be anybody's checkout, and the process is handed secrets."""
    checkout, mark = tmp_path / "checkout", tmp_path / "mark"
    for name in ("json.py", "select.py", "git.py", "docker/__init__.py", "runner/__init__.py"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(textwrap.dedent(HOSTILE.format(mark=str(mark))))
    monkeypatch.chdir(checkout)

    with pytest.raises(UsageError, match=r"^async stage scan: .*engine"):
        of_run.start(REQUEST)

    assert not mark.exists()
    assert detached.reports() == [{"stage": "scan", "id": CHILD, "status": "error"}]


def test_one_that_cannot_begin_is_an_error_in_the_list_and_not_tried_again(
    detached: Detached, of_run: ChildrenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(monkeypatch, "import sys; sys.stdin.read(); print('the disk is full (make room)', end='')")

    with pytest.raises(UsageError, match=r"^async stage scan: the disk is full \(make room\)$"):
        of_run.start(REQUEST)

    assert of_run.start(REQUEST) is None
    assert len(detached._processes) == 1
    assert of_run.all() == [{"stage": "scan", "id": CHILD, "status": "error"}]


@pytest.mark.parametrize(
    "script", ["", "raise SystemExit(3)", "import os; os.close(0); os.close(1)"], ids=["nothing", "exit", "closed"]
)
def test_a_process_that_ends_without_an_answer_is_one_that_could_not_begin(
    of_run: ChildrenOf, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    _instead(monkeypatch, script)

    with pytest.raises(UsageError, match=r"^async stage scan: its process "):
        of_run.start(REQUEST)

    assert [each["status"] for each in of_run.all()] == ["error"]


def test_nobody_waits_for_ever_for_a_process_that_does_not_answer(
    of_run: ChildrenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_SECONDS", 0.05)
    _instead(monkeypatch, "import time; time.sleep(3600)")

    with pytest.raises(UsageError, match=r"its process has not answered within 0\.05 s"):
        of_run.start(REQUEST)


def test_where_no_process_can_be_made_that_is_the_reason(of_run: ChildrenOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(UsageError, match="async stage scan: no process can be started: No such file or directory"):
        of_run.start(REQUEST)

    assert [each["status"] for each in of_run.all()] == ["error"]


def test_one_that_has_begun_is_begun_once_and_is_told_on_a_pipe_what_nobody_else_may_see(
    detached: Detached, of_run: ChildrenOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    tells = f"import pathlib, sys; pathlib.Path({str(told)!r}).write_text(sys.stdin.read()); print({KEPT!r}, end='')"
    _instead(monkeypatch, tells)

    found = [of_run.start(REQUEST), of_run.start(REQUEST)]

    assert found == [Child(stage="scan", id=CHILD), None]
    (process,) = detached._processes
    assert process.wait() == 0
    assert "hunter2" in told.read_text()
    assert not [argument for argument in process.args if "hunter2" in str(argument)]  # type: ignore[union-attr]  # a list


def test_how_one_stands_is_what_its_own_process_has_written(
    detached: Detached, of_run: ChildrenOf, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(monkeypatch, f"print({KEPT!r}, end='')")
    of_run.start(REQUEST)
    before = detached.reports()

    instance = Instance(id="i", kind="exec", host="h", owner="o", lock=str(tmp_path / "instances" / "i.lock"))
    folder = store.create(CHILD, PLAN, instance, Kinship(parent=PARENT, child="scan"))
    folder.journal.take().append(Entry(address=Address(CHILD), status=Status.RUNNING, at=0.0))

    assert [each["status"] for each in before] == ["pending"]
    assert [each["status"] for each in detached.reports()] == ["running"]


def test_it_outlives_whoever_has_begun_it(
    detached: Detached, of_run: ChildrenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(monkeypatch, "import os, sys; sys.stdin.read(); print('its session is', os.getsid(0) == os.getpid())")

    with pytest.raises(UsageError, match="its session is True"):
        of_run.start(REQUEST)

    detached.cancel(force=True)
    detached.wait()
    assert detached._processes[0].wait() == 0


def test_a_stage_that_the_plan_does_not_declare_begins_no_process(detached: Detached, of_run: ChildrenOf) -> None:
    with pytest.raises(NotFoundError):
        of_run.start(Request(id=CHILD, payload=Payload(stage="none")))

    assert (detached._processes, of_run.all()) == ([], [])
