"""Logs as a download."""

import itertools
import time

import httpx
import pytest
from structlog.typing import EventDict

from runner.errors import InfrastructureError, NotFoundError
from tests.support.services import Api, FakeService

LOGS = "/api/v1/runs/r1/logs"


def test_the_text_comes_as_it_is(client: httpx.Client, service: FakeService) -> None:
    service.text = [b"one\n", b"\xff\x00\x1b[31m\r\n", b"two"]

    answer = client.get(LOGS)

    assert answer.content == b"one\n\xff\x00\x1b[31m\r\ntwo"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert service.calls == [("log", "r1", "", "")]


def test_a_step_is_named_in_the_query(client: httpx.Client, service: FakeService) -> None:
    client.get(LOGS, params={"stage": "build & test", "step": "a/b"})

    assert service.calls == [("log", "r1", "build & test", "a/b")]


def test_nothing_printed_is_an_empty_text(client: httpx.Client, service: FakeService) -> None:
    service.text = []

    assert (client.get(LOGS).status_code, client.get(LOGS).content) == (200, b"")


@pytest.mark.parametrize("late", [False, True], ids=["at the call", "at the first piece"])
def test_what_cannot_be_opened_is_an_answer_of_its_own(client: httpx.Client, service: FakeService, late: bool) -> None:  # noqa: FBT001 - a case
    error = NotFoundError("there is no step x")
    if late:
        service.text = [error]
    else:
        service.error = error

    answer = client.get(LOGS)

    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "there is no step x")


def test_what_fails_in_the_middle_is_no_whole_text(
    client: httpx.Client, service: FakeService, noted: list[EventDict]
) -> None:
    service.text = [b"one\n", InfrastructureError("the disk is gone")]

    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        client.get(LOGS)

    assert noted[0]["event"] == "a request has failed"


def test_a_text_is_read_as_it_is_taken_and_no_further(api: Api, service: FakeService) -> None:
    taken = itertools.count()
    service.text = (b"%65536d" % number for number in taken)
    with api.local() as client, client.stream("GET", LOGS) as response:
        pieces = response.iter_raw()
        next(pieces)
        time.sleep(0.3)
        before = next(taken)
        time.sleep(0.2)
        assert next(taken) == before + 1 < 100

    assert service.closed.wait(10)
