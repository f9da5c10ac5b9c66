"""What signals mean for a run that is watched; for the commands that watch, see ``test_following``, ``test_submit``."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runner.cli.client.daemon import Daemon
from runner.cli.client.endpoint import Endpoint
from runner.cli.client.signals import Canceller, leaving
from runner.engine.events import Event, Notice
from tests.support.api_stand import Stand, answer, failure, standing
from tests.support.faces import RUN

CANCEL = f"POST /runs/{RUN}/cancel"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with standing(tmp_path / "runner.sock") as found:
        found.on(CANCEL, answer(status=202))
        yield found


@pytest.fixture
def seen() -> list[Event]:
    return []


@pytest.fixture
def canceller(tmp_path: Path, seen: list[Event]) -> Iterator[Canceller]:
    made = Canceller(Daemon(Endpoint(socket=tmp_path / "runner.sock")), RUN, seen.append, again=0.02)
    yield made
    made.close()


def test_a_wish_is_told_to_the_daemon(stand: Stand, canceller: Canceller) -> None:
    canceller.ask(force=False)
    stand.until(CANCEL, 1)
    canceller.ask(force=True)
    stand.until(CANCEL, 2)
    canceller.close()

    assert stand.bodies(CANCEL) == [
        {"force": False, "children": False},
        {"force": True, "children": False},
    ]


def test_whoever_asks_does_not_wait(stand: Stand, canceller: Canceller) -> None:
    hold = threading.Event()
    stand.on(CANCEL, lambda _: hold.wait(30))

    canceller.ask(force=False)
    stand.until(CANCEL)

    hold.set()


def test_a_daemon_that_is_away_is_told_when_it_is_back(tmp_path: Path, canceller: Canceller) -> None:
    canceller.ask(force=True)
    threading.Event().wait(0.1)

    with standing(tmp_path / "runner.sock") as stand:
        stand.on(CANCEL, answer(status=202))
        stand.until(CANCEL)
        canceller.close()

    assert stand.bodies(CANCEL) == [{"force": True, "children": False}]


def test_without_a_daemon_it_can_end_all_the_same(canceller: Canceller) -> None:
    canceller.ask(force=False)
    canceller.close()


def test_a_run_that_has_ended_meanwhile_is_no_trouble(stand: Stand, canceller: Canceller, seen: list[Event]) -> None:
    stand.on(CANCEL, failure(409, "run has ended"))

    canceller.ask(force=False)
    stand.until(CANCEL)
    canceller.close()

    assert seen == []
    assert len(stand.asked) == 1


def test_what_the_daemon_says_instead_is_shown(stand: Stand, canceller: Canceller, seen: list[Event]) -> None:
    stand.on(CANCEL, failure(500, "the disk is full", hint="make room", code=3))

    canceller.ask(force=False)
    stand.until(CANCEL)
    canceller.close()

    assert seen == [Notice("the run cannot be cancelled: the disk is full (make room)")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_the_first_signal_decides_the_exit_code(number: signal.Signals, code: int) -> None:
    stops: list[None] = []

    with leaving(lambda: stops.append(None), number, signal.SIGUSR1) as arrived:
        assert arrived() is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGUSR1)

        assert arrived() == code
    assert len(stops) == 2


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with suppress(ValueError), leaving(lambda: None, signal.SIGTERM):
        raise ValueError

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with leaving(lambda: None, signal.SIGHUP) as arrived:
            os.kill(os.getpid(), signal.SIGHUP)
            assert arrived() is None
    finally:
        signal.signal(signal.SIGHUP, before)
