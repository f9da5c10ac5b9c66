"""Which stages stand between forks and joins, and what is wrong with them."""

import itertools
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Place
from runner.plan.graph import Named
from runner.plan.regions import Member, Regions, regions


def _member(line: int, written: str) -> Member:
    """Return ``"name kind: need need"``, whose kind is ``fork``, ``join``, ``join=fork`` or none."""
    head, _, needs = written.partition(":")
    name, *kinds = head.split()
    named = next((kind.removeprefix("join=") for kind in kinds if kind.startswith("join=")), None)
    return Member(
        name=name,
        place=_place(line),
        needs=tuple(Named(name=need, place=_place(line, 10 + at)) for at, need in enumerate(needs.split())),
        forks="fork" in kinds,
        joins="join" in kinds if named is None else Named(name=named, place=_place(line, 5)),
    )


def _place(line: int, column: int = 1) -> Place:
    return Place(file="f.yml", line=line, column=column)


def _found(*written: str, matrix: bool = False) -> Regions:
    return regions([_member(line, each) for line, each in enumerate(written, start=1)], matrix=matrix)


def _messages(*written: str, matrix: bool = False) -> list[str]:
    return [str(finding) for finding in _found(*written, matrix=matrix).findings]


def _sound(*written: str, matrix: bool = False) -> dict[str, tuple[str, ...]]:
    found = _found(*written, matrix=matrix)
    assert found.findings == ()
    return dict(found.inside)


# Metalus: each fork has one join


def test_what_stands_between_a_fork_and_its_join_is_inside() -> None:
    found = _found("ROOT", "EACH fork: ROOT", "IN: EACH", "ALL join: IN", "AFTER: ALL", "BESIDE: ROOT")

    assert found.inside == {"EACH": ("IN",)}
    assert found.joined == {"ALL": "EACH"}
    assert found.findings == ()


def test_a_join_may_need_its_fork_itself() -> None:
    assert _sound("EACH fork", "ALL join: EACH") == {"EACH": ()}


def test_several_stages_in_a_row_and_beside_each_other_are_inside() -> None:
    assert _sound("EACH fork", "A: EACH", "B: EACH", "C: A B", "ALL join: C B") == {"EACH": ("A", "B", "C")}


def test_what_is_inside_stands_in_the_order_of_the_file() -> None:
    assert _sound("ALL join: A B", "B: A", "A: EACH", "EACH fork") == {"EACH": ("B", "A")}


def test_a_leaf_that_does_not_lead_to_the_join_is_inside() -> None:
    assert _sound("EACH fork", "IN: EACH", "LEAF: EACH", "ALL join: IN") == {"EACH": ("IN", "LEAF")}


def test_of_two_forks_in_a_row_neither_is_in_the_other() -> None:
    found = _found("F1 fork", "A: F1", "J1 join: A", "F2 fork: J1", "B: F2", "J2 join: B")

    assert found.inside == {"F1": ("A",), "F2": ("B",)}
    assert found.joined == {"J1": "F1", "J2": "F2"}


def test_an_inner_fork_with_all_of_it_is_in_the_outer_one() -> None:
    found = _found("OUT fork", "INN fork: OUT", "W: INN", "IJ join: W", "X: IJ", "OJ join: X")

    assert found.inside == {"OUT": ("INN", "W", "IJ", "X"), "INN": ("W",)}
    assert found.joined == {"IJ": "INN", "OJ": "OUT"}
    assert found.findings == ()


def test_two_inner_forks_beside_each_other_are_in_the_outer_one() -> None:
    found = _sound("OUT fork", "A fork: OUT", "AJ join: A", "B fork: OUT", "BJ join: B", "OJ join: AJ BJ")

    assert found == {"OUT": ("A", "AJ", "B", "BJ"), "A": (), "B": ()}


def test_a_graph_without_forks_has_nothing_inside() -> None:
    assert _sound("A", "B: A", "C: A B") == {}


def test_a_fork_without_a_join_is_an_error_at_the_fork() -> None:
    assert _messages("ROOT", "EACH fork: ROOT", "IN: EACH") == [
        "f.yml:2:1: the fork 'EACH' has no join (let an execution of the type join need what stands in it)"
    ]


def test_a_fork_with_two_joins_is_an_error_that_names_both() -> None:
    assert _messages("EACH fork", "IN: EACH", "ALL1 join: IN", "ALL2 join: EACH") == [
        "f.yml:1:1: the fork 'EACH' has more than one join: 'ALL1' and 'ALL2' (let one of them be the join)"
    ]


def test_an_inner_fork_without_a_join_takes_that_of_the_outer_one() -> None:
    (message,) = _messages("OUT fork", "INN fork: OUT", "W: INN", "J join: W")

    assert message.startswith("f.yml:1:1: the fork 'OUT' has no join")


def test_a_join_that_no_fork_leads_to_is_an_error_at_the_join() -> None:
    (message,) = _messages("A", "ORPHAN join: A", "LATER: ORPHAN")

    assert message == (
        "f.yml:2:1: the join 'ORPHAN' has no fork that leads to it "
        "(let it need what stands in a fork, or make it no join)"
    )


def test_a_join_without_needs_has_no_fork() -> None:
    (message,) = _messages("EACH fork", "J join: EACH", "K join")

    assert "'K' has no fork" in message


def test_a_second_join_behind_the_join_has_no_fork() -> None:
    (message,) = _messages("EACH fork", "J1 join: EACH", "J2 join: J1")

    assert "the join 'J2' has no fork" in message


def test_a_stage_inside_with_a_need_outside_is_an_error_that_names_it() -> None:
    (message,) = _messages("OUT", "EACH fork", "INNER: EACH OUT", "ALL join: INNER")

    assert message == (
        "f.yml:3:1: the execution 'INNER' needs 'OUT' (in none) and 'EACH' (in the fork 'EACH'): "
        "needs that reach into or out of a fork (let all that it needs stand in one fork, or join 'EACH' first)"
    )


def test_a_join_with_a_need_outside_its_fork_is_an_error() -> None:
    (message,) = _messages("OUT", "EACH fork", "IN: EACH", "ALL join: IN OUT")

    assert "the execution 'ALL' needs 'OUT' (in none) and 'IN' (in the fork 'EACH')" in message


def test_a_stage_behind_the_join_that_reaches_into_the_fork_is_an_error() -> None:
    (message,) = _messages("EACH fork", "IN: EACH", "ALL join: IN", "LATE: ALL IN")

    assert "the execution 'LATE' needs 'ALL' (in none) and 'IN' (in the fork 'EACH')" in message


def test_a_stage_that_stands_in_two_forks_beside_each_other_is_an_error() -> None:
    messages = _messages("A fork", "B fork", "X: A B", "AJ join: A", "BJ join: B")

    (message,) = messages
    assert "the execution 'X' needs 'A' (in the fork 'A') and 'B' (in the fork 'B')" in message


def test_of_needs_in_three_places_each_is_named_once() -> None:
    (message,) = _messages("R", "S", "O fork", "I fork: O", "X: R S I O", "IJ join: I", "OJ join: IJ")

    assert "needs 'R' (in none) and 'O' (in the fork 'O') and 'I' (in the fork 'I')" in message


def test_what_stands_on_a_stage_that_is_wrong_is_not_told_as_well() -> None:
    messages = _messages("OUT", "EACH fork", "BAD: EACH OUT", "X: BAD", "Y: X OUT", "ALL join: Y")

    assert [message.split(" needs ")[0] for message in messages] == ["f.yml:3:1: the execution 'BAD'"]


def test_several_faults_are_told_at_once() -> None:
    messages = _messages("A fork", "ORPHAN join", "B fork", "J1 join: B", "J2 join: B")

    assert [message.split(" has ")[0] for message in messages] == [
        "f.yml:2:1: the join 'ORPHAN'",
        "f.yml:1:1: the fork 'A'",
        "f.yml:3:1: the fork 'B'",
    ]


def test_what_hangs_on_an_unknown_name_is_left_to_the_graph() -> None:
    assert _messages("EACH fork", "IN: EAHC", "ALL join: IN") == []
    assert _messages("EACH fork", "IN: EACH nowhere", "ALL join: IN") == []


def test_an_unknown_name_elsewhere_does_not_hide_a_fault() -> None:
    (message,) = _messages("A: nowhere", "ORPHAN join")

    assert "'ORPHAN'" in message


@pytest.mark.parametrize("matrix", [False, True])
def test_circles_and_self_needs_are_left_to_the_graph(*, matrix: bool) -> None:
    assert _messages("A: B", "B: A", "C: A", "D: D", matrix=matrix) == []
    assert _messages("A: C", "B fork: A", "C join: B", matrix=False) == []


def test_of_two_stages_with_one_name_the_first_counts() -> None:
    assert _sound("EACH fork", "ALL join: EACH", "EACH", "X: EACH") == {"EACH": ("X",)}


def test_forks_stand_in_each_other_sixteen_deep_and_no_deeper() -> None:
    def nested(depth: int) -> list[str]:
        opening = [f"F{n} fork: F{n - 1}" if n else "F0 fork" for n in range(depth)]
        needs = [f"F{depth - 1}", *(f"J{n}" for n in reversed(range(depth)))]
        return opening + [f"J{n} join: {need}" for n, need in zip(reversed(range(depth)), needs, strict=False)]

    assert _messages(*nested(16)) == []
    (message,) = _messages(*nested(17))
    assert message == (
        "f.yml:17:1: the execution 'F16' is a fork within 16 others (fork over a list of all combinations)"
    )


# Native words: a join names its fork, and a fork needs none


def test_a_fork_that_nothing_joins_is_repeated_alone() -> None:
    assert _sound("each fork", "test: each", "ship: test", matrix=True) == {"each": ()}


def test_a_join_names_its_fork_and_what_stands_between_is_inside() -> None:
    found = _found("each fork", "build: each", "all join=each: build", "after: all", matrix=True)

    assert found.inside == {"each": ("build",)}
    assert found.joined == {"all": "each"}
    assert found.findings == ()


def test_a_join_that_needs_nothing_else_needs_its_fork() -> None:
    assert _sound("each fork", "build: each", "all join=each", "after: all", matrix=True) == {"each": ("build",)}


def test_a_matrix_may_stand_in_a_fork() -> None:
    found = _sound("each fork", "m fork: each", "all join=each: m", matrix=True)

    assert found == {"each": ("m",), "m": ()}


def test_what_a_matrix_and_a_stage_outside_are_needed_by_stands_outside() -> None:
    assert _sound("lint", "each fork", "ship: each lint", matrix=True) == {"each": ()}


def test_a_join_that_leaves_an_inner_fork_open_is_an_error() -> None:
    (message,) = _messages("o fork", "i fork: o", "w: i", "ij join=i: w", "oj join=o: w", matrix=True)

    assert message.startswith("f.yml:5:1: the stage 'oj' needs 'o' (in the fork 'o') and 'w' (in the fork 'i')")


def test_a_join_of_the_native_words_with_a_need_outside_its_fork_is_an_error() -> None:
    (message,) = _messages("lint", "each fork", "all join=each: each lint", matrix=True)

    assert "the stage 'all' needs 'lint' (in none) and 'each' (in the fork 'each')" in message


def test_two_joins_of_one_fork_are_an_error_in_the_native_words_as_well() -> None:
    assert _messages("each fork", "a join=each: each", "b join=each: each", matrix=True) == [
        "f.yml:1:1: the fork 'each' has more than one join: 'a' and 'b' (let one of them be the join)"
    ]


def test_a_join_of_what_is_no_fork_is_an_error_where_it_is_named() -> None:
    assert _messages("build", "all join=build: build", matrix=True) == [
        "f.yml:2:5: the stage 'all' joins 'build', and that is no fork ('join' names a stage that has 'fork')"
    ]


def test_a_join_of_an_unknown_stage_is_an_error_with_the_nearest_fork() -> None:
    members = [_member(1, "each fork"), _member(2, "other"), _member(3, "all join=eahc")]
    known: list[Sequence[str]] = []

    def suggest(name: str, names: object) -> str:
        assert isinstance(names, set)
        known.append(sorted(names))
        return f"not {name}"

    (finding,) = regions(members, matrix=True, suggest=suggest).findings

    assert str(finding) == (
        "f.yml:3:5: the stage 'all' joins 'eahc', and there is no such stage (did you mean 'not eahc'?)"
    )
    assert known == [["each"]]


def test_a_join_of_itself_is_an_error() -> None:
    assert _messages("each fork join=each", matrix=True) == [
        "f.yml:1:5: the stage 'each' joins itself (let another stage join it)"
    ]


def test_a_join_that_its_fork_waits_for_is_an_error() -> None:
    (message,) = _messages("each fork: mid", "mid: all", "all join=each", matrix=True)

    assert message == (
        "f.yml:3:5: the stage 'all' joins 'each', which waits for it: each -> mid -> all -> each "
        "(a join comes after its fork and all that is repeated with it)"
    )


def test_joins_that_stand_before_each_others_forks_are_an_error() -> None:
    (message,) = _messages("f fork: k", "g fork: j", "j join=f", "k join=g", matrix=True)

    assert ", which waits for it: " in message


def test_a_need_that_is_not_there_is_passed_over_in_the_native_words() -> None:
    assert _sound("each fork", "build: each nowhere", "all join=each: build", matrix=True) == {"each": ("build",)}


# Properties

_GRAPHS = st.lists(
    st.tuples(st.sampled_from(["", "fork", "join", "fork join"]), st.lists(st.integers(0, 9), max_size=3)), max_size=9
)


def _random(graph: Sequence[tuple[str, Sequence[int]]]) -> list[str]:
    return [f"s{n} {kind}: {' '.join(f's{need}' for need in needs)}" for n, (kind, needs) in enumerate(graph)]


@given(_GRAPHS, st.booleans())
def test_any_graph_is_read_without_fail(graph: list[tuple[str, list[int]]], matrix: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    found = _found(*_random(graph), matrix=matrix)

    forks = {f"s{n}" for n, (kind, _) in enumerate(graph) if "fork" in kind}
    assert found.inside.keys() == forks
    assert set(found.joined.values()) <= forks


@given(_GRAPHS)
def test_where_nothing_is_wrong_no_need_leads_into_a_fork_or_out_of_it_but_through_fork_and_join(
    graph: list[tuple[str, list[int]]],
) -> None:
    acyclic = [(kind, [need for need in needs if need < n]) for n, (kind, needs) in enumerate(graph)]
    found = _found(*_random(acyclic))
    if found.findings:
        return

    for n, (_, needs) in enumerate(acyclic):
        for need, (fork, inside) in itertools.product(needs, found.inside.items()):
            region = {fork, *inside}
            if f"s{need}" in region and f"s{n}" not in region:
                assert found.joined.get(f"s{n}") == fork
            if f"s{n}" in region and f"s{need}" not in region:
                assert f"s{n}" == fork


def test_large_graphs_are_read_in_no_time() -> None:
    chain = [f"s{n}: s{n - 1}" if n else "s0 fork" for n in range(8_000)]
    forks = [f"f{n} fork: s0" for n in range(2_000)]
    started = time.monotonic()

    found = _found(*chain, *forks, *(f"j{n} join: f{n}" for n in range(2_000)), "end join: s7999")

    assert found.findings == ()
    assert time.monotonic() - started < 5
