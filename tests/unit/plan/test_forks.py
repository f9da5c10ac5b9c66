"""What becomes of a plan when the values of a fork are known."""

import pytest

from runner.plan import forks
from runner.plan.codec import from_document, to_document
from runner.plan.model import Branch, Fork, Plan, Stage
from tests.support.plans import stage, step


def _plan(*stages: Stage) -> Plan:
    return Plan(dialect="vela", stages=stages, mapped=True)


def _fork(name: str, *inside: str, needs: tuple[str, ...] = (), limit: int = 0) -> Stage:
    return stage(name, step("s"), needs=needs, fork=Fork(values="!list", stages=inside, limit=limit))


def _stage(name: str, *needs: str) -> Stage:
    return stage(name, step("s"), needs=needs)


def _simple() -> Plan:
    """root -> each { each -> build } -> all -> after, with aside beside."""
    return _plan(
        _stage("root"),
        _fork("each", "build", needs=("root",), limit=4),
        _stage("build", "each"),
        _stage("aside"),
        _stage("all", "build"),
        _stage("after", "all"),
    )


def _nested() -> Plan:
    """out { inn { work } -> ij } -> oj."""
    return _plan(
        _fork("out", "inn", "work", "ij"),
        _fork("inn", "work", needs=("out",)),
        _stage("work", "inn"),
        _stage("ij", "work"),
        _stage("oj", "ij"),
    )


def _matrix() -> Plan:
    """out { inn } -> oj, where nothing joins inn, so that what needs it waits for all of it."""
    return _plan(_fork("out", "inn"), _fork("inn", needs=("out",)), _stage("oj", "inn"))


def _needs(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.needs for stage in plan.stages}


def test_a_fork_and_what_stands_in_it_are_repeated_for_each_value_in_the_place_of_the_file() -> None:
    expanded = forks.expand(_simple(), "each", 2)

    assert _needs(expanded) == {
        "root": (),
        "each[0]": ("root",),
        "each[1]": ("root",),
        "build[0]": ("each[0]",),
        "build[1]": ("each[1]",),
        "aside": (),
        "all": ("build[0]", "build[1]"),
        "after": ("all",),
    }
    assert [stage.name for stage in expanded.stages] == list(_needs(expanded))


def test_a_branch_knows_its_fork_its_index_the_limit_and_its_name_in_the_file() -> None:
    build = forks.expand(_simple(), "each", 3).stage("build[2]")

    assert build.within == (Branch(fork="each", index=2, limit=4),)
    assert (build.template, build.id) == ("build", "build")


def test_a_branch_of_a_fork_is_no_fork_any_more() -> None:
    assert forks.expand(_simple(), "each", 2).stage("each[1]").fork is None


def test_a_join_knows_the_branches_in_the_order_of_the_values_and_only_a_join_does() -> None:
    expanded = forks.expand(_simple(), "each", 11)

    assert expanded.stage("all").joined == {"build": tuple(f"build[{index}]" for index in range(11))}
    assert [stage.name for stage in expanded.stages if stage.joined] == ["all"]


def test_a_join_of_several_stages_knows_the_branches_of_each() -> None:
    plan = _plan(_fork("each", "a", "b"), _stage("a", "each"), _stage("b", "each"), _stage("all", "b", "a"))

    joined = forks.expand(plan, "each", 2).stage("all")

    assert joined.needs == ("b[0]", "b[1]", "a[0]", "a[1]")
    assert joined.joined == {"b": ("b[0]", "b[1]"), "a": ("a[0]", "a[1]")}


def test_a_fork_of_one_value_is_one_branch_with_an_index() -> None:
    expanded = forks.expand(_simple(), "each", 1)

    assert [stage.name for stage in expanded.stages] == ["root", "each[0]", "build[0]", "aside", "all", "after"]
    assert expanded.stage("all").joined == {"build": ("build[0]",)}


def test_without_values_a_join_stands_on_what_its_fork_stood_on() -> None:
    expanded = forks.expand(_simple(), "each", 0)

    joined = expanded.stage("all")
    assert [stage.name for stage in expanded.stages] == ["root", "aside", "all", "after"]
    assert (joined.needs, joined.joined, joined.below) == ((), {"build": ()}, ("root",))
    assert expanded.stage("after").below == ()


def test_with_values_nothing_is_below_a_join() -> None:
    assert forks.expand(_simple(), "each", 1).stage("all").below == ()


def test_what_is_below_an_empty_fork_stays_below_the_next_empty_one() -> None:
    plan = _plan(_stage("root"), _fork("a", needs=("root",)), _fork("b", needs=("a",)), _stage("end", "b"))

    expanded = forks.expand(forks.expand(plan, "a", 0), "b", 0)

    assert expanded.stage("end").below == ("root",)


def test_a_join_that_stands_on_two_empty_forks_has_below_what_both_stood_on_once() -> None:
    plan = _plan(_stage("root"), _fork("a", needs=("root",)), _fork("b", needs=("root",)), _stage("end", "a", "b"))

    expanded = forks.expand(forks.expand(plan, "a", 0), "b", 0)

    assert expanded.stage("end").below == ("root",)


def test_stages_that_need_nothing_of_a_fork_stay_as_they_are() -> None:
    plan = _simple()
    expanded = forks.expand(plan, "each", 2)

    assert [expanded.stage(name) for name in ("root", "aside", "after")] == [
        plan.stage(name) for name in ("root", "aside", "after")
    ]


def test_a_fork_within_a_branch_has_what_stands_in_it_in_the_same_branch() -> None:
    expanded = forks.expand(_nested(), "out", 2)

    inner = expanded.stage("inn[1]")
    assert inner.fork == Fork(values="!list", stages=("work[1]",))
    assert inner.within == (Branch(fork="out", index=1),)
    assert expanded.stage("oj").joined == {"ij": ("ij[0]", "ij[1]")}


def test_branches_of_nested_forks_have_one_index_for_each() -> None:
    expanded = forks.expand(forks.expand(forks.expand(_nested(), "out", 2), "inn[0]", 1), "inn[1]", 2)

    assert _needs(expanded) == {
        "out[0]": (),
        "out[1]": (),
        "inn[0][0]": ("out[0]",),
        "inn[1][0]": ("out[1]",),
        "inn[1][1]": ("out[1]",),
        "work[0][0]": ("inn[0][0]",),
        "work[1][0]": ("inn[1][0]",),
        "work[1][1]": ("inn[1][1]",),
        "ij[0]": ("work[0][0]",),
        "ij[1]": ("work[1][0]", "work[1][1]"),
        "oj": ("ij[0]", "ij[1]"),
    }
    work = expanded.stage("work[1][0]")
    assert work.within == (Branch(fork="out", index=1), Branch(fork="inn[1]", index=0))
    assert work.id == "work"


def test_the_order_in_which_inner_forks_are_expanded_does_not_matter() -> None:
    plan = forks.expand(_nested(), "out", 2)

    one = forks.expand(forks.expand(plan, "inn[0]", 3), "inn[1]", 2)
    other = forks.expand(forks.expand(plan, "inn[1]", 2), "inn[0]", 3)

    assert one == other


def test_an_inner_join_knows_the_branches_of_its_own_outer_branch_by_the_name_in_the_file() -> None:
    expanded = forks.expand(forks.expand(_nested(), "out", 2), "inn[1]", 2)

    assert expanded.stage("ij[1]").joined == {"work": ("work[1][0]", "work[1][1]")}
    assert expanded.stage("ij[0]").joined == {}


def test_an_outer_join_that_needs_an_inner_matrix_knows_the_branches_of_all_of_them() -> None:
    expanded = forks.expand(forks.expand(forks.expand(_matrix(), "out", 3), "inn[0]", 2), "inn[2]", 1)

    joined = expanded.stage("oj")
    assert joined.needs == ("inn[0][0]", "inn[0][1]", "inn[1]", "inn[2][0]")
    assert joined.joined == {"inn": joined.needs}


def test_an_inner_matrix_without_values_leaves_no_slot_in_an_outer_join() -> None:
    expanded = forks.expand(forks.expand(_matrix(), "out", 2), "inn[0]", 0)

    joined = expanded.stage("oj")
    assert joined.joined == {"inn": ("inn[1]",)}
    assert joined.below == ("out[0]",)


def test_a_fork_behind_a_matrix_needs_all_of_its_branches_in_each_of_its_own() -> None:
    plan = _plan(_fork("first"), _fork("second", needs=("first",)), _stage("end", "second"))

    expanded = forks.expand(forks.expand(plan, "first", 2), "second", 2)

    assert _needs(expanded)["second[1]"] == ("first[0]", "first[1]")
    assert expanded.stage("second[1]").joined == {"first": ("first[0]", "first[1]")}
    assert expanded.stage("second[1]").within == (Branch(fork="second", index=1),)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_json_form_of_an_expanded_plan_is_read_back_as_it_was(count: int) -> None:
    plan = forks.expand(forks.expand(_nested(), "out", 2), "inn[1]", count)

    assert from_document(to_document(plan)) == plan


def test_stages_of_different_branches_are_siblings_and_those_of_one_are_not() -> None:
    expanded = forks.expand(_simple(), "each", 2)
    stages = {stage.name: stage for stage in expanded.stages}

    assert forks.siblings(stages["each[0]"], stages["build[1]"])
    assert not forks.siblings(stages["each[0]"], stages["build[0]"])
    assert not forks.siblings(stages["root"], stages["build[0]"])
    assert not forks.siblings(stages["all"], stages["build[0]"])


def test_branches_with_one_index_of_two_outer_branches_are_siblings() -> None:
    expanded = forks.expand(forks.expand(forks.expand(_nested(), "out", 2), "inn[0]", 2), "inn[1]", 2)

    assert forks.siblings(expanded.stage("work[0][1]"), expanded.stage("work[1][1]"))
    assert forks.siblings(expanded.stage("ij[0]"), expanded.stage("work[1][0]"))
    assert not forks.siblings(expanded.stage("ij[1]"), expanded.stage("work[1][0]"))


def test_branches_of_different_forks_are_no_siblings() -> None:
    plan = forks.expand(forks.expand(_plan(_fork("a"), _fork("b")), "a", 2), "b", 2)

    assert not forks.siblings(plan.stage("a[0]"), plan.stage("b[1]"))


def test_a_stage_sees_the_files_of_its_own_branch_and_of_those_around_it_only() -> None:
    expanded = forks.expand(forks.expand(_nested(), "out", 2), "inn[1]", 2)
    stages = {stage.name: stage for stage in expanded.stages}

    assert forks.sees(stages["work[1][0]"], stages["out[1]"])
    assert forks.sees(stages["work[1][0]"], stages["inn[1][0]"])
    assert not forks.sees(stages["work[1][0]"], stages["inn[1][1]"])
    assert not forks.sees(stages["ij[1]"], stages["work[1][0]"])
    assert not forks.sees(stages["oj"], stages["ij[0]"])


def test_what_is_no_fork_cannot_be_expanded() -> None:
    with pytest.raises(ValueError, match="stage root is no fork"):
        forks.expand(_simple(), "root", 2)
    with pytest.raises(KeyError):
        forks.expand(_simple(), "nowhere", 2)
    with pytest.raises(ValueError, match="is no fork"):
        forks.expand(forks.expand(_simple(), "each", 2), "each[0]", 2)
