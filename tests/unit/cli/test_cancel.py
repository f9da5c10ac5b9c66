import subprocess
import sys
from collections.abc import Iterator

import pytest

from runner.plan import codec
from runner.store import instances
from runner.store.runs import RunFolder, RunStore
from tests.support.api_stand import answer, failure, summary
from tests.support.faces import RUN
from tests.support.remote import PLAN, Remote

CANCEL = f"POST /runs/{RUN}/cancel"


@pytest.mark.parametrize(("options", "force"), [((), False), (("--force",), True)])
def test_a_run_is_told_to_end_without_its_async_stages(remote: Remote, options: tuple[str, ...], force: object) -> None:
    remote.stand.on(CANCEL, answer(status=202))

    assert remote.call("cancel", RUN, *options) == 0

    assert remote.stand.bodies(CANCEL) == [{"force": force, "children": False}]
    assert remote.out == f"run {RUN} is told to end\n"


def test_its_async_stages_are_told_to_end_when_they_are_meant(remote: Remote) -> None:
    remote.stand.on(CANCEL, answer(status=202))

    assert remote.call("cancel", RUN, "--with-children") == 0

    assert remote.stand.bodies(CANCEL) == [{"force": False, "children": True}]
    assert remote.out == f"run {RUN} is told to end, with its async stages\n"


def test_the_last_run_can_be_cancelled_as_such(remote: Remote) -> None:
    remote.stand.on("GET /runs", answer({"runs": [codec.encode(summary(RUN))]}))
    remote.stand.on(CANCEL, answer(status=202))

    assert remote.call("cancel", "last") == 0

    assert remote.stand.bodies(CANCEL) == [{"force": False, "children": False}]


def test_a_run_that_has_ended_cannot_be_cancelled(remote: Remote) -> None:
    remote.stand.on(CANCEL, failure(409, f"run {RUN} has ended"))

    assert remote.call("cancel", RUN) == 2

    assert (remote.out, remote.err) == ("", f"runner: run {RUN} has ended\n")


# A run of exec.


@pytest.fixture
def folder(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A run of exec that goes on."""
    state = remote.data / "state"
    monkeypatch.setenv("RUNNER_STATE_DIR", str(state))
    with instances.live(state, instances.KIND_EXEC) as instance:
        yield RunStore(state).create(RUN, PLAN, instance)


@pytest.fixture
def process(folder: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """The process that drives it."""
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"]) as found:
        (folder.path / "pid").write_text(f"{found.pid}\n")
        yield found
        found.kill()


def test_a_run_of_exec_is_ended_without_a_daemon(remote: Remote, process: subprocess.Popen[bytes]) -> None:
    assert remote.call("cancel", RUN) == 0

    assert process.wait() != 0
    assert (remote.out, remote.stand.asked) == (f"run {RUN} is told to end\n", [])


@pytest.mark.parametrize("option", ["--force", "--with-children"])
def test_a_run_of_exec_ends_all_of_it_by_itself(remote: Remote, process: subprocess.Popen[bytes], option: str) -> None:
    assert remote.call("cancel", RUN, option) == 2

    message = f"run {RUN} is one of exec, which ends all of it by itself"
    assert remote.err == f"runner: {message}\n        leave out the option\n"
    assert process.poll() is None


def test_a_run_of_exec_that_nobody_drives_cannot_be_cancelled(remote: Remote, folder: RunFolder) -> None:
    (folder.path / "pid").unlink()

    assert remote.call("cancel", RUN) == 2

    assert remote.err == f"runner: run {RUN} has ended\n"
