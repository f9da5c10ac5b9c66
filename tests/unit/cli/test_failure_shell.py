"""``--shell-on-failure`` on this side: who gets the terminal when, and in which modes."""

import io
import os
import pty
import select
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.cli import failure_shell, raw_terminal
from runner.cli.failure_shell import FailureShell, check_terminal
from runner.cli.options import OutputFormat
from runner.engine.backend import Backend, Terminal
from runner.engine.specs import Release, StepSpec
from runner.errors import InfrastructureError, UsageError
from tests.support.engine import at
from tests.support.hooked import DEADLINE

RELEASE = Release(environment={"TOKEN": "hunter2"})


class _Backend:
    """A backend whose shells do what the test says."""

    def __init__(self, shell: Callable[[Terminal], None] = lambda _: None) -> None:
        self.opened: list[tuple[StepSpec, Release]] = []
        self._shell = shell

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        self.opened.append((step, release))
        self._shell(terminal)


@dataclass
class _Place:
    """A pseudo-terminal that is the process's own; ``keys`` is the end at which a person sits."""

    keys: int
    cancelled: bool = False
    suspensions: list[str] = field(default_factory=list)

    @property
    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.keys)

    @property
    def seen(self) -> str:
        assert select.select([self.keys], [], [], DEADLINE)[0]
        return os.read(self.keys, 4096).decode()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        self.suspensions.append("begun")
        yield
        self.suspensions.append("over")

    def shell(self, backend: _Backend) -> FailureShell:
        return FailureShell(cast("Backend", backend), self.suspended, lambda: self.cancelled)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Place]:
    keys, its = pty.openpty()
    with os.fdopen(its, "r+b", buffering=0) as stream:
        # Not in `sys` itself, where pytest has streams of its own in place.
        for module in (failure_shell, raw_terminal):
            monkeypatch.setattr(module, "sys", SimpleNamespace(stdin=stream, stdout=stream))
        found = _Place(keys)
        yield found
        if found.keys >= 0:
            os.close(keys)


def step(path: str = "build/test") -> StepSpec:
    return StepSpec(address=at(path), image="i")


def test_the_backend_opens_a_shell_for_the_step_with_its_variables(place: _Place) -> None:
    backend = _Backend()

    place.shell(backend)(step(), RELEASE)

    assert backend.opened == [(step(), RELEASE)]
    assert place.seen.startswith("build/test failed: opening a shell like it; `exit` goes on with the run\r\n")


def test_the_terminal_is_raw_while_the_shell_has_it_and_as_it_was_afterwards(place: _Place) -> None:
    before, meanwhile = place.modes, []

    place.shell(_Backend(lambda _: meanwhile.append(place.modes)))(step(), RELEASE)

    assert not meanwhile[0][3] & (termios.ISIG | termios.ICANON | termios.ECHO)
    assert place.modes == before


def test_the_terminal_is_as_it_was_after_a_shell_that_could_not_be_opened(place: _Place) -> None:
    def fail(_: Terminal) -> None:
        raise InfrastructureError("there is none")

    before = place.modes

    with pytest.raises(InfrastructureError, match="there is none"):
        place.shell(_Backend(fail))(step(), RELEASE)
    assert place.modes == before


def test_the_display_is_suspended_while_the_shell_has_the_terminal(place: _Place) -> None:
    backend = _Backend(lambda _: place.suspensions.append("shell"))

    place.shell(backend)(step(), RELEASE)

    assert place.suspensions == ["begun", "shell", "over"]


def test_a_run_that_is_to_end_opens_no_shell(place: _Place) -> None:
    backend = _Backend()
    place.cancelled = True

    place.shell(backend)(step(), RELEASE)

    assert backend.opened == []


def test_shells_are_opened_one_after_the_other(place: _Place) -> None:
    first, go_on = threading.Event(), threading.Event()

    def shell(_: Terminal) -> None:
        first.set()
        assert go_on.wait(DEADLINE)

    backend = _Backend(shell)
    opening = place.shell(backend)
    threads = [threading.Thread(target=opening, args=(step(path), RELEASE)) for path in ("a/x", "b/x")]
    for thread in threads:
        thread.start()
    assert first.wait(DEADLINE)
    threads[1].join(0.1)
    count = len(backend.opened)
    go_on.set()
    for thread in threads:
        thread.join(DEADLINE)

    assert count == 1
    assert {spec.address.path for spec, _ in backend.opened} == {"a/x", "b/x"}


def test_a_run_that_ends_meanwhile_opens_no_second_shell(place: _Place) -> None:
    def shell(_: Terminal) -> None:
        place.cancelled = True

    backend = _Backend(shell)
    opening = place.shell(backend)
    opening(step("a/x"), RELEASE)
    opening(step("b/x"), RELEASE)

    assert [spec.address.path for spec, _ in backend.opened] == ["a/x"]


def test_a_shell_is_told_when_the_run_is_to_end(place: _Place) -> None:
    told: list[bool] = []

    def shell(terminal: Terminal) -> None:
        told.append(terminal.closed())
        place.cancelled = True
        told.append(terminal.closed())

    place.shell(_Backend(shell))(step(), RELEASE)

    assert told == [False, True]


def test_keys_arrive_as_they_were_typed_and_bytes_are_shown_as_they_are(place: _Place) -> None:
    typed: list[bytes] = []

    def shell(terminal: Terminal) -> None:
        assert "opening" in place.seen
        os.write(place.keys, b"\x03\r\x04")
        typed.append(os.read(terminal.fileno(), 100))
        terminal.write(b"one\ntwo\r\n")
        typed.append(place.seen.encode())

    place.shell(_Backend(shell))(step(), RELEASE)

    assert typed == [b"\x03\r\x04", b"one\ntwo\r\n"]


def test_the_size_is_the_terminals_at_each_moment_whatever_the_environment_says(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "5")
    sizes: list[tuple[int, int]] = []

    def shell(terminal: Terminal) -> None:
        sizes.append(terminal.size())
        termios.tcsetwinsize(place.keys, (31, 97))
        sizes.append(terminal.size())

    place.shell(_Backend(shell))(step(), RELEASE)

    assert sizes == [(0, 0), (31, 97)]


def test_a_terminal_that_goes_meanwhile_is_closed_and_no_error(place: _Place) -> None:
    found: list[object] = []

    def shell(terminal: Terminal) -> None:
        os.close(place.keys)
        place.keys = -1
        terminal.write(b"is anybody there?")
        found.extend((terminal.closed(), terminal.size()))

    place.shell(_Backend(shell))(step(), RELEASE)

    assert found == [True, (0, 0)]


def test_a_terminal_that_went_before_is_the_machines_trouble(place: _Place) -> None:
    backend = _Backend()
    os.close(place.keys)
    place.keys = -1

    with pytest.raises(InfrastructureError, match="the terminal cannot be used: "):
        place.shell(backend)(step(), RELEASE)
    assert backend.opened == []


def test_a_steps_name_cannot_move_the_cursor(place: _Place) -> None:
    place.shell(_Backend())(step("build/\x1b[2Jtest"), RELEASE)

    assert place.seen.startswith("build/test failed")


def test_a_person_at_a_terminal_may_ask_for_shells(place: _Place) -> None:
    check_terminal(OutputFormat.TEXT)


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_without_a_terminal_nobody_may_ask_for_shells(
    place: _Place, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setattr(f"runner.cli.failure_shell.sys.{stream}", io.StringIO())

    with pytest.raises(UsageError, match="--shell-on-failure needs a terminal"):
        check_terminal(OutputFormat.TEXT)


@pytest.mark.parametrize("output", [OutputFormat.JSON, OutputFormat.EVENTS])
def test_a_shell_and_an_output_for_programs_do_not_go_together(place: _Place, output: OutputFormat) -> None:
    with pytest.raises(UsageError, match=f"--shell-on-failure and --output {output} do not go together"):
        check_terminal(output)
