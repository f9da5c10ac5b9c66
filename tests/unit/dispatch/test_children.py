"""The async stages of a daemon's runs: what starts one, what it has of its parent, and what a rerun of it repeats."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner.dispatch.children import Children
from runner.dispatch.hooks import SECRET
from runner.dispatch.offspring import HOOK
from runner.dispatch.orders import StoredOrder
from runner.dispatch.requests import Again, Definition, Submission
from runner.engine import children as looking
from runner.engine.children import Child
from runner.errors import BusyError, InfrastructureError, InvalidPipelineError, NotFoundError
from runner.pipelinectl.payload import Configuration, Payload, Request, read_payload
from runner.plan.model import Plan
from runner.store.sql.runs import NewRun, RunRecord, Runs
from tests.support.children import apart, triggering
from tests.support.daemons import Daemon, Grounds, commit, text_of
from tests.support.hooked import DEADLINE
from tests.support.plans import hanging, plan, stage, step
from tests.support.repositories import Repository

SHOP = "org/shop"
HANDED = {"FAKE_SET_ENV": "url=https://x", "FAKE_EXPORT_ENV": "url"}
ASKING = plan(
    stage("s", triggering("t", "check", fake=HANDED)), async_stages=(apart("check", step("x", text="checked")),)
)
LONG = plan(stage("s", triggering("t", "check"), hanging("b")), async_stages=(apart("check", hanging("x")),))
CHECK = Payload(stage="check", values={"region": "eu"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_LOOK_SECONDS", 0.02)


def _children(daemon: Daemon, run: str) -> list[RunRecord]:
    return list(daemon.house.means.runs.children(run))


def _child(daemon: Daemon, run: str) -> str:
    """Return the only async stage of a run that has ended, when it has, too."""
    (found,) = _children(daemon, run)
    return daemon.ended(found.id)


def _order(daemon: Daemon, run: str) -> StoredOrder:
    return daemon.house.means.order(run)


def _starting(daemon: Daemon) -> Children:
    return daemon.service._children


@pytest.fixture
def parent(idle: Daemon) -> str:
    """A run whose steps may ask for an async stage, which nobody drives."""
    return idle.submit(ASKING, properties={"region": "us"}, secrets={"TOKEN": "hunter2"}, priority=3)


@pytest.fixture
def shop(repository: Repository) -> Repository:
    """The repository of a pipeline."""
    commit(repository, ASKING)
    return repository


@pytest.fixture
def registered(daemon: Daemon, shop: Repository) -> Iterator[Daemon]:
    """A daemon at work that knows the pipeline."""
    daemon.service.register(SHOP, Definition(repository=str(shop.root)))
    yield daemon
    assert daemon.house.dispatcher.settled(DEADLINE)


# From a step.


def test_a_step_starts_a_run_of_its_own_that_ends_and_is_listed_with_its_parent(daemon: Daemon) -> None:
    run = daemon.run(ASKING)

    child = _child(daemon, run)

    summary = daemon.service.summary(child)
    assert (summary.parent, summary.child, summary.status) == (run, "check", "success")
    assert daemon.statuses(child) == {"check/x": "success"}
    assert daemon.text(child) == "check/x | checked\n"
    assert daemon.service.report(run)["children"] == [{"stage": "check", "id": child, "status": "success"}]


def test_it_has_what_was_marked_and_nothing_is_told_back(daemon: Daemon) -> None:
    of = replace(ASKING, async_stages=(apart("check", step("x", fake={"FAKE_SET_ENV": "back=1"})),))
    run = daemon.run(of)

    child = _child(daemon, run)

    assert daemon.service.report(child)["values"]["env"] == {"url": "https://x", "back": "1"}
    assert daemon.service.report(run)["values"]["env"] == {"url": "https://x"}


def test_it_begins_while_its_parent_goes_on_and_is_cancelled_only_if_that_is_asked_for(daemon: Daemon) -> None:
    run = daemon.submit(LONG)
    daemon.until(run, "s/b")
    deadline = threading.Event()
    while not _children(daemon, run):
        deadline.wait(0.01)
    (child,) = (each.id for each in _children(daemon, run))
    daemon.until(child, "check/x")

    daemon.service.cancel(run, force=True)
    daemon.ended(run)
    assert daemon.status(child) == "running"

    daemon.service.cancel(run, force=True, children=True)
    assert daemon.status(daemon.ended(child)) == "cancelled"


def test_a_cancel_with_its_async_stages_ends_all_of_them(daemon: Daemon) -> None:
    run = daemon.submit(LONG)
    daemon.until(run, "s/b")

    daemon.service.cancel(run, force=True, children=True)
    daemon.ended(run)

    assert daemon.status(_child(daemon, run)) == "cancelled"


def test_one_that_was_started_may_start_others(daemon: Daemon) -> None:
    of = replace(ASKING, async_stages=(apart("check", triggering("x", "deeper")), apart("deeper")))
    run = daemon.run(of)

    child = _child(daemon, run)
    last = _child(daemon, child)

    assert daemon.service.summary(last).child == "deeper"
    assert [each["id"] for each in daemon.service.report(run)["children"]] == [child]


def test_one_that_fails_changes_nothing_of_its_parent(daemon: Daemon) -> None:
    run = daemon.run(replace(ASKING, async_stages=(apart("check", step("x", 3)),)))

    assert (daemon.status(_child(daemon, run)), daemon.status(run)) == ("failure", "success")


def test_what_was_asked_for_when_the_daemon_died_is_started_once_by_the_next(grounds: Grounds) -> None:
    of = replace(LONG, async_stages=(apart("check"),))
    with grounds.serving() as daemon:
        run = daemon.submit(of)
        daemon.until(run, "s/b")
    with grounds.serving() as daemon:
        daemon.service.cancel(run, force=True)
        daemon.ended(run)

        assert daemon.status(_child(daemon, run)) == "success"


def test_a_child_of_a_daemon_that_died_before_it_began_is_driven_by_the_next(grounds: Grounds) -> None:
    with grounds.living() as daemon:
        run = daemon.submit(ASKING)
        assert _starting(daemon).start_for_run(run, "0000cafe", CHECK) == Child(stage="check", id="0000cafe")
        assert daemon.status("0000cafe") == "pending"

    with grounds.serving() as daemon:
        assert daemon.status(daemon.ended("0000cafe")) == "success"


# One request, one run.


def test_a_request_gives_its_run_the_id_and_starts_it_once(idle: Daemon, parent: str) -> None:
    starting = _starting(idle)

    found = [starting.start_for_run(parent, "0000cafe", CHECK) for _ in range(3)]

    assert found == [Child(stage="check", id="0000cafe"), None, None]
    assert [each.id for each in _children(idle, parent)] == ["0000cafe"]


def test_one_whose_id_a_stranger_has_gets_another_which_is_always_the_same(idle: Daemon, parent: str) -> None:
    idle.house.means.runs.add(NewRun(id="0000cafe", ordered="{}"))
    starting = _starting(idle)

    first, again = (starting.start_for_run(parent, "0000cafe", CHECK) for _ in range(2))

    assert first is not None
    assert (first.id != "0000cafe", len(first.id), again) == (True, 8, None)
    assert [each.id for each in _children(idle, parent)] == [first.id]
    assert idle.service.summary("0000cafe").parent == ""


def test_two_runs_may_ask_for_the_same_id(idle: Daemon, parent: str) -> None:
    other = idle.submit(ASKING)

    for run in (parent, other):
        assert _starting(idle).start_for_run(run, "0000cafe", CHECK) is not None

    assert len(_children(idle, parent)) == len(_children(idle, other)) == 1


def test_a_stage_that_the_pipeline_does_not_have_starts_nothing(idle: Daemon, parent: str) -> None:
    with pytest.raises(NotFoundError, match="there is no async stage 'none'"):
        _starting(idle).start_for_run(parent, "0000cafe", Payload(stage="none"))

    assert _children(idle, parent) == []


def test_what_starts_those_of_a_run_knows_them_as_they_were_asked_for(idle: Daemon, parent: str) -> None:
    of_run = _starting(idle).of(parent)
    for number in range(3):
        of_run.start(Request(id=f"0000000{number}", payload=CHECK))

    assert [child["id"] for child in of_run.all()] == ["00000000", "00000001", "00000002"]
    assert of_run.start(Request(id="00000001", payload=CHECK)) is None


def test_a_rerun_of_one_is_not_listed_where_the_first_is(registered: Daemon) -> None:
    run = registered.run(ASKING)
    child = _child(registered, run)

    again = registered.ended(registered.service.rerun(child, Again()).id)

    assert [each["id"] for each in _starting(registered).of(run).all()] == [child]
    assert registered.service.summary(again).origin == child


def test_a_store_that_cannot_be_written_leaves_no_child_and_says_so(
    idle: Daemon, parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Runs, __: NewRun) -> None:
        raise InfrastructureError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "add", full)
        with pytest.raises(InfrastructureError, match="the disk is full"):
            _starting(idle).start_for_run(parent, "0000cafe", CHECK)

    assert _starting(idle).start_for_run(parent, "0000cafe", CHECK) is not None


# What it has.


def test_it_has_the_queue_and_priority_of_its_parent_its_properties_and_its_secrets(idle: Daemon, parent: str) -> None:
    _starting(idle).start_for_run(parent, "0000cafe", CHECK)

    summary, order = idle.service.summary("0000cafe"), _order(idle, "0000cafe")
    assert (summary.queue, summary.priority, summary.pipeline) == ("default", 3, "")
    assert (order.inputs.properties, order.inputs.secure) == ({"region": "us"}, {"TOKEN": "hunter2"})
    assert (order.inputs.hook, order.handed) == (HOOK, True)


def test_what_is_posted_says_where_it_comes_from(idle: Daemon, parent: str) -> None:
    _starting(idle).start_for_run(parent, "0000cafe", CHECK)

    found = read_payload(_order(idle, "0000cafe").inputs.payload)

    assert (found.stage, found.values, found.parent) == ("check", {"region": "eu"}, parent)


def test_its_secrets_are_sealed(idle: Daemon, parent: str, grounds: Grounds) -> None:
    _starting(idle).start_for_run(parent, "0000cafe", CHECK)

    assert b"hunter2" not in b"".join(path.read_bytes() for path in grounds.data.glob("runner.db*"))


# The hook behind it.


def test_the_first_use_makes_the_hook_of_the_pipeline_and_the_second_does_not(registered: Daemon) -> None:
    assert registered.service.hooks(SHOP) == ()

    found = []
    for _ in range(2):
        run = registered.ended(registered.service.submit(Submission(pipeline=SHOP), local=True).id)
        registered.ended(_child(registered, run))
        found.append((registered.service.hooks(SHOP), registered.service._registered.secrets(SHOP)[SECRET]))

    assert found[0] == found[1]
    assert len(found[0][0]) == 1


def test_an_inline_pipeline_has_no_hook(registered: Daemon) -> None:
    registered.ended(_child(registered, registered.run(ASKING)))

    assert registered.service.hooks() == ()


def test_the_parameters_of_the_hook_are_given_to_async_stages(registered: Daemon) -> None:
    service = registered.service
    service._hooks.ensure(SHOP)
    service.set_parameter(SHOP, "who", "hook")

    run = registered.ended(service.submit(Submission(pipeline=SHOP), local=True).id)

    assert _order(registered, _child(registered, run)).inputs.trigger.parameters == {"who": "hook"}


def test_a_pipeline_that_was_forgotten_meanwhile_starts_its_async_stages_all_the_same(
    grounds: Grounds, shop: Repository
) -> None:
    with grounds.living() as daemon:
        daemon.service.register(SHOP, Definition(repository=str(shop.root)))
        run = daemon.service.submit(Submission(pipeline=SHOP), local=True).id
        daemon.service.forget(SHOP)
        daemon.serve()
        daemon.ended(run)

        assert daemon.status(_child(daemon, run)) == "success"
        assert daemon.service.hooks() == ()


def test_a_token_that_is_rotated_while_a_run_goes_on_does_not_matter_to_it(grounds: Grounds, shop: Repository) -> None:
    with grounds.living() as daemon:
        daemon.service.register(SHOP, Definition(repository=str(shop.root)))
        daemon.service._hooks.ensure(SHOP)
        run = daemon.service.submit(Submission(pipeline=SHOP), local=True).id
        token = daemon.service.rotate_hook(SHOP)
        daemon.serve()
        daemon.ended(run)

        assert daemon.status(_child(daemon, run)) == "success"
        assert daemon.service._hooks.check(SHOP, token)


# From elsewhere.


def test_whoever_posts_a_payload_starts_a_run_of_nobody_with_that_state(registered: Daemon) -> None:
    child = registered.ended(_starting(registered).start_for_pipeline(SHOP, CHECK))

    summary = registered.service.summary(child)
    assert (summary.parent, summary.child, summary.pipeline, summary.status) == ("", "check", SHOP, "success")
    assert registered.service.report(child)["values"]["env"] == {"region": "eu"}
    assert _order(registered, child).inputs.hook == HOOK


def test_one_that_names_a_run_of_the_pipeline_is_as_that_would_have_started_it(registered: Daemon) -> None:
    submission = Submission(pipeline=SHOP, properties={"only": "of this run"}, queue="deploy", priority=2)
    run = registered.ended(registered.service.submit(submission, local=True).id)

    child = registered.ended(_starting(registered).start_for_pipeline(SHOP, replace(CHECK, parent=run)))

    summary = registered.service.summary(child)
    assert (summary.parent, summary.queue, summary.priority) == (run, "deploy", 2)
    assert _order(registered, child).inputs.properties == {"only": "of this run"}


@pytest.mark.parametrize("parent", ["feedbeef", "of another"])
def test_a_parent_that_is_no_run_of_the_pipeline_is_not_believed(registered: Daemon, parent: str) -> None:
    other = registered.run(ASKING, secrets={"TOKEN": "hunter2"})
    named = other if parent == "of another" else parent

    child = registered.ended(_starting(registered).start_for_pipeline(SHOP, replace(CHECK, parent=named)))

    assert registered.service.summary(child).parent == ""
    assert "TOKEN" not in _order(registered, child).confidential


def test_the_file_is_that_of_the_commit_that_the_payload_names(registered: Daemon, shop: Repository) -> None:
    older = shop.git("rev-parse", "HEAD")
    commit(shop, replace(ASKING, async_stages=(apart("other"),)))

    told = replace(CHECK, configuration=Configuration(commit=older))
    child = registered.ended(_starting(registered).start_for_pipeline(SHOP, told))

    tree = _order(registered, child).tree.repository
    assert tree is not None
    assert (tree.commit, registered.status(child)) == (older, "success")
    with pytest.raises(NotFoundError, match="there is no async stage 'check'"):
        _starting(registered).start_for_pipeline(SHOP, CHECK)


def test_the_file_may_be_another_one_of_the_repository(registered: Daemon, shop: Repository) -> None:
    commit(shop, replace(ASKING, async_stages=(apart("other"),)), path="ci/other.yml")

    told = Payload(stage="other", configuration=Configuration(path="ci/other.yml"))

    assert _order(registered, _starting(registered).start_for_pipeline(SHOP, told)).inputs.file == "ci/other.yml"


def test_a_file_that_means_nothing_starts_nothing(registered: Daemon, shop: Repository) -> None:
    commit(shop, "stages: [")

    with pytest.raises(InvalidPipelineError):
        _starting(registered).start_for_pipeline(SHOP, CHECK)


def test_a_pipeline_that_nobody_knows_starts_nothing(registered: Daemon) -> None:
    with pytest.raises(NotFoundError):
        _starting(registered).start_for_pipeline("unknown", CHECK)


def test_where_too_many_wait_nobody_else_starts_one_but_a_step_does(grounds: Grounds, shop: Repository) -> None:
    grounds.set(waiting=1)
    with grounds.living() as daemon:
        daemon.service.register(SHOP, Definition(repository=str(shop.root)))
        run = daemon.service.submit(Submission(pipeline=SHOP), local=True).id

        with pytest.raises(BusyError):
            _starting(daemon).start_for_pipeline(SHOP, CHECK)
        assert _starting(daemon).start_for_run(run, "0000cafe", CHECK) is not None


# Once more.


def test_a_rerun_repeats_payload_commit_and_properties_whatever_has_changed_since(
    registered: Daemon, shop: Repository
) -> None:
    service = registered.service
    service.set_property(SHOP, "region", "eu")
    service.set_secret(SHOP, "KEY", "the first key")
    run = registered.ended(service.submit(Submission(pipeline=SHOP), local=True).id)
    child = _child(registered, run)
    service.set_property(SHOP, "region", "us")
    service.set_secret(SHOP, "KEY", "the second key")
    commit(shop, replace(ASKING, async_stages=()))

    again = registered.ended(service.rerun(child, Again()).id)

    first, second = _order(registered, child), _order(registered, again)
    assert (second.tree, second.inputs.payload, second.inputs.properties) == (
        first.tree, first.inputs.payload, {"region": "eu"}
    )  # fmt: skip
    assert second.confidential == first.confidential
    assert second.confidential["KEY"] == "the first key"
    summary = service.summary(again)
    assert (summary.origin, summary.parent, summary.child, summary.status) == (child, run, "check", "success")
    assert service.report(again)["values"]["env"] == {"url": "https://x"}


def test_a_rerun_has_the_commit_that_a_branch_stood_at_when_the_first_ran(registered: Daemon, shop: Repository) -> None:
    library = Repository(shop.root.with_name("lib"))
    before = library.commit("file")
    fake = {"FAKE_SAVE_REPO": f"lib url=file://{library.root} branch=main"}
    run = registered.run(replace(ASKING, stages=(stage("s", triggering("t", "check", fake=fake)),)))
    child = _child(registered, run)
    library.commit("file", message="another")

    again = registered.ended(registered.service.rerun(child, Again()).id)

    assert [clone.source.commit for clone in _order(registered, again).tree.beside] == [before]
    assert registered.status(again) == "success"


def test_registered_repositories_are_there_at_their_commits(registered: Daemon, shop: Repository) -> None:
    library = Repository(shop.root.with_name("lib"))
    older = library.commit("file")
    library.commit("file", message="another")
    fake = {"FAKE_SAVE_REPO": f"lib url=file://{library.root} commit={older} path=deep/lib"}
    run = registered.run(replace(ASKING, stages=(stage("s", triggering("t", "check", fake=fake)),)))

    child = _child(registered, run)

    (placed,) = registered.house.agent._means.backend.inner.world.beside[child]  # type: ignore[attr-defined]  # a fake
    assert placed.target.endswith("/deep/lib")
    assert registered.status(child) == "success"


def test_one_whose_repository_is_not_there_is_an_error_that_says_so(registered: Daemon) -> None:
    fake = {"FAKE_SAVE_REPO": "lib url=/nowhere/lib"}
    run = registered.run(replace(ASKING, stages=(stage("s", triggering("t", "check", fake=fake)),)))

    child = _child(registered, run)

    assert registered.status(child) == "error"
    assert "/nowhere/lib" in registered.service.summary(child).reason


def test_a_pipeline_says_what_async_stages_it_has_in_its_plan(registered: Daemon) -> None:
    of: Plan = registered.service.plan(registered.run(ASKING))

    assert [each.name for each in of.async_stages] == ["check"]
    assert json.loads(text_of(ASKING))["stages"]["check"]["async"] is True
