"""The graph of stages."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Place, Severity
from runner.plan.graph import Named, Node, check, contract, duplicates, order, prune, transitive_needs


def _place(line: int) -> Place:
    return Place(file="f.yml", line=line)


def _nodes(graph: dict[str, list[str]]) -> list[Node]:
    """Each stage on a line of its own, its needs in the columns behind."""
    return [
        Node(
            name=name,
            place=_place(line),
            needs=tuple(
                Named(name=need, place=Place(file="f.yml", line=line, column=10 + index))
                for index, need in enumerate(needs)
            ),
        )
        for line, (name, needs) in enumerate(graph.items(), start=1)
    ]


def _messages(graph: dict[str, list[str]]) -> list[str]:
    return [str(finding) for finding in check(_nodes(graph), lambda *_: None)]


def test_a_sound_graph_has_no_findings() -> None:
    assert _messages({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["e"], "e": []}) == []


def test_a_stage_that_needs_itself_is_an_error_at_that_need() -> None:
    assert _messages({"a": [], "b": ["a", "b"]}) == [
        "f.yml:2:11: the stage 'b' needs itself (remove it from its own needs)"
    ]


def test_a_cycle_is_one_error_with_its_way_named() -> None:
    assert _messages({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["a"]}) == [
        "f.yml:2:10: stages wait for each other: a -> c -> b -> a (remove one of these needs)"
    ]


def test_two_separate_cycles_are_two_errors() -> None:
    found = _messages({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]})

    assert [message.split(": ")[-1] for message in found] == [
        "a -> b -> a (remove one of these needs)",
        "c -> d -> c (remove one of these needs)",
    ]


def test_circles_that_meet_are_one_error() -> None:
    (message,) = _messages({"a": ["b"], "b": ["a", "c"], "c": ["b"]})

    assert message.endswith("a -> b -> a (remove one of these needs)")


def test_a_stage_between_two_circles_is_in_neither() -> None:
    found = _messages({"a": ["b"], "b": ["a", "x"], "x": ["c"], "c": ["d"], "d": ["c"]})

    assert [message.split(": ")[-1] for message in found] == [
        "a -> b -> a (remove one of these needs)",
        "c -> d -> c (remove one of these needs)",
    ]


def test_of_a_long_circle_the_middle_is_left_out() -> None:
    (message,) = _messages({f"s{n}": [f"s{(n + 1) % 40}"] for n in range(40)})

    assert "other: s0 -> s1 -> " in message
    assert message.endswith(" -> s13 -> (26 more) -> s0 (remove one of these needs)")


def test_a_cycle_is_told_even_where_a_name_is_taken_twice() -> None:
    first, *others = _nodes({"a": ["b"], "b": ["a"], "a again": []})
    nodes = [first, others[0], Node(name="a", place=others[1].place)]

    assert [finding.message for finding in check(nodes, lambda *_: None)] == ["stages wait for each other: a -> b -> a"]


def test_an_unknown_need_is_a_warning_with_the_nearest_name() -> None:
    (finding,) = check(_nodes({"build": [], "test": ["biuld"]}), lambda _, known: next(iter(sorted(known))))

    assert finding.severity is Severity.WARNING
    assert str(finding) == (
        "f.yml:2:10: warning: the stage 'test' needs 'biuld', and there is no such stage (did you mean 'build'?)"
    )


def test_an_unknown_need_without_a_near_name_says_what_happens() -> None:
    assert _messages({"a": ["zzz"]})[0].endswith("(the need is ignored)")


def test_all_findings_come_at_once() -> None:
    found = _messages({"a": ["a", "zzz"], "b": ["c"], "c": ["b"]})

    assert len(found) == 3


def test_a_duplicate_names_both_places() -> None:
    names = [Named(name=name, place=_place(line)) for line, name in enumerate(["a", "b", "a", "a"], start=1)]

    assert [str(finding) for finding in duplicates(names, what="step")] == [
        "f.yml:3:1: the step 'a' is already defined at f.yml:1:1 (give each a name of its own)",
        "f.yml:4:1: the step 'a' is already defined at f.yml:1:1 (give each a name of its own)",
    ]


def test_two_names_of_one_merged_place_are_duplicates_too() -> None:
    place = _place(1)
    names = [Named(name="a", place=place), Named(name="a", place=place)]

    assert len(duplicates(names, what="step")) == 1


def test_independent_stages_keep_the_order_of_the_file() -> None:
    assert order({"c": [], "a": [], "b": []}) == ("c", "a", "b")


def test_a_stage_stands_behind_those_it_needs_even_when_they_are_later_in_the_file() -> None:
    assert order({"a": ["c"], "b": [], "c": []}) == ("b", "c", "a")


def test_an_order_ignores_needs_that_the_graph_does_not_have() -> None:
    assert order({"a": ["gone"], "b": ["a"]}) == ("a", "b")


def test_a_cycle_has_no_order() -> None:
    with pytest.raises(ValueError, match=r"there is a cycle: (a -> b -> a|b -> a -> b)"):
        order({"a": ["b"], "b": ["a"]})


def test_transitive_needs_come_in_the_order_of_the_file() -> None:
    graph = {"c": ["b"], "a": [], "b": ["a"], "d": ["c", "a"]}

    assert transitive_needs(graph, "d") == ("c", "a", "b")
    assert transitive_needs(graph, "a") == ()


def test_transitive_needs_of_a_cycle_come_to_an_end() -> None:
    assert transitive_needs({"a": ["b"], "b": ["a"]}, "a") == ("a", "b")


def test_transitive_needs_of_an_unknown_stage_are_an_error() -> None:
    with pytest.raises(KeyError):
        transitive_needs({"a": []}, "b")


def test_a_stage_that_went_frees_those_that_need_it() -> None:
    assert prune({"a": [], "b": ["a"], "c": ["b"]}, {"a", "c"}) == {"a": (), "c": ()}


def test_pruning_drops_unknown_and_repeated_needs() -> None:
    assert prune({"a": [], "b": ["a", "zzz", "a"]}, {"a", "b"}) == {"a": (), "b": ("a",)}


GRAPHS = st.integers(min_value=0, max_value=8).flatmap(
    lambda size: st.fixed_dictionaries(
        {f"s{index}": st.lists(st.sampled_from([f"s{n}" for n in range(size)]), max_size=3) for index in range(size)}
    )
)


def _reachable(graph: dict[str, list[str]], name: str) -> set[str]:
    found: set[str] = set()
    for _ in graph:
        found |= set(graph[name]) | {need for stage in found for need in graph[stage]}
    return found


@given(GRAPHS)
def test_there_is_an_order_exactly_when_no_finding_is_an_error(graph: dict[str, list[str]]) -> None:
    if _messages(graph):
        with pytest.raises(ValueError, match="there is a cycle"):
            order(graph)
    else:
        ordered = order(graph)
        assert sorted(ordered) == sorted(graph)
        assert all(ordered.index(need) < ordered.index(name) for name, needs in graph.items() for need in needs)


@given(GRAPHS)
def test_transitive_needs_are_what_can_be_reached(graph: dict[str, list[str]]) -> None:
    for name in graph:
        assert set(transitive_needs(graph, name)) == _reachable(graph, name)


@given(GRAPHS)
def test_a_circle_that_is_told_goes_over_needs_that_exist(graph: dict[str, list[str]]) -> None:
    for message in _messages(graph):
        if "wait for each other" in message:
            circle = message.split(": ")[-1].removesuffix(" (remove one of these needs)").split(" -> ")
            assert circle[0] == circle[-1]
            assert all(need in graph[name] for name, need in itertools.pairwise(circle))


@given(GRAPHS, st.sets(st.sampled_from([f"s{n}" for n in range(8)])))
def test_a_pruned_graph_needs_only_what_it_has(graph: dict[str, list[str]], gone: set[str]) -> None:
    left = prune(graph, set(graph) - gone)

    assert set(left) == set(graph) - gone
    assert all(need in left and need in graph[name] for name, needs in left.items() for need in needs)


CHAIN = {"a": (), "b": ("a",), "c": ("b",), "d": ("c", "a"), "e": ("d", "x")}


@pytest.mark.parametrize(
    ("kept", "contracted"),
    [
        ("abcde", {"a": (), "b": ("a",), "c": ("b",), "d": ("c", "a"), "e": ("d",)}),
        ("ade", {"a": (), "d": ("a",), "e": ("d",)}),
        ("ae", {"a": (), "e": ("a",)}),
        ("bde", {"b": (), "d": ("b",), "e": ("d",)}),
        ("e", {"e": ()}),
        ("", {}),
    ],
)
def test_stages_that_went_pass_on_what_they_needed(kept: str, contracted: dict[str, tuple[str, ...]]) -> None:
    assert contract(CHAIN, kept) == contracted


def test_contracting_a_cycle_ends() -> None:
    assert contract({"a": ("b",), "b": ("c",), "c": ("b", "d"), "d": ()}, {"a", "d"}) == {"a": ("d",), "d": ()}


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=8),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_whoever_waited_for_a_stage_that_stays_still_does(graph: dict[str, list[str]], kept: set[str]) -> None:
    ranked = {name: [need for need in needs if need < name] for name, needs in graph.items()}  # no cycles

    contracted = contract(ranked, kept)

    assert contracted.keys() == ranked.keys() & kept
    for name in contracted:
        assert set(transitive_needs(contracted, name)) == set(transitive_needs(ranked, name)) & kept
