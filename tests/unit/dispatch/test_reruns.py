"""Runs that repeat others: as a whole, or from a stage on."""

import pytest

from runner.dispatch.orders import StoredOrder
from runner.dispatch.requests import Again, Definition, Submission
from runner.errors import ConflictError, NotFoundError, UsageError
from runner.naming import Address
from runner.pipelinectl.layout import Kind, file_name
from runner.plan.model import SecretUse
from tests.support.daemons import Daemon, Grounds, commit
from tests.support.plans import hanging, plan, stage, step, steps_only
from tests.support.repositories import Repository

LEAVES = {"FAKE_SET_ENV": "version=1"}
FAILING = plan(
    stage("build", step("a", text="built", fake=LEAVES)),
    stage("test", step("a", 1, text="tested"), needs=("build",)),
    stage("ship", step("a", text="shipped"), needs=("test",)),
)


def _order(daemon: Daemon, run: str) -> StoredOrder:
    return daemon.house.means.order(run)


def _again(daemon: Daemon, run: str, again: Again) -> str:
    return daemon.ended(daemon.service.rerun(run, again).id)


def test_a_whole_rerun_does_all_of_it_again(daemon: Daemon, grounds: Grounds) -> None:
    first = daemon.run(plan(stage("s", step("a", text="one"))), properties={"p": "1"}, priority=3, queue="deploy")

    second = _again(daemon, first, Again(properties={"p": "2", "q": "2"}))

    before, after = _order(daemon, first), _order(daemon, second)
    assert (after.plan, after.tree, after.inherited, after.restored) == (before.plan, before.tree, {}, False)
    assert (before.inputs.properties, after.inputs.properties) == ({"p": "1"}, {"p": "2", "q": "2"})
    summary = daemon.service.summary(second)
    assert (summary.origin, summary.queue, summary.priority, summary.status) == (first, "deploy", 3, "success")
    assert daemon.text(second, "s", "a") == "one\n"
    assert grounds.world.starts[Address(second, "s", "a")] == 1


def test_a_rerun_from_a_failed_stage_takes_over_what_was_done_with_its_values(daemon: Daemon, grounds: Grounds) -> None:
    first = daemon.run(FAILING)
    assert daemon.status(first) == "failure"

    second = _again(daemon, first, Again(failed=True))

    assert daemon.statuses(second) == {"build/a": "success", "test/a": "failure", "ship/a": "skipped"}
    begun = {address.path for address in grounds.world.starts if address.run == second}
    assert begun == {"test/a"}
    assert grounds.world.layers[Address(second, "test")] == (Address(first, "build"),)
    order = _order(daemon, second)
    assert (order.restored, order.inherited) == (True, {"build": Address(first, "build")})
    assert file_name(Kind.VALUE, "version") in grounds.world.values[second]
    assert daemon.service.report(second)["stages"][0]["steps"][0]["reason"] == f"taken over from run {first}"


def test_a_rerun_of_a_rerun_stands_on_the_first_run(daemon: Daemon, grounds: Grounds) -> None:
    first = daemon.run(FAILING)
    second = _again(daemon, first, Again(failed=True))

    third = _again(daemon, second, Again(from_stage="test"))

    assert _order(daemon, third).inherited == {"build": Address(first, "build")}
    assert set(daemon.house.means.runs.holders(first)) == {second, third}
    assert daemon.service.summary(third).origin == second


def test_a_run_that_is_not_kept_any_more_can_be_repeated_as_a_whole_only(grounds: Grounds) -> None:
    grounds.set(keep_failed=0.0)
    with grounds.serving() as daemon:
        first = daemon.run(FAILING)
        daemon.house.housekeeping.tidy()
        assert daemon.service.summary(first).kept_until is None

        for again in (Again(from_stage="build"), Again(failed=True)):
            with pytest.raises(ConflictError, match="not kept") as caught:
                daemon.service.rerun(first, again)
            assert "as a whole" in caught.value.hint
        assert not (grounds.data / "runs" / first / "saved").exists()
        assert daemon.status(_again(daemon, first, Again())) == "failure"


def test_a_run_that_succeeded_keeps_nothing_and_can_be_repeated_as_a_whole_only(daemon: Daemon) -> None:
    run = daemon.run(plan(stage("a", step("x")), stage("b", step("x"), needs=("a",))))

    with pytest.raises(ConflictError, match="not kept"):
        daemon.service.rerun(run, Again(from_stage="b"))
    with pytest.raises(ConflictError, match=r"every stage of run .* has succeeded"):
        daemon.service.rerun(run, Again(failed=True))
    assert daemon.status(_again(daemon, run, Again())) == "success"


def test_a_stage_that_is_not_there_or_never_began_is_named(daemon: Daemon) -> None:
    run = daemon.run(FAILING)

    with pytest.raises(ConflictError, match="no stage 'tset'"):
        daemon.service.rerun(run, Again(from_stage="tset"))
    with pytest.raises(ConflictError, match="at the start of stage ship were not kept"):
        daemon.service.rerun(run, Again(from_stage="ship"))
    with pytest.raises(NotFoundError, match="no run 0badcafe"):
        daemon.service.rerun("0badcafe", Again())


def test_a_run_that_goes_on_cannot_be_repeated(daemon: Daemon) -> None:
    run = daemon.submit(steps_only(hanging("a")))
    daemon.until(run, "s/a")

    for again in (Again(), Again(failed=True), Again(from_stage="s")):
        with pytest.raises(ConflictError, match="has not ended"):
            daemon.service.rerun(run, again)


def test_nothing_is_left_of_a_rerun_that_was_refused(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.run(FAILING)
    before = sorted(path.name for path in (grounds.data / "runs").iterdir())

    with daemon.house.service._looking._keeping.looking(run), pytest.raises(ConflictError, match="has a shell in"):
        daemon.service.rerun(run, Again(failed=True))

    assert len(daemon.service.runs()) == 1
    assert sorted(path.name for path in (grounds.data / "runs").iterdir()) == before


@pytest.fixture
def shop(daemon: Daemon, repository: Repository) -> str:
    use = SecretUse(source="deploy_token", target="TOKEN")
    commit(repository, plan(stage("a", step("x")), stage("b", step("x", 1, secrets=(use,)), needs=("a",))))
    daemon.service.register("shop", Definition(repository=str(repository.root)))
    return "shop"


@pytest.mark.parametrize("again", [Again(), Again(failed=True)])
@pytest.mark.parametrize("name", ["deploy_token", "DEPLOY_TOKEN"])
def test_a_rerun_has_the_secrets_of_its_pipeline_as_they_are_now(
    daemon: Daemon, shop: str, again: Again, name: str
) -> None:
    daemon.service.set_secret(shop, name, "older")
    daemon.service.set_secret(shop, "removed", "kept")
    run = daemon.ended(daemon.service.submit(Submission(pipeline=shop, secrets={"told": "once"}), local=False).id)
    daemon.service.set_secret(shop, name, "newer")
    daemon.service.set_secret(shop, "added", "later")
    daemon.service.remove_secret(shop, "removed")

    order = _order(daemon, _again(daemon, run, again))

    assert order.secrets == {"deploy_token": "newer", "told": "once", "added": "later", "removed": "kept"}
    assert order.inputs.secure == {"told": "once", "added": "later", "removed": "kept"}


def test_secrets_that_are_told_count_over_those_of_the_pipeline(daemon: Daemon, shop: str) -> None:
    daemon.service.set_secret(shop, "deploy_token", "stored")
    run = daemon.ended(daemon.service.submit(Submission(pipeline=shop), local=False).id)

    order = _order(daemon, _again(daemon, run, Again(secrets={"DEPLOY_TOKEN": "told"})))

    assert order.secrets == {"deploy_token": "told"}


def test_a_run_of_a_pipeline_that_was_forgotten_is_repeated_as_it_was(
    daemon: Daemon, shop: str, repository: Repository
) -> None:
    daemon.service.set_secret(shop, "deploy_token", "stored")
    run = daemon.ended(daemon.service.submit(Submission(pipeline=shop), local=False).id)
    commit(repository, steps_only(step("newer")))
    daemon.service.forget(shop)

    second = _again(daemon, run, Again())

    assert _order(daemon, second).secrets == {"deploy_token": "stored"}
    assert _order(daemon, second).tree == _order(daemon, run).tree
    assert daemon.statuses(second) == {"a/x": "success", "b/x": "failure"}


@pytest.mark.parametrize("again", [Again(properties={"a/b/c": "1"}), Again(secrets={"a/b/c": "1111"})])
def test_a_name_that_no_file_can_have_is_refused(daemon: Daemon, again: Again) -> None:
    run = daemon.run(steps_only(step("a")))

    with pytest.raises(UsageError, match="'a/b/c': no file below"):
        daemon.service.rerun(run, again)


def test_large_files_that_were_saved_are_there_again(daemon: Daemon, grounds: Grounds) -> None:
    content = "x" * 200_000
    first = daemon.run(
        plan(
            stage("build", step("a", fake={"FAKE_SAVE_FILE": f"report={content}"})),
            stage("test", step("a", 1), needs=("build",)),
        )
    )

    second = _again(daemon, first, Again(failed=True))

    saved = [data for data in grounds.world.values[second].values() if len(data) >= len(content)]
    assert [content.encode() in data for data in saved] == [True]


def test_a_rerun_that_was_submitted_before_a_crash_goes_on_after_it(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        first = daemon.run(FAILING)
    with grounds.living() as daemon:
        second = daemon.service.rerun(first, Again(failed=True)).id

    with grounds.serving() as daemon:
        daemon.ended(second)
        assert daemon.statuses(second) == {"build/a": "success", "test/a": "failure", "ship/a": "skipped"}
        assert grounds.world.layers[Address(second, "test")] == (Address(first, "build"),)


def test_two_reruns_of_one_run_may_go_on_at_a_time(daemon: Daemon) -> None:
    first = daemon.run(FAILING)

    runs = [daemon.service.rerun(first, Again(failed=True)).id for _ in range(2)]

    assert [daemon.statuses(daemon.ended(run))["test/a"] for run in runs] == ["failure", "failure"]


def test_the_kept_run_stays_while_a_rerun_of_it_waits(grounds: Grounds) -> None:
    """Its time is over, but a rerun stands on it."""
    grounds.set(keep_failed=0.0, queues={"default": 1})
    with grounds.serving() as daemon:
        first = daemon.run(FAILING)
        blocker = daemon.submit(steps_only(hanging("a")))
        daemon.until(blocker, "s/a")
        second = daemon.service.rerun(first, Again(failed=True)).id

        daemon.house.housekeeping.tidy()
        assert first in grounds.world.kept

        daemon.service.cancel(blocker, force=True)
        daemon.ended(second)
        assert daemon.statuses(second)["test/a"] == "failure"


def test_a_rerun_is_stored_with_what_it_stands_on_in_one_step(idle: Daemon, grounds: Grounds) -> None:
    """What a rerun takes over is in its journal before anybody can drive it."""
    idle.serve()
    first = idle.run(FAILING)
    idle.house.dispatcher.drain()

    second = idle.service.rerun(first, Again(failed=True)).id

    journal = idle.house.means.journal(second).read()
    assert [(entry.address.path, entry.status) for entry in journal] == [("build/a", "success"), ("build", "success")]
    assert idle.house.means.runs.holders(first) == (second,)
