"""The daemon as a whole: how it ends, what it leaves, and how many runs it takes."""

import os
import queue
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner import daemon as daemon_module
from runner.backends.docker.client import Engine
from runner.backends.fake import FakeBackend
from runner.engine.job import Task
from runner.errors import ConflictError, DaemonRunningError
from runner.naming import Address, Instance
from runner.plan.model import Plan
from runner.store.sql.database import Database, sqlite_url
from runner.store.sql.runs import Runs
from tests.support.daemons import Daemon, Grounds
from tests.support.databases import unexpected
from tests.support.hooked import DEADLINE
from tests.support.plans import hanging, step, steps_only, stubborn

PROCESS_SECONDS = 50.0
"""How long a process may take for something, on a machine that has a lot to do."""

ROOT = Path(__file__).parents[2]
ONE = steps_only(step("a", text="hello"))
HANGING = steps_only(hanging("a"))
TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    found = Grounds(data=tmp_path / "data")
    found.set(queues={"default": 1}, drain=60.0)
    return found


def test_what_is_learnt_of_an_engine_is_remembered_where_exec_does(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Path] = []

    def backend(*_: object, memory: Path) -> FakeBackend:
        given.append(memory)
        return FakeBackend(grounds.world)

    monkeypatch.setattr(daemon_module, "DockerBackend", backend)
    monkeypatch.setattr(Engine, "check", lambda _: None)

    daemon_module.on_docker(grounds.settings, Instance(id="d", kind="daemon", host="here", owner="me"))

    assert given == [grounds.settings.state / "engine"]


class Ending:
    """A daemon that serves, and gets signals."""

    def __init__(self, daemon: Daemon, of: Plan) -> None:
        self.daemon = daemon
        self.run, self.waiting = daemon.submit(of), daemon.submit(ONE)
        daemon.until(self.run, "s/a")
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._task = Task("until ended", lambda: daemon.house.until_ended(self._arrived))

    def signal(self, *numbers: int) -> "Ending":
        """Let signals arrive, each when the one before has been taken."""
        for number in numbers:
            self._arrived.put(number)
            for _ in range(int(DEADLINE / 0.01)):
                if self._arrived.empty():
                    break
                time.sleep(0.01)
        return self

    @property
    def over(self) -> bool:
        """Whether it has come to its end, in time."""
        return self._task.over(DEADLINE)

    @property
    def statuses(self) -> tuple[str, str]:
        """How the run that had begun and the one that waited stand."""
        return self.daemon.status(self.run), self.daemon.status(self.waiting)


@contextmanager
def _ending(grounds: Grounds, of: Plan = HANGING) -> Iterator[Ending]:
    with grounds.serving() as daemon:
        yield Ending(daemon, of)


@pytest.mark.parametrize("number", [TERM, INT])
def test_the_first_signal_lets_what_runs_end_and_begins_nothing(grounds: Grounds, number: int) -> None:
    with _ending(grounds) as ending:
        ending.signal(number)
        for _ in range(int(DEADLINE / 0.01)):
            if ending.daemon.service.health().status == "draining":
                break
            time.sleep(0.01)
        assert ending.statuses == ("running", "pending")

        grounds.world.containers[Address(ending.run, "s", "a")].end(0)

        assert ending.over
        assert ending.statuses == ("success", "pending")


def test_when_nothing_runs_the_first_signal_is_the_end(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        arrived.put(TERM)

        assert Task("until ended", lambda: daemon.house.until_ended(arrived)).over(DEADLINE)


def test_what_has_not_ended_when_the_time_is_over_is_cancelled(grounds: Grounds) -> None:
    grounds.set(drain=0.05)
    with _ending(grounds) as ending:
        assert ending.signal(TERM).over
        assert ending.statuses == ("cancelled", "pending")


def test_the_second_signal_cancels_what_runs(grounds: Grounds) -> None:
    with _ending(grounds) as ending:
        assert ending.signal(TERM, TERM).over
        assert ending.statuses == ("cancelled", "pending")


def test_the_third_signal_leaves_what_does_not_end(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with _ending(grounds, steps_only(stubborn("a"))) as ending:
        monkeypatch.setattr(ending.daemon.house.means.backend, "signal", _deaf)
        assert ending.signal(TERM, INT, TERM).over
        assert ending.statuses == ("running", "pending")
        assert "left to the next daemon" in capfd.readouterr().err


def _deaf(address: Address, number: object) -> None:
    """Do nothing: what runs is not to be ended at all."""


@pytest.mark.parametrize("before", [(), (TERM,), (TERM, TERM)])
def test_hanging_up_leaves_what_runs_at_any_time(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, before: tuple[int, ...]
) -> None:
    with _ending(grounds, steps_only(stubborn("a"))) as ending:
        monkeypatch.setattr(ending.daemon.house.means.backend, "signal", _deaf)
        assert ending.signal(*before, HUP).over
        assert ending.statuses == ("running", "pending")


def test_a_run_that_ends_while_it_is_about_to_be_cancelled_is_no_trouble(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _ending(grounds) as ending:
        cancel = ending.daemon.service.cancel

        def late(run: str, *, force: bool) -> None:
            cancel(run, force=True)
            raise ConflictError(f"run {run} has ended: success")

        monkeypatch.setattr(ending.daemon.service, "cancel", late)

        assert ending.signal(TERM, TERM).over


def test_a_second_daemon_of_a_directory_refuses_and_names_the_first(grounds: Grounds) -> None:
    with (
        grounds.living(),
        pytest.raises(DaemonRunningError, match=rf"already \(process {os.getpid()}\)"),
        grounds.living(),
    ):
        pass


@contextmanager
def _runs(grounds: Grounds) -> Iterator[Runs]:
    database = Database.open(sqlite_url(grounds.data / "runner.db"), unexpected)
    try:
        yield Runs(database)
    finally:
        database.close()


def _status(grounds: Grounds, run: str) -> str:
    with _runs(grounds) as runs:
        return runs.get(run).status


def _await(grounds: Grounds, run: str, status: str) -> None:
    end = time.monotonic() + PROCESS_SECONDS
    with _runs(grounds) as runs:
        while runs.get(run).status != status:
            assert time.monotonic() < end, f"{run} never becomes {status}"
            time.sleep(0.05)


def test_a_process_takes_its_signals_and_leaves_its_directory_to_the_next(grounds: Grounds) -> None:
    with grounds.living() as daemon:
        first, second = daemon.submit(HANGING), daemon.submit(HANGING)

    left = _signalled(grounds, lambda: _await(grounds, first, "running"), HUP)
    assert (left.returncode, _status(grounds, first)) == (0, "running")
    assert b"listening on " in left.stderr
    with grounds.living() as daemon:
        daemon.service.cancel(first, force=False)

    ended = _signalled(grounds, lambda: _await(grounds, second, "running"), TERM, INT)
    assert (ended.returncode, _status(grounds, first)) == (0, "cancelled")
    assert _status(grounds, second) == "cancelled"
    assert b"1 runs go on and have 60 s, a second signal cancels them" in ended.stderr


def _signalled(grounds: Grounds, ready: Callable[[], None], *numbers: int) -> subprocess.CompletedProcess[bytes]:
    """Let a process serve, send it signals when it is ready, and return how it ended."""
    command = [sys.executable, "-m", "tests.support.fake_daemon", str(grounds.data)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            ready()
            for number in numbers:
                process.send_signal(number)
            _, stderr = process.communicate(timeout=PROCESS_SECONDS)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, stderr=stderr)


MANY, FEW = 1000, 200


def test_many_runs_are_taken_and_driven_and_an_idle_daemon_begins_one_at_once(
    grounds: Grounds, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """With ``--all`` there are a thousand of them."""
    count = MANY if pytestconfig.option.all else FEW
    grounds.set(queues={"default": 8})
    of = steps_only(step("a"))
    with grounds.living() as daemon:
        start = time.monotonic()
        runs = [daemon.submit(of) for _ in range(count)]
        enqueued = time.monotonic() - start

        start = time.monotonic()
        daemon.serve()
        while (health := daemon.service.health()).waiting or health.running:
            assert time.monotonic() - start < count, "they do not end"
            time.sleep(0.05)
        finished = time.monotonic() - start

        assert len(set(runs)) == count
        assert {each.status for each in daemon.service.runs(limit=count)} == {"success"}
        assert len(grounds.world.starts) == sum(grounds.world.starts.values()) == count
        assert not grounds.world.runs

    with grounds.serving() as daemon:
        latencies = sorted(_latency(daemon, of) for _ in range(20))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{count} runs: stored in {enqueued:.2f} s, driven in {finished:.2f} s (8 at a time); "
            f"an idle daemon begins a step {statistics.median(latencies) * 1000:.0f} ms after it was asked, "
            f"at worst {latencies[-1] * 1000:.0f} ms\n"
        )
    assert enqueued / count < 0.1
    assert finished / count < 0.25


def _latency(daemon: Daemon, of: Plan) -> float:
    """Return how long after a submission its step begins, in seconds."""
    start = time.monotonic()
    run = daemon.submit(of)
    daemon.until(run, "s/a")
    passed = time.monotonic() - start
    daemon.ended(run)
    return passed
