"""The runs that ``exec`` has kept: found, ended by ``runner cancel``, and read again."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import naming
from runner.dispatch.orders import StoredOrder
from runner.dispatch.past import Past
from runner.engine.journal import Entry
from runner.errors import ConflictError, InfrastructureError
from runner.naming import Address, Instance
from runner.pipelinectl.values import Store, values_of
from runner.plan.status import Status
from runner.store import instances
from runner.store.runs import Kinship, RunFolder, RunStore
from tests.support.plans import plan, stage, step

PARENT, CHILD, OTHER = "0000beef", "0000cafe", "0000f00d"
PLAN = plan(stage("s", step("a")))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(state: Path) -> RunStore:
    return RunStore(state)


@pytest.fixture
def alive(state: Path) -> Iterator[Instance]:
    """A process of exec that goes on."""
    with instances.live(state, instances.KIND_EXEC) as instance:
        yield instance


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when it is told to."""
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"]) as found:
        yield found
        found.kill()


def _past(state: Path, run: str) -> Past:
    found = Past.find(state, run)
    assert found is not None
    return found


def _driven_by(folder: RunFolder, process: int) -> None:
    (folder.path / "pid").write_text(f"{process}\n")


def _child(store: RunStore, instance: Instance) -> RunFolder:
    return store.create(CHILD, PLAN, instance, Kinship(parent=PARENT, child="scan"))


def test_a_run_of_exec_is_ended_as_a_terminal_does(
    state: Path, store: RunStore, alive: Instance, process: subprocess.Popen[bytes]
) -> None:
    _driven_by(store.create(PARENT, PLAN, alive), process.pid)

    _past(state, PARENT).cancel()

    assert process.wait() == -signal.SIGTERM


def test_a_run_that_has_ended_cannot_be_cancelled(
    state: Path, store: RunStore, process: subprocess.Popen[bytes]
) -> None:
    with instances.live(state, instances.KIND_EXEC) as instance:
        _driven_by(store.create(PARENT, PLAN, instance), process.pid)

    with pytest.raises(ConflictError, match=f"run {PARENT} has ended"):
        _past(state, PARENT).cancel()
    assert process.poll() is None


def test_a_run_of_whose_process_nothing_is_known_cannot_be_cancelled(
    state: Path, store: RunStore, alive: Instance
) -> None:
    folder = store.create(PARENT, PLAN, alive)
    (folder.path / "pid").unlink()

    with pytest.raises(ConflictError):
        _past(state, PARENT).cancel()


def test_an_async_stage_in_the_process_of_its_parent_is_not_ended_alone(
    state: Path, store: RunStore, alive: Instance, process: subprocess.Popen[bytes]
) -> None:
    for folder in (store.create(PARENT, PLAN, alive), _child(store, alive)):
        _driven_by(folder, process.pid)

    with pytest.raises(ConflictError, match=f"run {CHILD} is driven with its parent, run {PARENT}") as caught:
        _past(state, CHILD).cancel()

    assert caught.value.hint == "Ctrl-C there ends both"
    assert process.poll() is None


def test_an_async_stage_in_a_process_of_its_own_is_ended_alone(
    state: Path, store: RunStore, alive: Instance, process: subprocess.Popen[bytes]
) -> None:
    store.create(PARENT, PLAN, alive)
    _driven_by(_child(store, alive), process.pid)

    _past(state, CHILD).cancel()

    assert process.wait() == -signal.SIGTERM


def test_an_async_stage_whose_parent_has_been_forgotten_is_ended_all_the_same(
    state: Path, store: RunStore, alive: Instance, process: subprocess.Popen[bytes]
) -> None:
    _driven_by(_child(store, alive), process.pid)

    _past(state, CHILD).cancel()

    assert process.wait() == -signal.SIGTERM


def test_a_process_that_ends_at_this_moment_is_no_error(
    state: Path, store: RunStore, alive: Instance, process: subprocess.Popen[bytes]
) -> None:
    process.kill()
    process.wait()
    _driven_by(store.create(PARENT, PLAN, alive), process.pid)

    _past(state, PARENT).cancel()


@pytest.mark.parametrize("run", ["0000dead", "", ".", "..", "../runs/0000beef"])
def test_what_is_no_run_is_not_found(state: Path, store: RunStore, alive: Instance, run: str) -> None:
    store.create(PARENT, PLAN, alive)

    assert Past.find(state, run) is None


def test_a_run_lists_those_that_it_has_started_with_how_they_stand(
    state: Path, store: RunStore, alive: Instance
) -> None:
    store.create(PARENT, PLAN, alive)
    _child(store, alive).journal.take().append(Entry(address=Address(CHILD), status=Status.FAILURE, at=1.0))
    store.create(OTHER, PLAN, alive, Kinship(parent=PARENT, child="scan", origin=CHILD))

    assert _past(state, PARENT).report()["children"] == [
        {"stage": "scan", "id": CHILD, "status": "failure"},
        {"stage": "scan", "id": OTHER, "status": "pending", "origin": CHILD},
    ]
    assert _past(state, CHILD).report()["children"] == []


def test_what_was_ordered_comes_back_without_secrets_but_with_their_names(state: Path, store: RunStore) -> None:
    with instances.live(state, instances.KIND_EXEC) as instance:
        order = StoredOrder(plan=PLAN, secrets={"TOKEN": "hunter2"})
        store.create(PARENT, PLAN, instance).keep_order(order.document())

    found, names = _past(state, PARENT).order()

    assert (found.plan, found.secrets, names) == (PLAN, {}, ("TOKEN",))


def test_a_run_that_goes_on_cannot_be_run_again(state: Path, store: RunStore, alive: Instance) -> None:
    store.create(PARENT, PLAN, alive).keep_order(StoredOrder(plan=PLAN).document())

    with pytest.raises(ConflictError, match=f"run {PARENT} has not ended") as caught:
        _past(state, PARENT).order()
    assert caught.value.hint == "`runner cancel` ends it"


def test_a_run_of_which_nothing_was_kept_is_told_by_its_file(state: Path, store: RunStore) -> None:
    with instances.live(state, instances.KIND_EXEC) as instance:
        folder = store.create(PARENT, PLAN, instance)

    with pytest.raises(InfrastructureError, match=f"{folder.order} cannot be read: No such file or directory"):
        _past(state, PARENT).order()
    folder.plan.write_text("{")
    with pytest.raises(InfrastructureError, match=f"{folder.plan} cannot be read"):
        _ = _past(state, PARENT).plan


def test_what_a_run_has_left_is_told_again_when_it_is_over(state: Path, store: RunStore, alive: Instance) -> None:
    folder = store.create(PARENT, PLAN, alive)
    assert _past(state, PARENT).report()["values"]["env"] == {}

    returned = {f"m.{naming.returns(Address(PARENT, 's', 'a'))}": b"json\n[1]"}
    folder.keep_values(json.dumps(values_of(Store(contents={"e.k": b"v\n"}, returned=returned))))
    document = _past(state, PARENT).report()

    assert document["values"]["env"] == {"k": "v"}
    assert document["stages"][0]["steps"][0]["returns"]["primary"] == [1]


def test_values_that_cannot_be_read_are_an_error(state: Path, store: RunStore, alive: Instance) -> None:
    store.create(PARENT, PLAN, alive).values.write_bytes(b"{")

    with pytest.raises(InfrastructureError, match=r"values\.json cannot be read"):
        _past(state, PARENT).report()
