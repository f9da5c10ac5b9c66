"""What clients can ask for, on a daemon that drives runs on containers that are not there."""

import json
from collections.abc import Callable

import pytest

from runner import __version__
from runner.dispatch.requests import Definition, Facts, Inline, Submission
from runner.errors import ConflictError, NotFoundError, RunnerError, UsageError
from runner.naming import Address
from runner.pipelinectl.payload import Payload
from tests.support.daemons import Daemon, Grounds, told, words
from tests.support.plans import hanging, plan, service, stage, step, steps_only, stubborn

ONE = steps_only(step("a", text="hello"))


def test_a_run_is_told_as_a_summary_a_report_a_plan_and_a_log(daemon: Daemon) -> None:
    run = daemon.run(plan(stage("build", step("a", text="one")), stage("test", step("b", 3, text="two"))), priority=2)

    summary, report = daemon.service.summary(run), daemon.service.report(run)
    assert (summary.id, summary.number, summary.status, summary.priority) == (run, 1, "failure", 2)
    assert summary.reason == report["run"]["reason"] == "stage test: step b: exit code 3"
    assert summary.started is not None
    assert summary.ended is not None
    assert summary.created <= summary.started <= summary.ended
    assert summary.created.endswith("+00:00")
    assert [(s["name"], s["status"]) for s in report["stages"]] == [("build", "success"), ("test", "failure")]
    assert [each.name for each in daemon.service.plan(run).stages] == ["build", "test"]
    assert sorted(daemon.text(run).splitlines()) == ["build/a | one", "test/b | two"]
    assert (daemon.text(run, "test"), daemon.text(run, "test", "b")) == ("test/b | two\n", "two\n")


def test_values_that_steps_left_are_in_the_report_of_a_run_that_has_ended(daemon: Daemon) -> None:
    run = daemon.run(steps_only(step("a", fake={"FAKE_SET_ENV": "version=1.2"})))

    assert "1.2" in json.dumps(daemon.service.report(run)["values"])


def test_a_run_that_waits_has_a_report_too(idle: Daemon) -> None:
    run = idle.submit(ONE)

    report = idle.service.report(run)
    assert (report["run"]["status"], report["stages"][0]["status"]) == ("pending", "pending")
    assert idle.text(run) == ""


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.summary("0badcafe"),
        lambda it: it.report("0badcafe"),
        lambda it: it.plan("0badcafe"),
        lambda it: it.log("0badcafe"),
        lambda it: it.cancel("0badcafe", force=False),
        lambda it: it.feed("0badcafe").__enter__(),
        lambda it: it.shell("0badcafe", "s", "", None),
        lambda it: it.pipeline("none"),
        lambda it: it.forget("none"),
        lambda it: it.set_property("none", "a", "1"),
        lambda it: it.set_secret("none", "a", "1111"),
        lambda it: it.remove_property("none", "a"),
        lambda it: it.remove_secret("none", "a"),
        lambda it: it.cancel("0badcafe", force=False, children=True),
        lambda it: it.hooks("none"),
        lambda it: it.rotate_hook("none"),
    ],
)
def test_what_is_not_there_is_told(idle: Daemon, ask: Callable[[object], object]) -> None:
    with pytest.raises(NotFoundError, match=r"there is no (run 0badcafe|pipeline 'none')"):
        ask(idle.service)


@pytest.mark.parametrize(
    ("stage_name", "step_name", "error", "words_of_it"),
    [
        ("none", "", NotFoundError, "no stage 'none'"),
        ("s", "none", NotFoundError, "no step 'none'"),
        ("", "a", UsageError, "of which stage"),
    ],
)
def test_a_stage_or_step_that_is_not_there_has_no_log(
    idle: Daemon, stage_name: str, step_name: str, error: type[RunnerError], words_of_it: str
) -> None:
    run = idle.submit(ONE)

    with pytest.raises(error, match=words_of_it) as caught:
        idle.text(run, stage_name, step_name)
    assert caught.value.hint


def test_the_log_of_a_service_is_one_of_the_logs(daemon: Daemon) -> None:
    run = daemon.run(
        plan(stage("s", step("a")), services=[service("db", fake={"FAKE_PRINT": "ready", "FAKE_HANG": "1"})])
    )

    assert daemon.text(run, "@services", "db") == "ready\n"
    assert "@services/db | ready\n" in daemon.text(run)


def test_runs_are_listed_newest_first_by_pipeline_and_status_and_page_by_page(idle: Daemon) -> None:
    runs = [idle.submit(ONE) for _ in range(3)]
    idle.service.cancel(runs[1], force=False)
    idle.serve().ended(runs[0])
    for run in runs[1:]:
        idle.ended(run)

    found = idle.service.runs
    assert [each.id for each in found()] == runs[::-1]
    assert [each.id for each in found(status="cancelled")] == [runs[1]]
    assert [each.id for each in found(limit=1, before=3)] == [runs[1]]
    assert found(pipeline="shop") == []
    with pytest.raises(UsageError, match="ended is no status") as caught:
        found(status="ended")
    assert "success" in caught.value.hint


def test_a_run_that_waits_is_cancelled_without_a_trace_on_the_engine(grounds: Grounds) -> None:
    grounds.set(queues={"default": 1})
    with grounds.serving() as daemon:
        blocker, waiting = daemon.submit(steps_only(hanging("a"))), daemon.submit(ONE)
        daemon.until(blocker, "s/a")

        daemon.service.cancel(waiting, force=False)
        daemon.ended(waiting)

        assert daemon.status(waiting) == "cancelled"
        assert daemon.service.summary(waiting).reason == "it was cancelled before it began"
        assert daemon.statuses(waiting) == {"s/a": "cancelled"}
        assert daemon.service.report(waiting)["stages"][0]["status"] == "cancelled"
        assert not [address for address in grounds.world.starts if address.run == waiting]
        assert daemon.status(blocker) == "running"


def test_a_run_that_goes_on_is_cancelled_politely_and_then_by_force(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.submit(steps_only(stubborn("a")))
    daemon.until(run, "s/a")

    daemon.service.cancel(run, force=False)
    daemon.service.cancel(run, force=True)
    daemon.ended(run)

    assert (daemon.status(run), daemon.statuses(run)) == ("cancelled", {"s/a": "cancelled"})
    assert grounds.world.starts == {Address(run, "s", "a"): 1}
    with pytest.raises(ConflictError, match="has ended: cancelled"):
        daemon.service.cancel(run, force=True)


def _family(daemon: Daemon) -> tuple[str, str, str]:
    """Return a run that goes on, an async stage that it has started, and one that this has started; they go on, too."""
    steps = [{"name": "a", "image": "i", "commands": ["x"], "environment": {"FAKE_HANG": "1"}}]
    stages = {"s": {"steps": steps}, "check": {"async": True, "steps": steps}}
    run = daemon.submit(json.dumps({"version": "1", "metadata": {"clone": False}, "stages": stages}))
    for parent, request in ((run, "0badcafe"), ("0badcafe", "0000beef")):
        assert daemon.house.service._children.start_for_run(parent, request, Payload(stage="check")) is not None
    for each, path in ((run, "s/a"), ("0badcafe", "check/a"), ("0000beef", "check/a")):
        daemon.until(each, path)
    return run, "0badcafe", "0000beef"


def test_the_runs_that_a_run_has_started_are_in_its_report_and_tell_of_it(daemon: Daemon) -> None:
    run, child, grandchild = _family(daemon)

    assert daemon.service.report(run)["children"] == [{"stage": "check", "id": child, "status": "running"}]
    assert daemon.service.report(grandchild)["children"] == []
    assert [(each.id, each.parent, each.child) for each in daemon.service.runs()] == [
        (grandchild, child, "check"),
        (child, run, "check"),
        (run, "", ""),
    ]
    daemon.service.cancel(run, force=True, children=True)
    assert [daemon.status(daemon.ended(each)) for each in (run, child, grandchild)] == ["cancelled"] * 3


def test_the_children_of_a_cancelled_run_go_on_and_can_be_cancelled_with_it_later(daemon: Daemon) -> None:
    run, child, grandchild = _family(daemon)
    daemon.service.cancel(run, force=True)
    daemon.ended(run)
    assert [daemon.status(each) for each in (run, child, grandchild)] == ["cancelled", "running", "running"]
    with pytest.raises(ConflictError, match=f"run {run} has ended: cancelled"):
        daemon.service.cancel(run, force=True)

    daemon.service.cancel(run, force=True, children=True)

    assert [daemon.status(daemon.ended(each)) for each in (child, grandchild)] == ["cancelled", "cancelled"]
    with pytest.raises(ConflictError, match="and so has all that it has started"):
        daemon.service.cancel(run, force=True, children=True)


def test_a_child_that_is_asked_for_while_its_parent_is_cancelled_with_children_never_begins(
    daemon: Daemon, grounds: Grounds
) -> None:
    run, child, _ = _family(daemon)
    daemon.house.means.runs.ask_cancel(run, children=True)  # as the store has it, before any driver hears of it

    daemon.house.service._children.start_for_run(run, "00000000", Payload(stage="check"))

    assert daemon.status(daemon.ended("00000000")) == "cancelled"
    assert not [address for address in grounds.world.starts if address.run == "00000000"]
    assert daemon.status(child) == "running"
    daemon.service.cancel(run, force=True, children=True)
    daemon.ended(child)


def test_a_run_that_waits_for_space_can_be_cancelled(grounds: Grounds) -> None:
    grounds.set(free_space=1 << 60)
    with grounds.serving() as daemon:
        run = daemon.submit(ONE)

        daemon.service.cancel(run, force=False)
        daemon.ended(run)

        assert daemon.status(run) == "cancelled"


def test_the_health_tells_what_waits_and_what_runs(grounds: Grounds) -> None:
    grounds.set(queues={"default": 1})
    with grounds.serving() as daemon:
        first, second = daemon.submit(steps_only(hanging("a"))), daemon.submit(ONE)
        daemon.until(first, "s/a")

        health = daemon.service.health()
        assert (health.status, health.version, health.waiting, health.running) == ("ok", __version__, 1, 1)

        daemon.service.draining = True
        assert daemon.service.health().status == "draining"
        daemon.service.cancel(first, force=True)
        daemon.ended(second)


def test_without_space_no_run_begins_and_the_health_says_why(grounds: Grounds) -> None:
    grounds.set(free_space=1 << 60)
    with grounds.serving() as daemon:
        run = daemon.submit(ONE)

        health = daemon.service.health()
        assert (health.status, health.waiting) == ("refusing", 1)
        assert "RUNNER_FREE_SPACE asks for" in health.problems[0]
        assert daemon.status(run) == "pending"


def test_pipelines_are_registered_changed_listed_and_forgotten(idle: Daemon) -> None:
    it = idle.service
    it.register("b/shop", Definition(repository="/b"))
    it.register("a", Definition(repository="/a", file="x.yml", facts=Facts(branch="main", parameters={"p": "1"})))

    changed = it.register("b/shop", Definition(repository="/c", queue="deploy"))

    assert [each.name for each in it.pipelines()] == ["a", "b/shop"]
    assert changed == it.pipeline("b/shop") == it.pipelines()[1]
    assert it.pipeline("a").definition == Definition(
        repository="/a", file="x.yml", facts=Facts(branch="main", parameters={"p": "1"})
    )
    it.forget("a")
    assert [each.name for each in it.pipelines()] == ["b/shop"]


def test_properties_are_shown_and_of_secrets_the_names(idle: Daemon) -> None:
    it = idle.service
    it.register("shop", Definition(repository="/a"))
    it.set_property("shop", "region", "eu")
    it.set_secret("shop", "token", "hunter2")
    it.register("shop", Definition(repository="/b"))

    found = it.pipeline("shop")
    assert (found.properties, found.secrets) == ({"region": "eu"}, ("token",))
    assert "hunter2" not in repr(found)

    it.remove_property("shop", "region")
    it.remove_secret("shop", "token")
    assert (it.pipeline("shop").properties, it.pipeline("shop").secrets) == ({}, ())
    with pytest.raises(NotFoundError, match="no secret 'token'"):
        it.remove_secret("shop", "token")


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.register("../x", Definition(repository="/a")),
        lambda it: it.register("x", Definition(repository="ext::sh -c id")),
        lambda it: it.register("x", Definition(repository="https://h/r")),
        lambda it: it.set_property("shop", "a/b/c", "1"),
        lambda it: it.set_secret("shop", "", "1111"),
    ],
)
def test_what_cannot_be_registered_or_named_is_refused(idle: Daemon, ask: Callable[[object], object]) -> None:
    idle.service.register("shop", Definition(repository="/a"))
    before = idle.service.pipelines()

    with pytest.raises(UsageError):
        ask(idle.service)
    assert idle.service.pipelines() == before


def test_a_definition_of_an_older_version_has_defaults_for_what_it_lacks(idle: Daemon) -> None:
    pipelines = idle.service._registered._pipelines
    pipelines.register("old", json.dumps({"repository": "/a", "facts": {"branch": "main"}}))

    assert idle.service.pipeline("old").definition == Definition(repository="/a", facts=Facts(branch="main"))


def test_secrets_are_masked_in_all_that_a_run_tells(daemon: Daemon) -> None:
    secret = "hunter2 is the word"
    of = plan(stage("s", step("a", text=f"say {secret}")))
    run = daemon.ended(
        daemon.service.submit(
            Submission(inline=Inline(text=json.dumps(_broken(of, secret))), secrets={"WORD": secret}), local=False
        ).id
    )

    with daemon.service.feed(run) as feed:
        everything = [*words(told(feed)), daemon.text(run), daemon.service.summary(run).reason]
    assert "s/a | say ***" in everything
    assert not [text for text in everything if "hunter2" in text]


def _broken(of: object, secret: str) -> object:
    """Return a pipeline whose second step cannot start, for a reason that has the secret in it."""
    hello = {"name": "a", "image": "i", "commands": ["x"], "environment": {"FAKE_PRINT": f"say {secret}"}}
    broken = {"name": "b", "image": "i", "commands": ["x"], "environment": {"FAKE_START_ERROR": f"no {secret}"}}
    return {"version": "1", "metadata": {"clone": False}, "stages": {"s": {"steps": [hello, broken]}}}
