"""Each method of the client is one route, with the documents that the daemon knows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.cli.client.daemon import Daemon
from runner.cli.client.endpoint import Endpoint
from runner.dispatch.requests import Again, Definition, Facts, Inline, Pipeline, Repository, Submission, Submitted
from runner.errors import InfrastructureError, NotFoundError
from runner.plan import codec
from runner.plan.adjust import Choice, Replacement
from runner.plan.model import PullPolicy
from runner.plan.trigger import Trigger
from tests.support.api_stand import Stand, answer, pipeline, standing, submitted, summary, text
from tests.support.faces import RUN
from tests.support.remote import PLAN, report
from tests.support.services import HOOK

SUBMISSION = Submission(
    inline=Inline(text="steps: []", repository=Repository(url="u", commit="c"), trigger=Trigger(ref="refs/heads/main")),
    facts=Facts(changed=(), parameters={"a": "1"}),
    secrets={"token": "hunter2"},
    choice=Choice(stages=("a",), images=(Replacement(pattern="p", image="i"),), pull=PullPolicy.NEVER),
)
Call = Callable[[Daemon], object]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with standing(tmp_path / "runner.sock") as found:
        yield found


@pytest.fixture
def daemon(tmp_path: Path, stand: Stand) -> Daemon:
    return Daemon(Endpoint(socket=tmp_path / "runner.sock"))


def test_a_submission_arrives_as_it_was_made(stand: Stand, daemon: Daemon) -> None:
    stand.on("POST /runs", submitted(RUN, "p.yml: event push", "odd"))

    found = daemon.submit(SUBMISSION)

    assert found == Submitted(id=RUN, subject="p.yml: event push", notes=("odd",))
    assert codec.decode(Submission, stand.bodies("POST /runs")[0]) == SUBMISSION


def test_a_rerun_arrives_as_it_was_made(stand: Stand, daemon: Daemon) -> None:
    again = Again(from_stage="deploy", properties={"a": "1"}, secrets={"b": "2"})
    stand.on(f"POST /runs/{RUN}/rerun", submitted("0000beef"))

    assert daemon.rerun(RUN, again).id == "0000beef"
    assert codec.decode(Again, stand.bodies(f"POST /runs/{RUN}/rerun")[0]) == again


def test_runs_are_those_that_are_asked_for(stand: Stand, daemon: Daemon) -> None:
    runs = (summary("b", status="failure", ended="2026-01-01T12:01:00+00:00"), summary("a", started=None))
    stand.on("GET /runs", answer({"runs": [codec.encode(run) for run in runs]}))

    assert daemon.runs(pipeline="shop", limit=7) == runs
    assert stand.asked[0].query == {"pipeline": "shop", "limit": "7"}


def test_the_last_run_is_the_newest(stand: Stand, daemon: Daemon) -> None:
    stand.on("GET /runs", answer({"runs": [codec.encode(summary("b"))]}))

    assert (daemon.named("last"), daemon.named("a")) == ("b", "a")
    assert [asked.query for asked in stand.asked] == [{"limit": "50"}]


def test_the_last_run_is_one_that_somebody_asked_for_rather_than_an_async_stage_of_it(
    stand: Stand, daemon: Daemon
) -> None:
    runs = [summary("c", child="scan"), summary("b"), summary("a")]
    stand.on("GET /runs", answer({"runs": [codec.encode(run) for run in runs]}))

    assert daemon.named("last") == "b"


def test_where_there_are_only_async_stages_the_last_run_is_the_newest_of_them(stand: Stand, daemon: Daemon) -> None:
    runs = [summary("c", child="scan"), summary("b", child="scan")]
    stand.on("GET /runs", answer({"runs": [codec.encode(run) for run in runs]}))

    assert daemon.named("last") == "c"


def test_there_is_no_last_run_before_the_first(stand: Stand, daemon: Daemon) -> None:
    stand.on("GET /runs", answer({"runs": []}))

    with pytest.raises(NotFoundError, match="there is no run yet"):
        daemon.named("last")


def test_what_is_known_of_a_run_is_read(stand: Stand, daemon: Daemon) -> None:
    stand.has(RUN, plan=PLAN, report=report("failure"), status="failure")

    assert daemon.plan(RUN) == PLAN
    assert daemon.report(RUN) == report("failure")
    assert daemon.summary(RUN) == summary(RUN, status="failure")


def test_logs_come_in_pieces(stand: Stand, daemon: Daemon) -> None:
    stand.on(f"GET /runs/{RUN}/logs", text(b"one\n", b"\xfftwo"))

    assert b"".join(daemon.log(RUN, "a b", "c&d")) == b"one\n\xfftwo"
    assert b"".join(daemon.log(RUN)) == b"one\n\xfftwo"
    assert [asked.query for asked in stand.asked] == [{"stage": "a b", "step": "c&d"}, {}]


def test_pipelines_are_read(stand: Stand, daemon: Daemon) -> None:
    pipelines: tuple[Pipeline, ...] = (pipeline("shop", file="ci.yml"), pipeline("team/web"))
    stand.on("GET /pipelines", answer({"pipelines": [codec.encode(each) for each in pipelines]}))
    stand.on("GET /pipelines/team/web", answer(codec.encode(pipelines[1])))

    assert daemon.pipelines() == pipelines
    assert daemon.pipeline("team/web") == pipelines[1]


def test_hooks_are_read_and_their_tokens_changed(stand: Stand, daemon: Daemon) -> None:
    for request in ("GET /hooks", "GET /pipelines/org/shop/hooks"):
        stand.on(request, answer({"hooks": [codec.encode(HOOK)]}))
    stand.on("POST /pipelines/org/shop/hooks/rotate", answer({"token": "new"}))

    assert daemon.hooks() == daemon.hooks("org/shop") == (HOOK,)
    assert daemon.rotate_hook("org/shop", "mine") == daemon.rotate_hook("org/shop") == "new"
    assert stand.bodies("POST /pipelines/org/shop/hooks/rotate") == [{"token": "mine"}, {"token": ""}]


DEFINITION = Definition(repository="https://example.org/shop.git", facts=Facts(branch="main"))


@pytest.mark.parametrize(
    ("call", "request_line", "body"),
    [
        (
            lambda daemon: daemon.cancel(RUN, force=False),
            f"POST /runs/{RUN}/cancel",
            {"force": False, "children": False},
        ),
        (
            lambda daemon: daemon.cancel(RUN, force=True, children=True),
            f"POST /runs/{RUN}/cancel",
            {"force": True, "children": True},
        ),
        (lambda daemon: daemon.register("a/b", DEFINITION), "PUT /pipelines/a/b", codec.encode(DEFINITION)),
        (lambda daemon: daemon.forget("a/b"), "DELETE /pipelines/a/b", None),
        (lambda daemon: daemon.set_property("p", "k", "v\n"), "PUT /pipelines/p/properties/k", {"value": "v\n"}),
        (lambda daemon: daemon.remove_property("p", "k?"), "DELETE /pipelines/p/properties/k?", None),
        (lambda daemon: daemon.set_secret("p", "k", "s"), "PUT /pipelines/p/secrets/k", {"value": "s"}),
        (lambda daemon: daemon.remove_secret("p", "k"), "DELETE /pipelines/p/secrets/k", None),
        (lambda daemon: daemon.set_parameter("p", "k", "v"), "PUT /pipelines/p/hooks/parameters/k", {"value": "v"}),
        (lambda daemon: daemon.remove_parameter("p", "k"), "DELETE /pipelines/p/hooks/parameters/k", None),
    ],
)
def test_what_is_to_be_changed_is_asked_for(
    stand: Stand, daemon: Daemon, call: Call, request_line: str, body: object
) -> None:
    stand.on(request_line, lambda handler: handler.send(204, "text/plain"))

    call(daemon)

    assert stand.bodies(request_line) == [body]


@pytest.mark.parametrize(
    ("request_line", "document", "call"),
    [
        ("GET /runs", {"runs": [{"id": "a"}]}, lambda daemon: daemon.runs()),
        ("GET /runs", {"runs": {}}, lambda daemon: daemon.runs()),
        ("GET /runs", [], lambda daemon: daemon.runs()),
        ("GET /runs/a", "no", lambda daemon: daemon.report("a")),
        ("GET /runs/a/summary", {"id": 7}, lambda daemon: daemon.summary("a")),
        ("GET /runs/a/summary", None, lambda daemon: daemon.summary("a")),
    ],
)
def test_a_daemon_of_another_version_is_told_as_such(
    stand: Stand, daemon: Daemon, request_line: str, document: object, call: Call
) -> None:
    stand.on(request_line, answer(document))

    with pytest.raises(InfrastructureError, match="the daemon's answer means nothing here: ") as caught:
        call(daemon)

    assert caught.value.hint == "are its version and that of this command the same?"
