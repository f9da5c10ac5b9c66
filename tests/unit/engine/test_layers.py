from collections.abc import Iterable
from dataclasses import replace

from runner.engine.journal import Entry
from runner.engine.layers import all_layers, layers_of, side_by_side, stage_spec
from runner.engine.specs import Gathered
from runner.engine.state import RunState
from runner.naming import ORIGINS, Address
from runner.plan.model import Plan, Workspace
from runner.plan.status import Status
from tests.support.engine import RUN, at
from tests.support.executions import execution, executions, fork, task
from tests.support.plans import plan, stage, step

DIAMOND = plan(
    stage("top", step("s"), needs=("right", "left")),
    stage("right", step("s"), needs=("base",)),
    stage("left", step("s"), needs=("base",)),
    stage("base", step("s")),
    stage("apart", step("s")),
)
ALL = [at(f"{name}/s") for name in ("top", "right", "left", "base", "apart")]


def _state(of: Plan, begun: Iterable[Address]) -> RunState:
    return RunState(RUN, of, [Entry(address=address, status=Status.RUNNING, at=0.0) for address in begun])


def test_a_stage_that_needs_nothing_has_no_layers() -> None:
    assert layers_of(_state(DIAMOND, ALL), "base") == ()


def test_a_stage_sees_all_that_it_needs_lowest_first_and_ties_in_the_order_of_the_file() -> None:
    assert layers_of(_state(DIAMOND, ALL), "top") == (at("base"), at("right"), at("left"))


def test_a_stage_in_which_no_step_was_begun_is_no_layer() -> None:
    begun = [address for address in ALL if address.stage != "right"]

    assert layers_of(_state(DIAMOND, begun), "top") == (at("base"), at("left"))


def test_a_stage_whose_only_step_was_skipped_is_no_layer() -> None:
    state = RunState(RUN, DIAMOND, [Entry(address=at("base/s"), status=Status.SKIPPED, at=0.0)])

    assert layers_of(state, "left") == ()


def test_the_last_round_of_a_stage_is_its_layer() -> None:
    state = _state(DIAMOND, [*ALL, at("base/s", round=2)])

    assert layers_of(state, "left") == (at("base", round=2),)


def test_a_round_in_which_nothing_was_begun_hides_the_one_before() -> None:
    state = _state(DIAMOND, ALL)
    state.apply(Entry(address=at("base", round=2), status=Status.RUNNING, at=1.0))

    assert layers_of(state, "left") == ()


def test_the_whole_run_has_the_layers_of_all_stages() -> None:
    assert all_layers(_state(DIAMOND, ALL)) == tuple(at(name) for name in ("base", "right", "left", "top", "apart"))


def test_only_layers_of_which_neither_needs_the_other_stand_side_by_side() -> None:
    state = _state(DIAMOND, ALL)

    assert side_by_side(state, layers_of(state, "top")) == ((at("right"), at("left")),)


def test_a_need_through_another_stage_is_one_too() -> None:
    of = plan(stage("a", step("s")), stage("b", step("s"), needs=("a",)), stage("c", step("s"), needs=("b",)))
    state = _state(of, [at("a/s"), at("b/s"), at("c/s")])

    assert side_by_side(state, all_layers(state)) == ()


def test_a_stage_that_wants_no_workspace_is_no_layer() -> None:
    of = plan(stage("a", step("s"), workspace=Workspace.NONE), stage("b", step("s"), needs=("a",)))
    begun = [at("a/s"), at("b/s")]

    assert layers_of(_state(of, begun), "b") == ()
    assert all_layers(_state(of, begun)) == (at("b"),)


def test_a_stage_that_was_taken_over_has_the_layer_of_the_other_run_in_its_place() -> None:
    other = Address("feedbeef", "base", round=2)
    entries = [Entry(address=at("right/s"), status=Status.RUNNING, at=0.0)]
    state = RunState(RUN, DIAMOND, entries, {"base": other, "left": replace(other, stage="left")})

    assert layers_of(state, "top") == (other, at("right"), replace(other, stage="left"))
    assert all_layers(state) == layers_of(state, "top")
    assert side_by_side(state, layers_of(state, "top")) == ((at("right"), replace(other, stage="left")),)


def test_a_stage_that_wants_a_fresh_tree_sees_nothing_of_those_that_it_needs_and_is_a_layer_itself() -> None:
    fresh = plan(
        stage("top", step("s"), needs=("left",)),
        replace(stage("left", step("s"), needs=("base",)), workspace=Workspace.FRESH),
        stage("base", step("s")),
    )
    state = _state(fresh, [at("top/s"), at("left/s"), at("base/s")])

    assert layers_of(state, "left") == ()
    assert layers_of(state, "top") == (at("base"), at("left"))


def test_what_fetches_secrets_is_below_a_fresh_tree_too() -> None:
    fresh = plan(
        stage(ORIGINS, step("s")),
        replace(stage("build", step("s"), needs=(ORIGINS,)), workspace=Workspace.FRESH),
    )

    assert layers_of(_state(fresh, [at(f"{ORIGINS}/s"), at("build/s")]), "build") == (at(ORIGINS),)


FORKED = executions(
    execution("ROOT", task("p/s")),
    fork("EACH", task("p/s"), over=[1, 2], inside=["IN"], parents=["ROOT"]),
    execution("IN", task("p/s"), parents=["EACH"]),
    execution("ALL", task("p/s"), parents=["IN"]),
    execution("AFTER", task("p/s"), parents=["ALL"]),
)


def _forked(count: int, *, but: str = "") -> RunState:
    state = RunState(RUN, FORKED, [Entry(address=at("EACH"), status=Status.SUCCESS, at=0.0, branches=count)])
    for each in state.plan.stages:
        if each.name != but:
            state.apply(Entry(address=at(f"{each.name}/p/s"), status=Status.RUNNING, at=1.0))
    return state


def test_a_branch_stands_on_what_its_fork_stands_on_and_on_itself() -> None:
    assert layers_of(_forked(2), "IN[1]") == (at("ROOT"), at("EACH[1]"))


def test_behind_a_fork_nobody_sees_what_its_branches_have_changed_as_one_tree() -> None:
    assert layers_of(_forked(2), "ALL") == (at("ROOT"),)
    assert layers_of(_forked(2), "AFTER") == (at("ROOT"), at("ALL"))


def test_what_each_branch_has_changed_is_gathered_for_the_join_and_for_nobody_else() -> None:
    state = _forked(2)

    assert stage_spec(state, at("ALL")).gathered == (
        Gathered(path="branches/IN/0", layers=(at("EACH[0]"), at("IN[0]"))),
        Gathered(path="branches/IN/1", layers=(at("EACH[1]"), at("IN[1]"))),
    )
    assert stage_spec(state, at("AFTER")).gathered == ()


def test_a_branch_that_never_had_a_workspace_leaves_its_place_free() -> None:
    gathered = stage_spec(_forked(2, but="IN[0]"), at("ALL")).gathered

    assert [each.layers for each in gathered] == [(at("EACH[0]"),), (at("EACH[1]"), at("IN[1]"))]


def test_behind_a_fork_without_values_there_is_what_the_fork_stood_on() -> None:
    state = _forked(0)

    assert layers_of(state, "ALL") == (at("ROOT"),)
    assert stage_spec(state, at("ALL")).gathered == ()


def test_what_a_run_has_changed_holds_branches_only_once() -> None:
    assert all_layers(_forked(1)) == (at("ROOT"), at("ALL"), at("AFTER"))
    assert all_layers(_forked(1, but="ALL")) == (at("ROOT"), at("EACH[0]"), at("IN[0]"), at("AFTER"))
