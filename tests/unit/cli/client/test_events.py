"""Hearing a run: see ``test_following`` for what a person sees of it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli.client.daemon import Daemon
from runner.cli.client.endpoint import Endpoint
from runner.cli.client.events import Subscription
from runner.dispatch.feed import Item
from runner.engine.events import Notice
from runner.errors import DaemonUnavailableError, InfrastructureError, NotFoundError
from runner.plan.status import Status
from tests.support.api_stand import ALIVE, CUT, END, Stand, broken, end, event, events, failure, standing
from tests.support.faces import RUN, address, changed
from tests.support.remote import PLAN, STORY, report

EVENTS = f"GET /runs/{RUN}/events"
GONE, BACK = Notice("the daemon has gone; it is waited for up to 60 s"), Notice("the daemon is back")


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with standing(tmp_path / "runner.sock") as found:
        found.has(RUN, plan=PLAN, report=report("failure"))
        yield found


class _Pauses:
    """Time that passes at once."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        threading.Event().wait(0.005)


def _subscription(tmp_path: Path, patience: float = 60.0) -> Subscription:
    daemon = Daemon(Endpoint(socket=tmp_path / "runner.sock"))
    return Subscription(daemon, RUN, patience=patience, pause=_Pauses())


def test_items_are_given_up_to_the_end(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(*STORY[:3], ALIVE, *STORY[3:], END, *STORY[:1]))
    subscription = _subscription(tmp_path)

    assert list(subscription.items()) == list(STORY)
    assert subscription.report == report("failure")


def test_items_come_when_they_happen(stand: Stand, tmp_path: Path) -> None:
    go_on = threading.Event()
    stand.on(EVENTS, events(STORY[0], lambda: go_on.wait(30), *STORY[1:], END))
    items = _subscription(tmp_path).items()

    first = next(items)
    go_on.set()

    assert [first, *items] == list(STORY)


@pytest.mark.parametrize("cut", [b"", event(STORY[4])[:20], event(STORY[4])[:-2]], ids=["between", "early", "late"])
@pytest.mark.parametrize("how", ["cut", "end"])
def test_wherever_a_stream_breaks_it_goes_on_without_a_loss(stand: Stand, tmp_path: Path, cut: bytes, how: str) -> None:
    end = [CUT] if how == "cut" else []
    stand.on(EVENTS, events(*STORY[:4], *([cut] if cut else []), *end), events(*STORY, END))

    assert list(_subscription(tmp_path).items()) == [*STORY[:4], GONE, BACK, *STORY[4:]]


@pytest.mark.parametrize("told", [1, 11, 20, -2, -1])
def test_an_end_that_breaks_is_no_end(stand: Stand, tmp_path: Path, told: int) -> None:
    stand.on(EVENTS, events(*STORY, end(report("success"))[:told], CUT), events(*STORY, END))
    subscription = _subscription(tmp_path)

    items = list(subscription.items())

    assert [item for item in items if item not in (GONE, BACK)] == list(STORY)
    assert subscription.report == report("success" if told == -1 else "failure")


def test_an_end_without_a_report_is_of_another_daemon(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(*STORY, b"event: end\ndata: {}\n\n"))

    with pytest.raises(InfrastructureError, match="an end without a report") as raised:
        list(_subscription(tmp_path).items())

    assert "are its version" in raised.value.hint


def test_a_daemon_that_dies_again_and_again_is_heard_all_the_same(stand: Stand, tmp_path: Path) -> None:
    attempts = [events(*STORY[:number], CUT) for number in (1, 5, 3, 8)]
    stand.on(EVENTS, *attempts, broken, events(*STORY, END))

    found = list(_subscription(tmp_path).items())

    assert [item for item in found if item not in (GONE, BACK)] == list(STORY)


def test_what_the_daemon_says_at_first_is_an_error_at_once(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, failure(404, "there is no run"))

    with pytest.raises(NotFoundError):
        list(_subscription(tmp_path).items())


def test_a_daemon_that_was_never_there_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnavailableError):
        list(_subscription(tmp_path).items())


def test_what_the_daemon_says_when_it_is_back_is_an_error_at_once(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(STORY[0], CUT), failure(404, "there is no run"))

    with pytest.raises(NotFoundError):
        list(_subscription(tmp_path).items())


def test_a_daemon_is_waited_for_for_as_long_as_was_said(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(STORY[0], (tmp_path / "runner.sock").unlink, CUT))
    found: list[Item] = []

    with pytest.raises(DaemonUnavailableError):
        found.extend(_subscription(tmp_path, patience=0.3).items())

    assert found == [STORY[0], Notice("the daemon has gone; it is waited for up to 0 s")]


def test_a_daemon_that_comes_in_time_is_heard(stand: Stand, tmp_path: Path) -> None:
    socket, aside = tmp_path / "runner.sock", tmp_path / "aside"
    stand.on(EVENTS, events(STORY[0], lambda: socket.rename(aside), CUT), events(*STORY, END))
    threading.Timer(0.4, lambda: aside.rename(socket)).start()

    assert list(_subscription(tmp_path).items()) == [STORY[0], GONE, BACK, *STORY[1:]]


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: []\n\n", b'data: {"event": "nix"}\n\n'])
def test_what_means_nothing_is_an_error_and_not_left_out(stand: Stand, tmp_path: Path, data: bytes) -> None:
    stand.on(EVENTS, events(STORY[0], data, END))

    with pytest.raises(InfrastructureError, match="the daemon has sent something that means nothing here"):
        list(_subscription(tmp_path).items())


def test_a_stop_before_the_beginning_is_the_end(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(*STORY, END))
    subscription = _subscription(tmp_path)
    subscription.stop()

    assert list(subscription.items()) == []
    assert subscription.report is None


def test_it_is_known_when_there_is_no_daemon(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(STORY[0], CUT), events(*STORY, END))
    subscription = _subscription(tmp_path)

    away = [(item, subscription.away) for item in subscription.items()]

    assert [gone for item, gone in away if item == GONE] == [True]
    assert not any(gone for item, gone in away if item not in (GONE, BACK))


def test_a_run_that_goes_on_again_when_its_pause_is_told_is_heard_on(stand: Stand, tmp_path: Path) -> None:
    paused, again = changed(address(), Status.PAUSED, at=1.5), changed(address(), Status.RUNNING, at=2.0)
    first = (*STORY[:4], paused)
    stand.on(EVENTS, events(*first, end(report("running"))), events(*first, again, *STORY[4:], END))
    subscription = _subscription(tmp_path)

    assert list(subscription.items()) == [*first, again, *STORY[4:]]
    assert subscription.report == report("failure")


def test_a_pause_is_an_end(stand: Stand, tmp_path: Path) -> None:
    stand.on(EVENTS, events(*STORY[:4], end(report("paused"))))
    subscription = _subscription(tmp_path)

    assert list(subscription.items()) == list(STORY[:4])
    assert subscription.report == report("paused")
