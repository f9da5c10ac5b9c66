from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.backends.standing import World, leftovers
from runner.engine.job import Keep
from runner.engine.journal import Entry, Memory
from runner.engine.origins import unfold
from runner.engine.rerun import Inheritance, inherit
from runner.engine.state import RunState
from runner.errors import ConflictError
from runner.naming import ORIGINS, Address, returns
from runner.pipelinectl.saved import Saved, Saves
from runner.plan.model import Plan, Rules, Ruleset, Workspace
from runner.plan.status import Status
from tests.support.engine import RUN, SCALE, Life, Result, at, drive
from tests.support.executions import execution, executions, fork, task
from tests.support.plans import plan, service, stage, step, steps_only

SECOND = "feedbeef"
BOTH = ("success", "failure")
DIAMOND = plan(
    stage("base", step("a")),
    stage("left", step("a"), needs=("base",)),
    stage("right", step("a", 1), step("b", status=["failure"]), needs=("base",)),
    stage("top", step("a", status=BOTH), needs=("left", "right")),
    stage("apart", step("a", status=BOTH)),
)


def _ended(of: Plan, **job: Any) -> RunState:  # noqa: ANN401 - the fields of `Job`
    return drive(of, **job).state


def _inherit(of: Plan, stage: str = "", earlier: Mapping[str, Address] | None = None) -> Inheritance:
    return inherit(_ended(of), stage, earlier or {})


def test_what_succeeded_and_needs_nothing_that_runs_again_is_taken_over_with_its_layers() -> None:
    found = _inherit(DIAMOND)

    assert found.stage == at("right")
    assert found.taken == dict.fromkeys(["base", "left", "apart"], Status.SUCCESS)
    assert found.again == ("right", "top")
    assert found.layers == {name: at(name) for name in ("base", "left", "apart")}
    assert found.runs == (RUN,)


def test_the_stages_that_need_the_chosen_one_run_again_although_they_succeeded() -> None:
    assert _inherit(DIAMOND, "base").again == ("base", "left", "right", "top")
    assert _inherit(DIAMOND, "left").again == ("left", "right", "top")


def test_the_journal_of_the_rerun_begins_with_what_was_done_as_facts_of_its_own() -> None:
    of = plan(
        stage("a", step("x", 3, proceed=True), step("y", status=["failure"]), retry=0),
        stage("b", step("x", 1), needs=("a",)),
    )

    entries = _inherit(of).entries(SECOND)

    assert [(e.address, e.status, e.exit_code, e.at) for e in entries] == [
        (Address(SECOND, "a", "x"), Status.FAILURE, 3, 0.0),
        (Address(SECOND, "a", "y"), Status.SKIPPED, None, 0.0),
        (Address(SECOND, "a"), Status.SUCCESS, None, 0.0),
    ]
    assert entries[0].reason == entries[2].reason == f"taken over from run {RUN}"
    assert "status" in entries[1].reason


def test_the_last_round_and_attempt_are_those_that_count() -> None:
    of = plan(stage("a", step("x", retry=1), retry=1), stage("b", step("x", 1), needs=("a",)))
    state = _ended(of)
    state.apply(Entry(address=at("a/x", round=2, attempt=2), status=Status.SUCCESS, at=9.0))
    state.apply(Entry(address=at("a", round=2), status=Status.SUCCESS, at=9.0))

    found = inherit(state, "b", {"a": Address("older", "a", round=7)})

    assert [entry.address for entry in found.entries(SECOND)] == [
        Address(SECOND, "a", "x", round=2, attempt=2),
        Address(SECOND, "a", round=2),
    ]
    assert found.layers == {"a": Address("older", "a", round=7)}
    assert found.runs == ("older",)


def test_stages_without_a_workspace_and_such_that_never_had_one_have_no_layer() -> None:
    of = plan(
        stage("none", step("a"), workspace=Workspace.NONE),
        stage("skipped", step("a", status=["failure"])),
        stage("broken", step("a", 1), needs=("none", "skipped")),
    )

    found = _inherit(of)

    assert found.taken == {"none": Status.SUCCESS, "skipped": Status.SKIPPED}
    assert found.layers == {}


def test_a_stage_that_left_steps_out_because_of_a_failure_elsewhere_is_run_again() -> None:
    of = plan(stage("broken", step("a")), stage("deploy", step("a"), step("b")), stage("own", step("a")))
    begun = [Address(RUN), at("broken"), at("broken/a"), at("deploy"), at("deploy/a"), at("own"), at("own/a")]
    ended = {at("deploy/a"): Status.SUCCESS, at("broken/a"): Status.FAILURE, at("deploy/b"): Status.SKIPPED}
    ended |= {at("own/a"): Status.SUCCESS, at("own"): Status.SUCCESS, at("deploy"): Status.SUCCESS}
    ended |= {at("broken"): Status.FAILURE, Address(RUN): Status.FAILURE}
    entries = [Entry(address=address, status=Status.RUNNING, at=0.0) for address in begun]
    entries += [Entry(address=address, status=status, at=1.0) for address, status in ended.items()]

    found = inherit(RunState(RUN, of, entries), "", {})

    assert (found.again, tuple(found.taken)) == (("broken", "deploy"), ("own",))


def test_a_step_that_is_left_out_in_any_case_is_no_reason_to_run_its_stage_again() -> None:
    of = plan(
        stage("a", step("x"), step("never", status=["failure"])),
        stage("broken", step("x", 1), needs=("a",)),
    )

    assert _inherit(of).again == ("broken",)


def test_what_asks_for_variables_is_taken_to_be_left_out_in_any_case() -> None:
    asking = Ruleset(if_=Rules(status=BOTH, eval="1 == 2"))
    of = plan(stage("asked", step("x"), ruleset=asking), stage("broken", step("x", 1), needs=("asked",)))

    assert _inherit(of).again == ("broken",)


def test_secrets_are_fetched_again_without_a_reason_to_run_all_that_stands_on_them() -> None:
    of = plan(stage("a", step("x")), stage("b", step("x", 1), needs=("a",)), origins=(step("vault"),))

    found = _inherit(of)

    assert (found.again, dict(found.taken)) == ((ORIGINS, "b"), {"a": Status.SUCCESS})
    assert found.layers == {"a": at("a")}


def test_where_secrets_could_not_be_fetched_all_is_run_again() -> None:
    found = _inherit(plan(stage("a", step("x")), origins=(step("vault", 3),)))

    assert (found.stage, found.again) == (at(ORIGINS), (ORIGINS, "a"))


def _conflict(of: Plan, stage: str = "") -> str:
    with pytest.raises(ConflictError) as caught:
        _inherit(of, stage)
    return caught.value.explained


def test_what_cannot_be_rerun_says_why_and_what_would_do() -> None:
    good, bad = plan(stage("a", step("x"))), plan(stage("a", step("x", 1)))
    never = plan(stage("a", step("x", fake={"FAKE_START_ERROR": "no"})), stage("b", step("x"), needs=("a",)))

    assert _conflict(good).startswith(f"every stage of run {RUN} has succeeded (name the stage")
    assert _conflict(bad, "nope") == f"run {RUN} has no stage 'nope' (its stages are a)"
    assert "stage 'b' of run" in _conflict(never, "b")
    assert "never begun" in _conflict(never, "b")


def test_a_run_of_which_nothing_was_begun_is_rerun_as_a_whole() -> None:
    world = World(scale=SCALE, missing_images=frozenset({"nowhere"}))
    state = _ended(steps_only(step("a", image="nowhere")), world=world)

    with pytest.raises(ConflictError, match=r"what did not succeed in run .* was never begun"):
        inherit(state, "", {})


def test_a_run_that_goes_on_cannot_be_rerun() -> None:
    with pytest.raises(ConflictError, match="has not ended"):
        inherit(RunState(RUN, DIAMOND), "base", {})


def test_files_of_a_tree_that_stages_share_are_not_those_of_a_stage() -> None:
    of = plan(
        stage("a", step("x"), workspace=Workspace.SHARED),
        stage("b", step("x", 1), needs=("a",), workspace=Workspace.SHARED),
    )

    assert "share" in _conflict(of, "b")
    assert _inherit(of, "a").again == ("a", "b")


def test_a_stage_that_was_taken_over_already_is_rerun_from_where_it_ran() -> None:
    state = _ended(DIAMOND)
    taken = inherit(state, "", {})
    journal = Memory()
    writer = journal.take()
    for entry in taken.entries(RUN):
        writer.append(entry)
    again = drive(DIAMOND, journal=journal, inherited={})

    with pytest.raises(ConflictError, match=r"stage 'base' of run .* was done by an earlier run"):
        inherit(again.state, "base", taken.layers)


def test_values_of_stages_that_run_again_are_not_known_and_those_of_others_are() -> None:
    saved = Saved(
        values={
            "e.a": b"1\n",
            "d.result,left": b"failure\n",
            "d.result,right": b"failure\n",
            "d.result,mine": b"x\n",
            "p.one-pipeline-status": b"1\n",
        },
        left={".env": b"A=1\n"},
    )

    found = _inherit(DIAMOND).values(saved)

    assert found.values == {
        "e.a": b"1\n",
        "d.result,mine": b"x\n",
        **{f"d.result,{name}": b"success\n" for name in ("base", "left", "apart")},
    }
    assert found.left == saved.left


CHAIN = plan(
    stage("a", step("x", fake={"FAKE_SET_ENV": "A=1", "FAKE_OUTPUT": "CODE=1"})),
    stage("b", step("x", fake={"FAKE_EXIT": "$CODE", "FAKE_SAVE_FILE": "log=text"}), needs=("a",)),
    stage("c", step("x", fake={"FAKE_EXIT": "1"}), needs=("b",)),
    services=[service("db")],
    outputs="/outputs",
)


def _rerun(of: Plan, first: Result, world: World, saves: Path, run: str, **more: Any) -> tuple[Result, Inheritance]:  # noqa: ANN401
    earlier = more.pop("earlier", {})
    taken = inherit(first.state, "", earlier)
    journal = Memory()
    writer = journal.take()
    for entry in taken.entries(run):
        writer.append(entry)
    restored = taken.values(Saves(saves / first.state.run).read(taken.stage))
    life = Life(
        of,
        run=run,
        world=world,
        journal=journal,
        keep=Keep.FAILED,
        saves=saves / run,
        inherited=taken.layers,
        restored=restored,
        **more,
    )
    return life.start().finish(), taken


def test_a_rerun_of_a_rerun_stands_on_the_layers_of_both(tmp_path: Path) -> None:
    world = World(scale=SCALE)
    first = drive(CHAIN, world=world, keep=Keep.FAILED, saves=tmp_path / RUN)
    assert first.stages == {"a": "success", "b": "failure", "c": "skipped"}
    mended = unfold(plan(*CHAIN.stages[:1], stage("b", step("x"), needs=("a",)), CHAIN.stages[2], outputs="/outputs"))

    second, taken = _rerun(mended, first, world, tmp_path, SECOND)
    third, last = _rerun(mended, second, world, tmp_path, "cafebabe", earlier=taken.layers)

    assert (second.stages, third.stages) == ({"a": "success", "b": "success", "c": "failure"},) * 2
    assert [len(world.starts), last.runs] == [6, (RUN, SECOND)]
    assert world.layers[Address("cafebabe", "c")] == (at("a"), Address(SECOND, "b"))
    assert Saves(tmp_path / "cafebabe").read(Address("cafebabe", "c")).left == {".env": b"CODE=1\n"}
    assert leftovers(world) == ()


def test_a_rerun_waits_for_its_services_and_has_the_values_as_they_were(tmp_path: Path) -> None:
    world = World(scale=SCALE)
    first = drive(CHAIN, world=world, keep=Keep.FAILED, saves=tmp_path / RUN)

    second, _ = _rerun(CHAIN, first, world, tmp_path, SECOND, values=True)

    assert second.order == ["@services/db", "b/x"]
    assert Saves(tmp_path / SECOND).read(Address(SECOND, "b")).values == {
        "e.A": b"1\n",
        "d.result,a": b"success\n",
        "p.pipeline_namespace": b"ci\n",
    }


def test_a_rerun_whose_layers_are_gone_is_an_error_that_says_so(tmp_path: Path) -> None:
    world = World(scale=SCALE)
    first = drive(CHAIN, world=world, keep=Keep.FAILED, saves=tmp_path / RUN)
    world.kept.clear()

    second, _ = _rerun(CHAIN, first, world, tmp_path, SECOND)

    assert (second.run.status, second.reason("b")) == (
        Status.ERROR,
        f"b (1.1): what stage a of run {RUN} left is gone",
    )


def test_a_rerun_of_a_branch_keeps_the_others_and_what_they_have_returned(tmp_path: Path) -> None:
    world = World(scale=SCALE)
    join = execution("ALL", task("p/s", text="!EACH.pipelineParameters[0].p.s.primaryReturn"), parents=["EACH"])
    codes = fork(
        "EACH",
        task("p/s", returns="r-!{executionForkValue}"),
        task("p/t", fake={"FAKE_EXIT": "!executionForkValue"}),
        over=["0", "3"],
    )
    of = executions(codes, join)
    first = drive(of, world=world, keep=Keep.ALWAYS, saves=tmp_path / "first", values=True)
    found = inherit(first.state, "", {})

    assert found.again == ("EACH[1]", "ALL")
    assert set(found.taken) == {"EACH[0]"}
    mended = executions(replace(codes, steps=(codes.steps[0], task("p/t"))), join)
    journal = Memory()
    writer = journal.take()
    for entry in found.entries(SECOND):
        writer.append(entry)
    saved = found.values(Saves(tmp_path / "first").read(found.stage))
    second = drive(mended, world=world, journal=journal, run=SECOND, inherited=found.layers, restored=saved)

    assert second.stages == {"EACH[0]": "success", "EACH[1]": "success", "ALL": "success"}
    assert [path for path in second.order if path.startswith("EACH[0]")] == []
    assert second.output(second.last("ALL/p/s")).text.strip() == "r-0"


def test_a_rerun_that_begins_before_a_fork_forks_again() -> None:
    find = execution("FIND", task("p/s", returns='["a"]'))
    each = fork("EACH", task("p/s", 1), over="!FIND.pipelineParameters.p.s.primaryReturn", parents=["FIND"])

    found = _inherit(executions(find, each), "FIND")

    assert found.entries(SECOND) == ()
    assert [e.branches for e in _inherit(executions(find, each), "EACH[0]").entries(SECOND)][:1] == [1]


def test_a_branch_that_was_skipped_by_its_evaluation_is_taken_over() -> None:
    skipped = execution("A", task("ev/s", wish="skip:no", evaluates=True), task("p/s"))

    found = _inherit(executions(skipped, execution("B", task("p/s", 1), parents=["A"])))

    assert found.taken == {"A": Status.SKIPPED}
    assert found.again == ("B",)


def test_what_stages_have_asked_for_that_run_again_is_forgotten(tmp_path: Path) -> None:
    of = executions(
        execution("A", task("p/s", wish="skip")), execution("B", task("p/s", 1, returns="old"), parents=["A"])
    )
    first = drive(of, keep=Keep.ALWAYS, saves=tmp_path)
    found = inherit(first.state, "", {})

    kept = found.values(
        Saved(returned={"w." + name: b"skip\n" for name in ("x", returns(at("A/p/s")), returns(at("B/p/s")))})
    )

    assert list(kept.returned) == ["w." + returns(at("A/p/s"))]
