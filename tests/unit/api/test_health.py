"""How the daemon is, for whoever watches it."""

from dataclasses import replace

import httpx
import pytest

from runner.plan import codec
from tests.support.services import HEALTHY, Api, FakeService


def test_a_daemon_that_is_well_says_so_and_how_much_it_does(client: httpx.Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, codec.encode(HEALTHY))


@pytest.mark.parametrize("status", ["draining", "refusing"])
def test_one_that_begins_no_runs_is_unavailable_and_says_why(
    client: httpx.Client, service: FakeService, status: str
) -> None:
    service.healthy = replace(HEALTHY, status=status, problems=("the disk is full",))

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()["problems"]) == (503, ["the disk is full"])


def test_a_watcher_needs_no_token(api: Api) -> None:
    with api.remote(token="") as watcher:
        assert watcher.get("/healthz").status_code == 200
