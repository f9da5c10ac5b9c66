"""``runner shell``: a terminal on this side, a WebSocket to a daemon that is not there on the other."""

import json
import os
import pty
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import Server, ServerConnection, serve, unix_serve

from tests.support.api_stand import failure, standing
from tests.support.faces import RUN
from tests.support.remote import RUNNER, Remote

Talk = Callable[[ServerConnection], None]


@contextmanager
def _shell(socket: Path, talk: Talk) -> Iterator[Server]:
    """Have a shell behind a socket that does what the test says."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    with unix_serve(talk, str(socket)) as server:
        yield from _serving(server)


def _serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()


class _Seat:
    """A person at a terminal of 24 rows and 80 columns, in front of ``runner shell``."""

    def __init__(self, data: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.keys, its = pty.openpty()
        termios.tcsetwinsize(self.keys, (24, 80))
        self._modes = termios.tcgetattr(self.keys)
        self.process = subprocess.Popen(
            [RUNNER, "shell", *arguments],
            env={**os.environ, "RUNNER_DATA_DIR": str(data), **(env or {})},
            preexec_fn=lambda: os.login_tty(its),  # noqa: PLW1509 - nothing else makes a controlling terminal
        )
        os.close(its)
        self.shown = b""

    def until(self, text: bytes) -> None:
        """Wait until something is shown."""
        while text not in self.shown:
            self.shown += os.read(self.keys, 4096)

    def end(self) -> int:
        """Wait for its end; return the exit code."""
        try:
            while data := os.read(self.keys, 4096):
                self.shown += data
        except OSError:
            pass  # this is how a terminal ends
        return self.process.wait(30)

    def restored(self) -> bool:
        """Return whether the terminal is as it was."""
        return termios.tcgetattr(self.keys) == self._modes

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.keys)


def _echo(connection: ServerConnection) -> None:
    """Show every frame, and end at a ``q``."""
    connection.send(b"ready\r\n")
    for message in connection:
        shown = repr(message).encode()
        connection.send(shown + b"\r\n")
        if message == b"q":
            return


def test_keys_go_there_and_bytes_come_back(tmp_path: Path) -> None:
    asked: list[str] = []

    def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request.path)
        _echo(connection)

    with _shell(tmp_path / "runner.sock", talk), closing(_Seat(tmp_path, RUN, "build/two b")) as seat:
        seat.until(b"ready\r\n")
        os.write(seat.keys, b"\x03\x04")
        seat.until(b"b'\\x03\\x04'\r\n")
        os.write(seat.keys, b"q")

        assert seat.end() == 0
    assert asked == [f"/api/v1/runs/{RUN}/shell?stage=build&step=two+b"]


def test_the_size_is_told_at_first_and_whenever_it_changes(tmp_path: Path) -> None:
    with _shell(tmp_path / "runner.sock", _echo), closing(_Seat(tmp_path, RUN, "build")) as seat:
        seat.until(b'{"rows": 24, "columns": 80}')
        termios.tcsetwinsize(seat.keys, (31, 97))
        seat.until(b'{"rows": 31, "columns": 97}')
        os.write(seat.keys, b"q")

        assert seat.end() == 0


def test_over_tcp_the_token_is_shown(tmp_path: Path) -> None:
    shown: list[Any] = []

    def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        shown.append((connection.request.headers["Authorization"], connection.request.headers.get("Origin")))

    with serve(talk, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        for _ in _serving(server):
            with closing(_Seat(tmp_path, RUN, "a", env={"RUNNER_URL": address, "RUNNER_TOKEN": "t0ken"})) as seat:
                assert seat.end() == 0
    assert shown == [("Bearer t0ken", None)]


def test_what_the_daemon_says_instead_of_a_shell_is_told_on_a_restored_terminal(tmp_path: Path) -> None:
    error = {"message": "the workspace is not kept any more", "hint": "rerun it", "findings": []}

    def talk(connection: ServerConnection) -> None:
        connection.send(json.dumps({"error": error, "exit_code": 2}))
        connection.close(1011)

    with _shell(tmp_path / "runner.sock", talk), closing(_Seat(tmp_path, RUN, "build")) as seat:
        assert seat.end() == 2

        assert b"runner: the workspace is not kept any more\r\n        rerun it\r\n" in seat.shown


def test_a_connection_that_breaks_is_no_success(tmp_path: Path) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.send(b"ready")
        connection.socket.close()

    with _shell(tmp_path / "runner.sock", talk), closing(_Seat(tmp_path, RUN, "build")) as seat:
        assert seat.end() == 3

        assert b"the connection to the shell broke" in seat.shown


def test_a_terminal_that_goes_ends_the_shell(tmp_path: Path) -> None:
    over = threading.Event()

    def talk(connection: ServerConnection) -> None:
        connection.send(b"ready")
        for _ in connection:
            pass
        over.set()

    with _shell(tmp_path / "runner.sock", talk):
        seat = _Seat(tmp_path, RUN, "build")
        seat.until(b"ready")
        os.close(seat.keys)

        assert over.wait(30)
        seat.process.wait(30)


def test_sigterm_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with _shell(tmp_path / "runner.sock", _echo), closing(_Seat(tmp_path, RUN, "build")) as seat:
        seat.until(b"ready")
        began = time.monotonic()
        assert not seat.restored()
        seat.process.send_signal(signal.SIGTERM)
        while not seat.restored() and time.monotonic() - began < 20:
            time.sleep(0.02)

        assert seat.restored()
        assert seat.end() == 0


def test_a_run_that_is_not_there_is_told_as_everywhere(tmp_path: Path) -> None:
    with standing(tmp_path / "runner.sock") as stand, closing(_Seat(tmp_path, "nix", "build")) as seat:
        stand.on("GET /runs/nix/shell", failure(404, "there is no run 'nix'"))

        assert seat.end() == 2
        assert b"runner: there is no run 'nix'\r\n" in seat.shown


def test_without_a_daemon_it_is_3(tmp_path: Path) -> None:
    with closing(_Seat(tmp_path, RUN, "build")) as seat:
        assert seat.end() == 3

        assert re.search(rb"no daemon listens at .*runner.sock\r\n", seat.shown)


def test_what_is_no_daemon_is_told(tmp_path: Path) -> None:
    with standing(tmp_path / "runner.sock") as stand, closing(_Seat(tmp_path, RUN, "build")) as seat:
        stand.on(f"GET /runs/{RUN}/shell", lambda handler: handler.send(200, "text/html", b"<html>"))

        assert seat.end() == 3


def test_a_shell_needs_a_terminal(remote: Remote) -> None:
    assert remote.call("shell", RUN, "build") == 2

    assert "a shell needs a terminal" in remote.err
    assert remote.stand.asked == []


@pytest.mark.parametrize("arguments", [(), (RUN,)])
def test_a_shell_is_somewhere(remote: Remote, arguments: tuple[str, ...]) -> None:
    assert remote.call("shell", *arguments) == 2
