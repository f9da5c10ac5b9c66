"""What stands in the branches of forks: regions, what joins wait for, and what rules leave of them."""

import pytest

from runner.dialects.text import examine
from runner.plan.model import Plan
from tests.support.pipelines import findings_of, plan_of

STEP = "steps: [{name: s, image: i}]"
OTHER = "ruleset: {branch: other}"
SEVERAL = (
    "before: {}",
    "each: {needs: before, fork: [a, b]}",
    "one: {needs: each}",
    "two: {needs: one}",
    "three: {needs: each}",
    "all: {join: each}",
    "after: {needs: all}",
)


def _text(*stages: str) -> str:
    lines = "\n".join(f"  {stage[:-1].rstrip()}{', ' if stage[-2] != '{' else ''}{STEP}}}" for stage in stages)
    return f"version: 1\nstages:\n{lines}\n"


def _inside(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.fork.stages for stage in plan.stages if stage.fork}


def _needs(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.needs for stage in plan.stages}


def test_what_needs_a_fork_runs_in_its_branches_up_to_the_join() -> None:
    assert _inside(plan_of(_text(*SEVERAL))) == {"each": ("one", "two", "three")}


def test_a_join_waits_for_the_ends_of_the_branches() -> None:
    assert _needs(plan_of(_text(*SEVERAL)))["all"] == ("two", "three")


def test_a_join_that_names_an_end_waits_for_that_alone() -> None:
    stages = [stage.replace("{join: each}", "{needs: three, join: each}") for stage in SEVERAL]

    plan = plan_of(_text(*stages))

    assert (_needs(plan)["all"], _inside(plan)) == (("three",), {"each": ("one", "two", "three")})


def test_a_join_that_names_no_end_waits_for_all_beside_what_it_names() -> None:
    stages = [stage.replace("{join: each}", "{needs: [one, before], join: each}") for stage in SEVERAL]

    assert _needs(plan_of(_text(*stages)))["all"] == ("one", "before", "two", "three")


def test_a_join_right_behind_its_fork_waits_for_the_fork() -> None:
    plan = plan_of(_text("all: {join: each}", "each: {fork: [a]}"))

    assert (_needs(plan)["all"], _inside(plan)) == (("each",), {"each": ()})


def test_a_fork_that_nothing_joins_is_a_matrix() -> None:
    plan = plan_of(_text("each: {fork: [a]}", "after: {needs: each}", "last: {needs: after}"))

    assert (_inside(plan), _needs(plan)["after"]) == ({"each": ()}, ("each",))


def test_forks_within_forks_have_regions_of_their_own() -> None:
    plan = plan_of(
        _text(
            "each: {fork: [a]}",
            "inner: {needs: each, fork: [b]}",
            "deep: {needs: inner}",
            "joined: {join: inner}",
            "last: {needs: joined}",
            "matrix: {needs: each, fork: [c]}",
            "all: {join: each}",
        )
    )

    assert _inside(plan) == {
        "each": ("inner", "deep", "joined", "last", "matrix"),
        "inner": ("deep",),
        "matrix": (),
    }
    assert (_needs(plan)["joined"], _needs(plan)["all"]) == (("deep",), ("last", "matrix"))


def test_a_clone_stage_that_all_need_reaches_into_no_fork() -> None:
    plan = plan_of(_text("clone: {}", *SEVERAL, "more: {needs: [clone, each]}"))

    assert _inside(plan) == {"each": ("one", "two", "three", "more")}


def test_a_stage_in_a_branch_may_need_what_its_fork_needs_anyway() -> None:
    plan = plan_of(_text("found: {}", "each: {needs: found, fork: '!found.globals.x'}", "one: {needs: [found, each]}"))

    assert (_needs(plan)["one"], plan.warnings) == (("found", "each"), ())


def test_a_stage_that_reaches_into_a_fork_is_an_error() -> None:
    told = findings_of(_text(*SEVERAL, "other: {}", "bad: {needs: [two, other]}"))

    assert len(told) == 1
    assert "needs that reach into or out of a fork" in told[0]
    assert "'bad'" in told[0]


@pytest.mark.parametrize(
    ("stages", "part"),
    [
        (("a: {join: nope}",), "the stage 'a' joins 'nope', and there is no such stage"),
        (("a: {join: b}", "b: {}"), "the stage 'a' joins 'b', and that is no fork"),
        (("a: {join: eahc}", "each: {fork: [a]}"), "(did you mean 'each'?)"),
        (("a: {join: each}", "b: {join: each}", "each: {fork: [a]}"), "has more than one join: 'a' and 'b'"),
        (("a: {join: each}", "each: {needs: a, fork: [a]}"), "the stage 'a' joins 'each', which waits for it"),
    ],
)
def test_what_cannot_be_joined_is_an_error(stages: tuple[str, ...], part: str) -> None:
    (told,) = findings_of(_text(*stages))

    assert part in told


def test_stages_that_wait_for_each_other_are_told_once_beside_a_fork() -> None:
    told = findings_of(
        _text("a: {needs: b}", "b: {needs: a}", "each: {fork: [x]}", "c: {needs: [a, each], join: each}")
    )

    assert ["stages wait for each other" in line for line in told] == [True]


def test_a_file_of_many_stages_takes_no_more_than_a_moment() -> None:
    chain = [f"s{number}: {{needs: [s{number - 1}, each]}}" for number in range(1, 1500)]

    plan = plan_of(_text("each: {fork: [a]}", "s0: {needs: each}", *chain, "all: {join: each}"))

    assert (len(_inside(plan)["each"]), _needs(plan)["all"]) == (1500, ("s1499",))


def _pruned(name: str) -> Plan:
    stages = [
        stage[:-1] + f"{', ' if stage[-2] != '{' else ''}{OTHER}}}" if stage.startswith(f"{name}:") else stage
        for stage in SEVERAL
    ]
    return plan_of(_text(*stages))


def test_a_fork_that_goes_takes_its_branches_and_its_join_with_it() -> None:
    plan = _pruned("each")

    why = "branch 'main' does not match 'other'"
    assert [stage.name for stage in plan.stages] == ["before", "after"]
    assert {gone.stage: gone.why for gone in plan.pruned} == {
        "each": why,
        **dict.fromkeys(("one", "two", "three", "all"), f"its fork each is left out: {why}"),
    }
    assert _needs(plan)["after"] == ()


def test_what_stood_on_a_stage_in_a_branch_that_goes_stays_behind_the_fork() -> None:
    plan = _pruned("one")

    assert (_needs(plan)["two"], _inside(plan)) == (("each",), {"each": ("two", "three")})


def test_a_join_waits_for_what_an_end_that_goes_waited_for() -> None:
    assert _needs(_pruned("two"))["all"] == ("one", "three")


def test_a_join_that_goes_frees_what_needs_it() -> None:
    plan = _pruned("all")

    assert (_needs(plan)["after"], _inside(plan)) == ((), {"each": ("one", "two", "three")})


def test_what_the_fork_waited_for_frees_it_when_it_goes() -> None:
    plan = _pruned("before")

    assert (_needs(plan)["each"], _inside(plan)) == ((), {"each": ("one", "two", "three")})


def test_a_matrix_that_goes_frees_what_needs_it() -> None:
    plan = plan_of(_text(f"each: {{fork: [a], {OTHER}}}", "after: {needs: each}"))

    assert _needs(plan) == {"after": ()}


def test_nothing_goes_where_nobody_knows_why_the_pipeline_runs() -> None:
    text = _text(f"each: {{fork: [a], {OTHER}}}", "all: {join: each}")

    plan = examine(text.encode(), "in.yml", None, dialect="vela").plan

    assert plan is not None
    assert [stage.name for stage in plan.stages] == ["each", "all"]


def _warned(environment: str, needs: str = "[]") -> tuple[str, ...]:
    step = f"steps: [{{name: s, image: i, environment: {{A: {environment}}}}}]"
    return plan_of(f"version: 1\nglobals: {{g: 1}}\nstages: {{a: {{{STEP}}}, b: {{needs: {needs}, {step}}}}}").warnings


def test_a_reference_to_a_stage_that_is_not_needed_is_a_warning_with_the_step() -> None:
    (warning,) = _warned("'!a.globals.x'")

    assert warning == (
        "in.yml:3:75: warning: step 's' refers to the stage 'a', which its stage does not need"
        " (add it to 'needs', or write what else it is as in '!name || text')"
    )


@pytest.mark.parametrize("text", ["'!a.globals.x || none'", "'!g'", "'!unknown'", "'@a'", "a", "'a!a'", r"'\!a'"])
def test_no_other_reference_is_warned_of(text: str) -> None:
    assert _warned(text) == ()


def test_a_stage_that_is_needed_can_be_referred_to() -> None:
    assert _warned("'!a.globals.x'", "[a]") == ()


def test_so_it_is_with_the_values_of_a_fork() -> None:
    (warning,) = plan_of(_text("a: {}", "each: {fork: a.globals.x}")).warnings

    assert "the fork 'each' refers to the stage 'a', which its stage does not need" in warning
    assert plan_of(_text("a: {}", "each: {needs: a, fork: a.globals.x}")).warnings == ()


def test_a_link_may_have_the_name_of_a_stage() -> None:
    assert plan_of(_text("a: {}", "each: {links: {a: '!x'}, fork: a.globals.x}")).warnings == ()
