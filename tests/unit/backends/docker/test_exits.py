"""The news of exits, of real processes: which of them are believed to be a container's, and how they have ended."""

import errno
import fcntl
import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.backends.docker import exits
from runner.backends.docker.exits import Exits, exit_code, opened
from runner.backends.docker.reader import Reader
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import StubEngine, answer, refuse, stub_engine

CONTAINER = "c" * 64
FEW_SECONDS = 0.2
TELLS = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 15)
"""Whether this machine's kernel is one that tells how a process has ended."""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "100"]) as process:
        yield process
        process.kill()


@pytest.fixture
def reader() -> Iterator[Reader]:
    found = Reader()
    yield found
    found.close()


@pytest.fixture
def contained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every process that lives be one of the container."""
    monkeypatch.setattr(
        exits, "_is_in", lambda pid, container: container == CONTAINER and Path(f"/proc/{pid}").exists()
    )


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


@pytest.fixture
def watch(
    stub: StubEngine, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., threading.Event]]:
    """Return what watches a container, and returns an event of its exit."""
    monkeypatch.setattr(exits, "local_socket", str)
    engine = stub.engine()

    def watch(pid: int) -> threading.Event:
        stub.script[f"/containers/{CONTAINER}/json"] = [answer(_inspected(pid))]
        gone = threading.Event()

        def tell(process: int) -> None:
            os.close(process)
            gone.set()

        Exits(engine, reader).watch(CONTAINER, tell)
        return gone

    yield watch
    engine.api.close()


def _inspected(pid: int) -> dict[str, object]:
    state = {
        "Status": "running",
        "ExitCode": 0,
        "Error": "",
        "OOMKilled": False,
        "StartedAt": "2026-01-01T00:00:00+00:00",
        "FinishedAt": "0001-01-01T00:00:00+00:00",
        "Pid": pid,
    }
    return {
        "Id": CONTAINER,
        "State": state,
        "Config": {"Entrypoint": None, "OpenStdin": False, "Labels": {}},
        "HostConfig": {"LogConfig": {"Type": "none", "Config": {}}, "Memory": 0},
        "NetworkSettings": {"Networks": {}},
    }


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _own_group(pid: int) -> str:
    """Return the name of a process's control group: a part of what the kernel says of it."""
    return Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1]


def test_a_process_of_the_container_is_opened_and_tells_of_its_exit(child: subprocess.Popen[bytes]) -> None:
    descriptor = opened(child.pid, _own_group(child.pid))

    assert descriptor is not None
    assert select.select([descriptor], [], [], 0)[0] == []
    child.kill()
    assert select.select([descriptor], [], [], DEADLINE)[0] == [descriptor]
    os.close(descriptor)


def test_a_process_of_another_control_group_is_let_go(child: subprocess.Popen[bytes]) -> None:
    before = _descriptors()

    assert opened(child.pid, CONTAINER) is None
    assert _descriptors() == before


def test_a_process_that_has_gone_is_none(child: subprocess.Popen[bytes]) -> None:
    group = _own_group(child.pid)
    child.kill()
    child.wait()

    assert opened(child.pid, group) is None
    assert opened(0, group) is None


def test_a_process_that_goes_before_its_control_group_was_looked_at_is_let_go(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, before, real = _own_group(child.pid), _descriptors(), os.pidfd_open

    def late(pid: int) -> int:
        descriptor = real(pid)
        child.kill()
        child.wait()
        return descriptor

    monkeypatch.setattr(os, "pidfd_open", late)

    assert opened(child.pid, group) is None
    assert _descriptors() == before


@pytest.mark.parametrize("error", [PermissionError(1, "not here"), OSError(38, "no such call"), None])
def test_a_kernel_that_opens_no_processes_gives_no_news(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, error: OSError | None
) -> None:
    def refused(_: int) -> int:
        assert error is not None
        raise error

    if error is None:
        monkeypatch.delattr(os, "pidfd_open")
    else:
        monkeypatch.setattr(os, "pidfd_open", refused)

    assert opened(child.pid, _own_group(child.pid)) is None


@pytest.mark.usefixtures("contained")
def test_the_exit_of_a_container_is_told_once_it_has_come(
    child: subprocess.Popen[bytes], watch: Callable[..., threading.Event]
) -> None:
    gone = watch(child.pid)
    assert not gone.wait(FEW_SECONDS)

    child.send_signal(signal.SIGTERM)

    assert gone.wait(DEADLINE)


@pytest.mark.usefixtures("contained")
def test_an_exit_that_came_before_its_parent_has_taken_notice_is_told_at_once(
    child: subprocess.Popen[bytes], watch: Callable[..., threading.Event]
) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert watch(child.pid).wait(DEADLINE)


def test_nothing_is_told_of_a_process_that_is_not_proven_to_be_the_container_s(
    child: subprocess.Popen[bytes], watch: Callable[..., threading.Event]
) -> None:
    gone = watch(child.pid)
    child.kill()

    assert not gone.wait(FEW_SECONDS)


@pytest.mark.parametrize("status", [404, 500])
def test_nothing_is_told_where_the_engine_does_not_know(
    stub: StubEngine, watch: Callable[..., threading.Event], reader: Reader, status: int
) -> None:
    watch(0)
    stub.script[f"/containers/{CONTAINER}/json"] = [refuse(status, "no")]
    engine, told = stub.engine(), threading.Event()

    Exits(engine, reader).watch(CONTAINER, lambda _: told.set())

    assert not told.is_set()
    engine.api.close()


def test_an_engine_of_another_machine_is_not_even_asked(stub: StubEngine, reader: Reader) -> None:
    engine = stub.engine()

    Exits(engine, reader).watch(CONTAINER, lambda _: None)

    assert stub.requests == []


@contextmanager
def _held(pid: int) -> Iterator[int]:
    """Hold a descriptor of a process."""
    process = os.pidfd_open(pid)
    try:
        yield process
    finally:
        os.close(process)


@contextmanager
def _ended(script: str = "exit 0") -> Iterator[int]:
    """Hold a descriptor of a process that has ended as a script says, and has been waited for."""
    with (
        subprocess.Popen(["sh", "-c", f"read line; {script}"], stdin=subprocess.PIPE) as process,
        _held(process.pid) as descriptor,
    ):
        process.communicate(b"\n")
        yield descriptor


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", -signal.SIGKILL)])
def test_a_new_kernel_tells_how_a_process_has_ended_and_an_old_one_does_not(script: str, code: int) -> None:
    with _ended(script) as process:
        assert exit_code(process) == (code if TELLS else None)


def test_nothing_is_told_of_a_process_that_lives_or_that_its_parent_has_not_taken_notice_of(
    child: subprocess.Popen[bytes],
) -> None:
    with _held(child.pid) as process:
        assert exit_code(process) is None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert exit_code(process) is None


def test_it_is_waited_for_that_its_parent_takes_notice(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exits, "_REAPED_MILLISECONDS", DEADLINE * 1000)
    parent = threading.Timer(FEW_SECONDS, child.wait)
    with _held(child.pid) as process:
        child.kill()
        parent.start()
        assert exit_code(process) == (-signal.SIGKILL if TELLS else None)
        parent.join()


def test_nothing_is_told_where_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.ENOTTY, "no such request")

    monkeypatch.setattr(fcntl, "ioctl", refused)

    with _ended() as process:
        assert exit_code(process) is None


def test_nothing_is_told_where_the_kernel_knows_the_request_and_no_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfilled(_: int, __: int, info: bytearray) -> int:
        info[:8] = bytes(8)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", unfilled)

    with _ended() as process:
        assert exit_code(process) is None


@pytest.mark.usefixtures("contained")
def test_whoever_hears_of_an_exit_is_given_what_tells_how_it_was(
    child: subprocess.Popen[bytes], stub: StubEngine, reader: Reader, watch: Callable[..., threading.Event]
) -> None:
    watch(child.pid)
    engine, told, codes = stub.engine(), threading.Event(), list[int | None]()

    def tell(process: int) -> None:
        child.wait()
        codes.append(exit_code(process))
        os.close(process)
        told.set()

    Exits(engine, reader).watch(CONTAINER, tell)
    child.send_signal(signal.SIGTERM)

    assert told.wait(DEADLINE)
    assert codes == [-signal.SIGTERM if TELLS else None]
    engine.api.close()
