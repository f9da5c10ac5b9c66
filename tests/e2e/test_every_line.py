"""Every line of a step arrives, in order and unchanged, however many there are and however slowly somebody reads.

1 MB and 10 MB always, 100 MB and 1 GB with ``--all``; ``-s`` prints what has arrived.
"""

import json
import os
import re
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pytest

from runner.engine.report import Report
from runner.errors import ExitCode
from runner.plan.status import Status
from tests.support.cli import PATIENCE, Place, Running
from tests.support.offspring import until
from tests.support.standing_daemon import Standing, daemon_in

LINE_BYTES = 100
SIZES = {"1 MB": 10_000, "10 MB": 100_000}
"""How many lines of 100 bytes, their ends included."""
WHOLE = {**SIZES, "100 MB": 1_000_000, "1 GB": 10_000_000}
LONG = 1200.0
"""Seconds for 1 GB on a machine that has other things to do."""

PREFIX = b"steps/s | "
PIECE = 1 << 18
MEGABYTE = 1 << 20
MORE = 64 * MEGABYTE
"""By how much the memory of a daemon may grow, whatever a step prints and whoever follows."""

pytestmark = [pytest.mark.alone, pytest.mark.timeout(2 * LONG)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    sizes = WHOLE if metafunc.config.option.all else SIZES
    metafunc.parametrize("count", [pytest.param(count, id=name) for name, count in sizes.items()])


def numbered(first: int, end: int) -> bytes:
    return b"".join(b"%099d\n" % number for number in range(first, end))


class Tally:
    """What has arrived of the step's numbered lines, added up while it comes."""

    def __init__(self, stream: BinaryIO, prefix: bytes = PREFIX) -> None:
        self.lines = 0
        self.first = self.last = b""
        self.rest = b""
        self.around: list[bytes] = []
        """All other lines: of the run, and what the shell traced."""
        self._hash = sha256()
        self._stream = stream
        self._prefix = prefix
        self._thread = threading.Thread(target=self._read, daemon=True)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def start(self) -> "Tally":
        self._thread.start()
        return self

    def finish(self) -> "Tally":
        self._thread.join(LONG)
        assert not self._thread.is_alive(), f"after {self.lines:,} lines nothing more comes, and no end"
        return self

    def _read(self) -> None:
        with self._stream:
            while data := os.read(self._stream.fileno(), PIECE):
                whole, newline, self.rest = (self.rest + data).rpartition(b"\n")
                if newline:
                    self._take(whole + newline)

    def _take(self, block: bytes) -> None:
        begin = self._prefix + b"0"
        if not block.startswith(begin) or block.count(b"\n" + begin) != block.count(b"\n") - 1:
            lines = block.splitlines(keepends=True)
            self.around += [line for line in lines if not line.startswith(begin)]
            block = b"".join(line for line in lines if line.startswith(begin))
        if block:
            block = block.removeprefix(self._prefix).replace(b"\n" + self._prefix, b"\n")
            self.first = self.first or block.partition(b"\n")[0]
            self.last = block[:-1].rpartition(b"\n")[2]
            self.lines += block.count(b"\n")
            self._hash.update(block)


def check(tally: Tally, count: int, who: str) -> None:
    """Check that these are the numbers from 1 to the last, each once and in order, and say so."""
    expected = sha256()
    for first in range(1, count + 1, 10_000):
        expected.update(numbered(first, min(first + 10_000, count + 1)))
    print(f"{who}: {tally.lines:,} of {count:,} lines, sha256 {tally.digest[:16]}")  # noqa: T201 - the figures
    assert (tally.lines, tally.first, tally.last, tally.rest) == (count, b"%099d" % 1, b"%099d" % count, b"")
    assert tally.digest == expected.hexdigest()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """Give a directory for what commands keep, and take the logs away, since old directories of tests stay for long."""
    folder = tmp_path / "room"
    folder.mkdir()
    yield folder
    for log in tmp_path.rglob("*.log"):
        log.unlink()


def pipeline(count: int, *before: str, **fields: object) -> str:
    commands = [*before, f"seq -f %0{LINE_BYTES - 1}.0f {count}"]
    step = {"name": "s", "image": "debian:local", "commands": commands, **fields}
    return json.dumps({"version": "1", "steps": [step]})


def piped(start: Callable[[BinaryIO], Running]) -> tuple[Running, BinaryIO]:
    """Start a command whose output nobody reads yet; return it, and where that comes out."""
    ours, its = os.pipe()
    with os.fdopen(its, "wb") as stdout:
        running = start(stdout)
    return running, os.fdopen(ours, "rb", buffering=0)


def memory(running: Running, kind: str) -> int:
    """Return the resident memory of a process in bytes: VmRSS as it is, VmHWM at its most."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{kind}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) << 10


def test_every_line_arrives_through_exec(count: int, place: Place, room: Path) -> None:
    place.write(pipeline(count))

    running, stdout = piped(lambda stdout: place.start("exec", stdout=stdout))
    tally = Tally(stdout).start()
    finished = running.finish(LONG)
    tally.finish()

    assert finished.code == ExitCode.SUCCESS
    check(tally, count, f"exec, {finished.seconds:.1f} s")
    (log,) = place.runs[0].glob("logs/*.log")
    check(Tally(log.open("rb", buffering=0), b"").start().finish(), count, "its log")


@pytest.fixture
def daemon(place: Place, room: Path) -> Iterator[Standing]:
    place.environment = {"RUNNER_VOLUMES": f"{room}:/proof:rw", "TMPDIR": str(room)}
    with daemon_in(place) as found:
        yield found


@contextmanager
def held(daemon: Standing, count: int, room: Path) -> Iterator[str]:
    """Submit a run whose step prints once the block has ended; give its id."""
    holds = "until [ -e /proof/go ]; do sleep 0.05; done"
    daemon.place.write(pipeline(count, holds, volumes=[f"{room}:/proof"]))
    yield daemon.submit()
    (room / "go").touch()


def follow(daemon: Standing, run: str, *part: str) -> tuple[Running, BinaryIO]:
    """Follow a run or a part of it; return the command and its output once there is some, all of it unread."""
    place = daemon.place
    running, stdout = piped(lambda out: place.start("logs", "-f", run, *part, stdout=out, env=daemon.variables))
    assert select.select([stdout], [], [], PATIENCE)[0], running.text
    return running, stdout


def test_every_line_arrives_at_three_followers_of_a_daemon_of_whom_one_stalls(
    count: int, daemon: Standing, room: Path
) -> None:
    """One has the whole run mirrored, two write as they hear; of these one is read when all else is over."""
    assert daemon.process is not None
    before = memory(daemon.process, "VmRSS")
    with held(daemon, count, room) as run:
        followers = {part: follow(daemon, run, *part) for part in ((), ("steps",))}
        stalled, unread = follow(daemon, run, "steps/s")
        tallies = {part: Tally(stdout).start() for part, (_, stdout) in followers.items()}
    began = time.monotonic()
    report = ended(daemon, run)
    took = time.monotonic() - began

    with closing(unread):
        assert [running.finish(LONG).code for running, _ in followers.values()] == [ExitCode.SUCCESS] * 2
        for part, tally in tallies.items():
            check(tally.finish(), count, f"follower of {'/'.join(part) or 'the run'}")
        assert stalled.process.poll() is None, "it cannot have written more than a pipe takes"
        late = Tally(unread).start().finish()
    assert stalled.finish(LONG).code == ExitCode.SUCCESS
    check(late, count, "stalled follower")

    most = memory(daemon.process, "VmHWM")
    print(  # noqa: T201 - the figures
        f"the step took {took:.1f} s; the daemon had {before / MEGABYTE:.0f} MB before, {most / MEGABYTE:.0f} at most"
    )
    assert report["run"]["status"] == Status.SUCCESS
    assert most - before < MORE


def ended(daemon: Standing, run: str) -> Report:
    """Wait until a run is over; return how it stands then."""
    over = (Status.PENDING, Status.RUNNING)
    until(lambda: daemon.client.summary(run).status not in over, f"the end of run {run}", LONG)
    return daemon.client.report(run)
