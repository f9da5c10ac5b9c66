import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from runner.cli.interrupts import interrupts
from runner.errors import ExitCode

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the handlers of this process as they were, whatever a test does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_is_polite_and_every_further_one_forces(capfd: pytest.CaptureFixture[str]) -> None:
    asked: list[bool] = []

    with interrupts(asked.append):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)

    assert asked == [False, True, True]
    first, *further = capfd.readouterr().err.splitlines()
    assert first == "ending the run; once more kills it"
    assert further == ["killing what still runs"] * 2


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
        (signal.SIGHUP, ExitCode.TERMINATED),
    ],
)
def test_a_signal_has_an_exit_code(number: signal.Signals, code: ExitCode) -> None:
    with interrupts(lambda _: None) as taken:
        os.kill(os.getpid(), number)

    assert taken.exit_code == code


def test_whoever_has_a_face_for_it_says_what_happens(capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    with interrupts(lambda _: None, said.append):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    assert said == ["ending the run; once more kills it", "killing what still runs"]
    assert capfd.readouterr().err == ""


def test_the_first_signal_decides_the_exit_code() -> None:
    with interrupts(lambda _: None) as taken:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    assert taken.exit_code == ExitCode.TERMINATED


def test_without_a_signal_there_is_no_exit_code() -> None:
    with interrupts(lambda _: None) as taken:
        pass

    assert taken.exit_code is None


def test_signals_mean_again_what_they_meant_when_the_block_ends() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}

    with interrupts(lambda _: None):
        assert all(signal.getsignal(number) != before[number] for number in SIGNALS)

    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_signals_mean_again_what_they_meant_when_the_block_fails() -> None:
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(ZeroDivisionError), interrupts(lambda _: None):
        raise ZeroDivisionError

    assert signal.getsignal(signal.SIGINT) == before


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked: list[bool] = []

    with interrupts(asked.append) as taken:
        os.kill(os.getpid(), signal.SIGHUP)

    assert asked == []
    assert taken.exit_code is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_run_is_ended_also_when_nobody_can_be_told() -> None:
    program = """
import os, signal
from runner.cli.interrupts import interrupts
os.close(2)
with interrupts(print) as taken:
    os.kill(os.getpid(), signal.SIGHUP)
print(int(taken.exit_code))
"""

    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)

    assert done.stdout == b"False\n143\n"
