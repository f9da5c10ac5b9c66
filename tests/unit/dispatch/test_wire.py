import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.dispatch.feed import Item, Lines
from runner.dispatch.wire import document, item
from runner.engine.backend import PullProgress
from runner.engine.events import Changed, Notice, Printing, Pulling
from runner.engine.journal import Entry
from runner.errors import InfrastructureError
from runner.logs.follow import Block
from runner.logs.index import Stream
from runner.naming import Address
from runner.plan.status import Status

TEXTS = st.text(st.sampled_from('aé\n"\0€\ud800'), max_size=4)
ADDRESSES = st.builds(Address, TEXTS, TEXTS, TEXTS, st.integers(1, 3), st.integers(1, 3))
ITEMS = st.one_of(
    st.builds(
        Lines,
        ADDRESSES,
        st.builds(
            Block,
            log=TEXTS,
            stream=st.sampled_from(Stream),
            time=st.datetimes(timezones=st.just(UTC)),
            data=st.text(st.sampled_from("aé€\t"), max_size=6).map(lambda text: f"{text}\n".encode()),
        ),
    ),
    st.builds(
        Changed,
        st.builds(
            Entry,
            address=ADDRESSES,
            status=st.sampled_from(Status),
            at=st.integers(0, 10**6).map(lambda milliseconds: milliseconds / 1000),
            exit_code=st.none() | st.integers(0, 255),
            reason=TEXTS,
            branches=st.none() | st.integers(0, 9),
        ),
    ),
    st.builds(Notice, TEXTS, st.none() | ADDRESSES),
    st.builds(Printing, ADDRESSES, TEXTS),
    st.builds(
        Pulling,
        st.builds(PullProgress, image=TEXTS, text=TEXTS, current=st.integers(0), total=st.none() | st.integers(1)),
    ),
)


@given(ITEMS)
def test_what_goes_over_the_wire_arrives_as_it_was(told: Item) -> None:
    assert item(json.loads(json.dumps(document(told)))) == told


def test_only_a_fork_is_told_with_its_branches() -> None:
    usual = Entry(address=Address("r", "each"), status=Status.SUCCESS, at=1.0)
    fork = Entry(address=Address("r", "each"), status=Status.SUCCESS, at=1.0, branches=0)

    assert document(Changed(fork)) == {**document(Changed(usual)), "branches": 0}


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    block = Block(log="l", stream=Stream.STDERR, time=datetime(2026, 1, 2, tzinfo=UTC), data=b"a\xff\n")

    sent = document(Lines(Address("r", "s", "a"), block))

    assert sent["stream"] == "stderr"
    assert sent["time"] == "2026-01-02T00:00:00.000000+00:00"
    assert json.dumps(sent)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"event": "dance"},
        {"event": "status", "run": "r"},
        {"event": "status", "run": "r", "stage": "", "step": "", "round": 1, "attempt": 1, "status": "asleep"},
        {"event": "log", "text": 3},
    ],
)
def test_what_means_nothing_here_is_an_error_that_asks_for_versions(sent: dict[str, object]) -> None:
    with pytest.raises(InfrastructureError, match="means nothing here") as caught:
        item(sent)
    assert "version" in caught.value.hint
