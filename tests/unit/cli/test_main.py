"""How the process ends: without taking itself apart, and with nothing left undone."""

import os
import subprocess
import sys

import pytest

ENDING = """
import atexit, os, sys, threading, time
from runner.cli import app
from runner.cli.main import main

class Torn:
    def __del__(self):
        os.write(2, b"torn ")

torn = Torn()

def run():
    sys.stdout.write("written ")
    threading.Thread(target=lambda: (time.sleep(0.2), sys.stdout.write("thread "))).start()
    atexit.register(lambda: sys.stdout.write("registered "))
    return {code}

app.run = run
main()
"""


def _end(code: int) -> subprocess.CompletedProcess[str]:
    program = ENDING.replace("{code}", str(code))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_the_process_ends_with_the_code_of_the_command_when_all_is_written(code: int) -> None:
    done = _end(code)

    assert (done.returncode, done.stdout) == (code, "written thread registered ")


def test_the_process_does_not_take_itself_apart() -> None:
    assert _end(0).stderr == ""


def test_what_cannot_be_written_at_the_end_is_told() -> None:
    program = ENDING.replace("{code}", "0")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=nobody,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            text=True,
            check=False,
        )

    assert done.returncode == 120  # Python's own
    assert "BrokenPipeError" in done.stderr


def test_a_process_that_only_imports_it_ends_as_any_other() -> None:
    program = "import sys, runner.cli.main; sys.exit(7)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7
