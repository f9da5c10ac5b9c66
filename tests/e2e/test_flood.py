"""Every line arrives, in order and unchanged, fast and in little memory."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from runner.errors import ExitCode
from tests.support.cli import PATIENCE, Place, Running

pytestmark = pytest.mark.alone

COUNT = 1_000_000
WIDE = ["seq", "-f", "%099.0f", str(COUNT)]
"""Prints 100 MB: numbered lines of 100 bytes each, their ends included."""

MEGABYTE = 1 << 20
LIMIT = 150 * MEGABYTE
RATIO = 1.5


def pipeline(command: str) -> str:
    return f'version: "1"\nsteps:\n  - {{name: s, image: "debian:local", commands: ["{command}"]}}\n'


def peak(running: Running) -> int:
    """Wait for the end of a command, and return the most memory that it had, in bytes."""
    status = Path(f"/proc/{running.process.pid}/status")
    most = 0
    deadline = time.monotonic() + PATIENCE
    while running.process.poll() is None and time.monotonic() < deadline:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        most = max(most, int(found[1]) * 1024) if found else most
        time.sleep(0.05)
    return most


def check(file: Path, trace: str, width: int) -> None:
    """Check that the file holds the trace and every number in order, and else only lines about the run."""
    prefix, expected = b"steps/s | ", 0
    around = []
    with file.open("rb") as lines:
        for line in lines:
            if line.startswith(prefix) and expected:
                assert line == prefix + b"%0*d\n" % (width, expected)
                expected += 1
            elif line == prefix + f"$ {trace}\n".encode():
                expected = 1
            else:
                around.append(line)
    assert expected == COUNT + 1
    assert len(around) == 4, around


def test_100_megabytes_arrive_whole_as_fast_as_with_docker_run_and_in_flat_memory(place: Place, tmp_path: Path) -> None:
    command = " ".join(WIDE)
    place.write(pipeline(command))
    file = tmp_path / "out"
    with file.open("wb") as stdout:
        running = place.start("exec", stdout=stdout)
        most = peak(running)
        finished = running.finish()
    began = time.monotonic()
    with (tmp_path / "reference").open("wb") as stdout:
        subprocess.run(["docker", "run", "--rm", "debian:local", *WIDE], stdout=stdout, check=True, timeout=PATIENCE)
    reference = time.monotonic() - began
    ratio = finished.seconds / reference
    print(  # noqa: T201 - the figures that the test is about
        f"100 MB: runner {finished.seconds:.2f} s, docker run {reference:.2f} s, ratio {ratio:.2f}, "
        f"peak {most / MEGABYTE:.0f} MB"
    )

    assert finished.code == ExitCode.SUCCESS
    check(file, command, 99)
    assert (tmp_path / "reference").stat().st_size == 100 * COUNT
    assert 0 < most < LIMIT
    assert ratio < RATIO


def test_a_million_short_lines_arrive_whole_and_lie_in_the_log_file(place: Place, tmp_path: Path) -> None:
    place.write(pipeline(f"seq {COUNT}"))
    file = tmp_path / "out"
    with file.open("wb") as stdout:
        running = place.start("exec", stdout=stdout)
        most = peak(running)
        finished = running.finish()
    log = next(place.runs[0].glob("logs/*.log"))

    assert finished.code == ExitCode.SUCCESS
    check(file, f"seq {COUNT}", 1)
    assert log.read_bytes() == f"$ seq {COUNT}\n".encode() + b"".join(b"%d\n" % n for n in range(1, COUNT + 1))
    assert 0 < most < LIMIT
