"""Runs over HTTP: what reaches the service, and what comes back."""

import httpx
import pytest

from runner.dispatch.requests import Again, Facts, Inline, Repository, Submission, Submitted
from runner.errors import BusyError, ConflictError, NotFoundError, RunnerError
from runner.plan import codec
from runner.plan.adjust import Choice, Replacement
from runner.plan.codec import from_document
from runner.plan.model import Facts as PlanFacts
from runner.plan.model import Plan, PullPolicy
from runner.plan.trigger import Commit, PullRequest, Trigger
from tests.support.services import REPORT, SUBMITTED, SUMMARY, Api, FakeService

RUNS = "/api/v1/runs"
WHOLE = Submission(
    inline=Inline(
        text="version: '1'\nsteps: [ünï ☃]\n",
        repository=Repository(url="https://h/r.git", commit="c", submodules=True),
        trigger=Trigger(
            facts=PlanFacts(branch="main", path=("a", "b")),
            commit=Commit(sha="c", message="two\nlines"),
            pull_request=PullRequest(number="7", fork=True),
            environment={"A": "\t"},
        ),
        payload='{"text": "\\u0000"}',
    ),
    facts=Facts(event="push", changed=(), labels=("x",), parameters={"p": ""}),
    properties={"a": "1"},
    secrets={"TOKEN": "s3cret"},
    strict=True,
    choice=Choice(stages=("build",), images=(Replacement(pattern="a", image="b"),), pull=PullPolicy.NEVER),
    max_parallel=3,
    queue="deploy",
    priority=-5,
)


def test_a_submission_arrives_as_it_was_sent(client: httpx.Client, service: FakeService) -> None:
    answer = client.post(RUNS, json=codec.encode(WHOLE))

    assert (answer.status_code, answer.json()) == (201, {"id": "r1", "subject": "push main", "notes": ["a note"]})
    assert service.calls == [("submit", WHOLE, True)]


def test_what_a_submission_does_not_say_has_its_default(client: httpx.Client, service: FakeService) -> None:
    client.post(RUNS, json={"pipeline": "shop"})

    assert service.calls == [("submit", Submission(pipeline="shop"), True)]


def test_a_submission_of_which_nothing_would_run_makes_no_run(client: httpx.Client, service: FakeService) -> None:
    service.submitted = Submitted(id="", notes=("the branch is another",))

    answer = client.post(RUNS, json={"pipeline": "shop"})

    assert (answer.status_code, answer.json()["notes"]) == (200, ["the branch is another"])


@pytest.mark.parametrize(
    "numbers", [{"priority": 2**31}, {"priority": -(2**40)}, {"max_parallel": 0}, {"max_parallel": 2**31}]
)
def test_numbers_that_no_database_takes_are_refused(
    client: httpx.Client, service: FakeService, numbers: dict[str, int]
) -> None:
    answer = client.post(RUNS, json={"pipeline": "shop", **numbers})

    assert answer.status_code == 400
    assert "31 bits" in answer.json()["error"]["message"]
    assert not service.calls


def test_runs_are_listed_with_what_the_query_says(client: httpx.Client, service: FakeService) -> None:
    answer = client.get(RUNS, params={"pipeline": "org/shop", "status": "running", "limit": 3, "before": 9})

    assert answer.status_code == 200
    assert answer.json() == {"runs": [codec.encode(SUMMARY)]}
    assert service.calls == [("runs", "org/shop", "running", 3, 9)]


def test_a_list_without_a_query_is_the_newest_fifty(client: httpx.Client, service: FakeService) -> None:
    client.get(RUNS)

    assert service.calls == [("runs", "", "", 50, None)]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=1001", "before=0", f"before={2**63}", f"limit={'9' * 5000}", "status=%00"]
)
def test_a_query_out_of_bounds_is_refused(client: httpx.Client, service: FakeService, query: str) -> None:
    answer = client.get(f"{RUNS}?{query}")

    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]["message"]
    assert not service.calls


def test_a_run_is_shown_as_its_report(client: httpx.Client, service: FakeService) -> None:
    assert client.get(f"{RUNS}/r1").json() == REPORT
    assert service.calls == [("report", "r1")]


def test_a_run_is_shown_as_a_line_of_a_list(client: httpx.Client, service: FakeService) -> None:
    assert client.get(f"{RUNS}/r1/summary").json() == codec.encode(SUMMARY)
    assert service.calls == [("summary", "r1")]


def test_the_plan_of_a_run_can_be_read_back(client: httpx.Client) -> None:
    assert from_document(client.get(f"{RUNS}/r1/plan").json()) == Plan(dialect="vela", stages=())


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, (False, False)),
        ({"force": False}, (False, False)),
        ({"force": True}, (True, False)),
        ({"children": True}, (False, True)),
        ({"force": True, "children": True}, (True, True)),
    ],
)
def test_a_run_is_cancelled_and_its_children_only_when_they_are_named(
    client: httpx.Client, service: FakeService, body: dict[str, bool], asked: tuple[bool, bool]
) -> None:
    answer = client.post(f"{RUNS}/r1/cancel", json=body)

    assert (answer.status_code, answer.content) == (202, b"")
    assert service.calls == [("cancel", "r1", *asked)]


def test_a_paused_run_goes_on(client: httpx.Client, service: FakeService) -> None:
    answer = client.post(f"{RUNS}/r1/resume")

    assert (answer.status_code, answer.content) == (202, b"")
    assert service.calls == [("resume", "r1")]


@pytest.mark.parametrize(
    ("error", "status"), [(NotFoundError("there is no run r1"), 404), (ConflictError("run r1 is not paused"), 409)]
)
def test_what_is_not_paused_does_not_go_on(
    client: httpx.Client, service: FakeService, error: RunnerError, status: int
) -> None:
    service.error = error

    answer = client.post(f"{RUNS}/r1/resume")

    assert (answer.status_code, answer.json()["error"]["message"]) == (status, error.message)


def test_a_run_is_run_again_from_a_stage(client: httpx.Client, service: FakeService) -> None:
    again = Again(from_stage="test", properties={"a": "b"}, secrets={"c": "d"})

    answer = client.post(f"{RUNS}/r1/rerun", json=codec.encode(again))

    assert (answer.status_code, answer.json()) == (201, codec.encode(SUBMITTED))
    assert service.calls == [("rerun", "r1", again)]


def test_a_run_that_is_not_there_is_a_404(client: httpx.Client, service: FakeService) -> None:
    service.error = NotFoundError("there is no run x", hint="runner runs lists them")

    answer = client.get(f"{RUNS}/x")

    assert answer.status_code == 404
    assert answer.json() == {
        "error": {"message": "there is no run x", "hint": "runner runs lists them", "findings": []},
        "exit_code": 2,
    }


def test_to_cancel_what_has_ended_is_a_conflict(client: httpx.Client, service: FakeService) -> None:
    service.error = ConflictError("run r1 has ended")

    assert client.post(f"{RUNS}/r1/cancel", json={}).status_code == 409


def test_too_many_waiting_runs_ask_to_come_again(client: httpx.Client, service: FakeService) -> None:
    service.error = BusyError("10000 runs wait")

    answer = client.post(RUNS, json={"pipeline": "shop"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_only_the_socket_makes_a_client_local(api: Api, client: httpx.Client) -> None:
    with api.remote() as remote:
        remote.post(RUNS, json={"pipeline": "a"})
    client.post(RUNS, json={"pipeline": "b"})

    assert [(call[1].pipeline, call[2]) for call in api.service.calls] == [("a", False), ("b", True)]


@pytest.mark.parametrize("sent", ["a%2Fb", "%25", "%C3%BC", "a%20b", "%2e%2e", "..%2F..%2Fetc", "%F0%9F%92%A9"])
def test_an_id_may_be_any_text_that_is_percent_encoded(client: httpx.Client, service: FakeService, sent: str) -> None:
    address = httpx.URL("http://localhost").copy_with(raw_path=f"{RUNS}/{sent}/summary".encode())

    assert client.get(address).status_code == 200
    assert service.calls == [("summary", bytes_of(sent).decode())]


def bytes_of(percent: str) -> bytes:
    """Return what a percent-encoded text means."""
    head, *rest = percent.encode().split(b"%")
    return head + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in rest)


def test_an_id_with_a_character_of_code_0_is_refused_and_one_without_a_meaning_in_utf_8_is_another(
    client: httpx.Client, service: FakeService
) -> None:
    assert client.get(f"{RUNS}/a%00b").status_code == 400
    assert client.get(f"{RUNS}/%ED%A0%80").status_code == 200
    assert client.get(f"{RUNS}/{'x' * 1001}").status_code == 400
    assert [call[0] for call in service.calls] == ["report"]
