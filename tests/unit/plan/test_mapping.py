"""What references mean."""

import itertools
import json
from pathlib import Path

import pytest

from runner.plan.mapping import (
    MappingError,
    Scope,
    check,
    circle,
    fork_values,
    is_mapped,
    required,
    resolve,
    text_of,
)
from runner.plan.model import Json


def _response(primary: Json = None, **named: Json) -> Json:
    return {"primaryReturn": primary, "namedReturns": named}


def _execution(**pipelines: dict[str, Json]) -> dict[str, Json]:
    return {"pipelineParameters": {**pipelines}, "globals": {"color": "red"}}


SCOPE = Scope(
    links={
        "short": "!A.pipelineParameters.p.s.primaryReturn",
        "text": "plain text",
        "data": {"k": "!g"},
        "chain": "!short",
        "choice": "!nowhere || !g",
        "dead": "!nowhere",
        "nothing": None,
        "hidden": "link",
        "made": "v-!{g}",
        "one": "!two",
        "two": "x !{one}",
    },
    globals={
        "g": "gee",
        "hidden": "global",
        "set": "by a step",
        "nul": None,
        "empty": "",
        "l": ["a", "b", {"k": "v"}, None],
        "full": ["a", "b"],
        "m": {"a": {"b": 1}, "null": None, "with blank": 2},
        "like": "!g || x",
        "A": _execution(p={"s": _response("from-A", DIGEST="sha256:0"), "t": _response()}),
        "EACH": {"pipelineParameters": [{"p": {"s": _response("r0")}}, None], "globals": [{"c": 1}, {"c": 2}]},
        "B": "gee",
        "dash-ed": 3,
        "0": "zero",
    },
    own={
        "set": "in the plan",
        "referring": "!g",
        "deep": {"x": "!g", "y": ["!nowhere"], "z": "\\!g"},
        "itself": {"a": "!itself.b", "b": 5},
        "round": "!about",
        "about": {"k": "!round"},
    },
    responses={
        "p": {"s": _response("main", k="extra"), "preset": {"k": [1, 2]}, "word": "own", "data": {"primaryReturn": 7}},
        "q": {"s": _response("of q"), "t": _response()},
    },
    pipeline="p",
    last=("q", "s"),
)


def _fails(text: Json, scope: Scope = SCOPE) -> str:
    with pytest.raises(MappingError) as caught:
        resolve(text, scope)
    assert str(caught.value) == caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!g", "gee"),
        ("  !g ", "gee"),
        ("!dash-ed", 3),
        ("!0", "zero"),
        ("!m.a.b", 1),
        ("!m.a", {"b": 1}),
        ("!m.with blank", 2),
        ("!l[0]", "a"),
        ("!l[2].k", "v"),
        ("!A.pipelineParameters.p.s.primaryReturn", "from-A"),
        ("!A.pipelineParameters.p.s.namedReturns.DIGEST", "sha256:0"),
        ("!A.pipelineParameters.p.s.namedReturns", {"DIGEST": "sha256:0"}),
        ("!A.pipelineParameters.p.s", _response("from-A", DIGEST="sha256:0")),
        ("!A.globals.color", "red"),
        ("!EACH.pipelineParameters[0].p.s.primaryReturn", "r0"),
        ("!EACH.globals", [{"c": 1}, {"c": 2}]),
        ("!l", ["a", "b", {"k": "v"}, None]),
        ("!empty", ""),
    ],
)
def test_a_global_and_what_is_in_it_is_found_with_its_type(text: str, value: Json) -> None:
    assert resolve(text, SCOPE) == value


@pytest.mark.parametrize("path", ["!A.pipelineParameters.p.s", "$s"])
def test_named_returns_are_found_in_the_singular_as_well(path: str) -> None:
    assert resolve(f"{path}.namedReturn", SCOPE) == resolve(f"{path}.namedReturns", SCOPE)


def test_only_of_a_response_the_singular_will_do() -> None:
    scope = Scope(globals={"m": {"namedReturns": 1, "other": 2}, "n": {"namedReturn": 3, "namedReturns": 4, "x": 5}})

    assert resolve("!m.namedReturn || none", scope) == "none"
    assert resolve("!n.namedReturn", scope) == 3


@pytest.mark.parametrize(
    "text",
    [
        "!nowhere",
        "!nul",
        "!m.null",
        "!m.c",
        "!m.a.b.c",
        "!m[0]",
        "!l[4]",
        "!l[-1]",
        "!full[-1]",
        "!full[2]",
        "!l[3]",
        "!l.k",
        "!g[0]",
        "!g.x",
        "!text[0]",
        "!A.pipelineParameters.p.t.primaryReturn",
        "!A.pipelineParameters.p.u",
        "!dead",
        "!dead.k",
        "!nothing",
        "@nobody",
        "@t",
        "@word",
        "#s.nothing",
        "#word",
        "$nobody",
        "$preset.k[2]",
        "@q.t",
        "@z.s",
        "@A.s",
    ],
)
def test_what_is_missing_or_null_gives_way_to_the_next_choice(text: str) -> None:
    assert resolve(f"{text} || next", SCOPE) == "next"
    assert resolve(f"{text} || !g", SCOPE) == "gee"
    assert _fails(text).startswith(f"{text}: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("@s", "main"),
        ("#s.k", "extra"),
        ("#s", {"k": "extra"}),
        ("$s.primaryReturn", "main"),
        ("$s", _response("main", k="extra")),
        ("$preset", {"k": [1, 2]}),
        ("$preset.k[1]", 2),
        ("$word", "own"),
        ("@q.s", "of q"),
        ("$q.s.primaryReturn", "of q"),
        ("@p.s", "main"),
        ("@data", 7),
    ],
)
def test_returns_of_the_same_execution_are_found_by_step_or_by_pipeline_and_step(text: str, value: Json) -> None:
    assert resolve(text, SCOPE) == value


@pytest.mark.parametrize("word", ["LastStepId", "lastStepId", "LASTSTEPID"])
def test_the_last_step_is_the_one_before_whatever_its_pipeline(word: str) -> None:
    assert resolve(f"@{word}", SCOPE) == "of q"
    assert resolve(f"#{word} || none", SCOPE) == {}
    assert resolve(f"${word}.primaryReturn", SCOPE) == "of q"


def test_before_any_step_there_is_no_last_one() -> None:
    assert _fails("@LastStepId", Scope()) == "@LastStepId: no step has run before"


def test_a_pipeline_is_meant_only_where_it_has_returned_something() -> None:
    scope = Scope(responses={"p": {"q": {"primaryReturn": {"s": "in q of p"}}}}, pipeline="p")

    assert resolve("@q.s", scope) == "in q of p"
    assert resolve("@p.q.s", scope) == "in q of p"


def test_a_link_hides_a_global_and_what_was_set_hides_what_the_plan_says() -> None:
    assert resolve("!hidden", SCOPE) == "link"
    assert resolve("!set", SCOPE) == "by a step"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!short", "from-A"),
        ("!chain", "from-A"),
        ("!choice", "gee"),
        ("!text", "plain text"),
        ("!made", "v-gee"),
        ("!data", {"k": "!g"}),
        ("!data.k", "!g"),
    ],
)
def test_the_text_of_a_link_is_resolved_and_other_data_are_not(text: str, value: Json) -> None:
    assert resolve(text, SCOPE) == value


def test_a_path_on_a_link_is_one_on_what_it_leads_to() -> None:
    scope = Scope(links={"all": "!A.pipelineParameters.p"}, globals=SCOPE.globals)

    assert resolve("!all.s.primaryReturn", scope) == "from-A"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!referring", "gee"),
        ("!deep.x", "gee"),
        ("!deep.z", "!g"),
        ("!deep.y || none", "none"),
        ("!deep || none", "none"),
        ("!itself.a", 5),
        ("!itself", {"a": 5, "b": 5}),
    ],
)
def test_references_in_a_global_of_the_plan_are_resolved_when_it_is_used(text: str, value: Json) -> None:
    assert resolve(text, SCOPE) == value


def test_what_is_found_is_never_read_for_references_again() -> None:
    scope = Scope(
        globals={"like": "!g || x", "g": "gee", "l": ["!g"]},
        own={"own": "!like"},
        links={"link": "!like"},
        responses={"p": {"s": _response("!g", k="!{g}")}},
        pipeline="p",
    )

    found = [resolve(text, scope) for text in ("!like", "!own", "!link", "!l", "@s", "#s.k", "a !{like}")]
    assert found == ["!g || x", "!g || x", "!g || x", ["!g"], "!g", "!{g}", "a !g || x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!nul || other", "other"),
        ("!nul || null slot", "null slot"),
        ("@nobody || !nowhere || text", "text"),
        ("!nowhere||", ""),
        ("!nowhere || ", ""),
        ("!g || ", "gee"),
        ("|| !g", "gee"),
        ("!nowhere || || b", "b"),
        ("text || !g", "text"),
        ("!empty || other", ""),
        ("!nowhere || \\!g", "!g"),
        ("!nowhere || a | b", "a | b"),
        ("!nowhere || x-!{g}", "x-gee"),
        ("x-!{nowhere} || y-!{g} ", "y-gee"),
        ("  x-!{g}  || y", "x-gee"),
    ],
)
def test_the_first_choice_that_there_is_counts(text: str, value: Json) -> None:
    assert resolve(text, SCOPE) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("busybox:!{B}", "busybox:gee"),
        (" a !{g} b ", " a gee b "),
        ("!{g}@{s}#{s.k}", "geemainextra"),
        ("n=!{m.a.b} e=!{empty}.", "n=1 e=."),
        ("l=!{l} m=!{m.a}", 'l=["a","b",{"k":"v"},null] m={"b":1}'),
        ("!{nowhere || !g || text}!", "gee!"),
        ("<!{nowhere || text}>", "<text>"),
        ("<!{nowhere || }>", "<>"),
        ("<!{nowhere || \\!g}>", "<!g>"),
        ("<!{nowhere || @s}>", "<main>"),
        ("${HOME} !{g}", "${HOME} gee"),
        ("\\!{g}::!{g}", "!{g}::gee"),
        ("\\!{a || b}::!{g}", "!{a || b}::gee"),
        ("\\!g !{g}", "!g gee"),
        ("!wow, !{g}", "!wow, gee"),
    ],
)
def test_a_reference_in_braces_stands_for_its_text(text: str, value: str) -> None:
    assert resolve(text, SCOPE) == value


def test_a_text_that_is_nothing_but_a_reference_in_braces_is_what_it_refers_to() -> None:
    assert resolve("!{l}", SCOPE) == SCOPE.globals["l"]
    assert resolve("!{m.a.b}", SCOPE) == 1
    assert resolve("!{nowhere || !m.a}", SCOPE) == {"b": 1}
    assert resolve("!{m.with blank}", SCOPE) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a || b",
        "make || true",
        "a@b.example",
        "C# and 5$",
        "#1 100%",
        "#!/bin/sh",
        "$HOME/bin",
        "$HOME/x || none",
        "${HOME}",
        "echo ${HOME} ${X:-y}",
        "! g",
        "!",
        "@",
        "hello !g",
        "@alice and @bob",
        "\\ !",
        "C:\\dir",
        "100% & ?x %d",
        "  blanks  ",
    ],
)
def test_a_text_without_references_is_itself(text: str) -> None:
    assert resolve(text, SCOPE) == text
    assert not is_mapped(text)
    check(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\\!g", "!g"),
        ("\\@first", "@first"),
        ("\\#s", "#s"),
        ("\\$HOME", "$HOME"),
        ("\\!{g}", "!{g}"),
        ("\\!{", "!{"),
        ("a \\@{b} c", "a @{b} c"),
        ("\\!g || \\@s", "!g || @s"),
        ("a || \\!b", "a || !b"),
    ],
)
def test_a_backslash_before_the_mark_keeps_the_text(text: str, value: str) -> None:
    assert resolve(text, SCOPE) == value
    assert is_mapped(text)


def test_references_in_lists_and_maps_are_resolved_and_their_keys_are_not() -> None:
    value: Json = {"!g": ["!g", {"a": "x !{g}", "b": 1}], "n": None, "t": True, "l": "!l"}

    assert resolve(value, SCOPE) == {
        "!g": ["gee", {"a": "x gee", "b": 1}],
        "n": None,
        "t": True,
        "l": ["a", "b", {"k": "v"}, None],
    }


def test_a_reference_in_a_list_that_means_nothing_is_an_error() -> None:
    assert _fails(["!g", {"a": "!nowhere"}]) == "!nowhere: there is no global 'nowhere'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!nowhere", "!nowhere: there is no global 'nowhere'"),
        ("!referrin", "!referrin: there is no global 'referrin'; did you mean 'referring'?"),
        ("!nul", "!nul: nul is null"),
        ("!m.null", "!m.null: m.null is null"),
        ("!m.c", "!m.c: m has no 'c'"),
        ("!m.nul", "!m.nul: m has no 'nul'; did you mean 'null'?"),
        ("!l[7]", "!l[7]: l has 4 values, and none at [7]"),
        ("!l[3]", "!l[3]: l[3] is null"),
        ("!l.k", "!l.k: l is a list, and has no 'k'"),
        ("!m[0]", "!m[0]: m is a map, and has no [0]"),
        ("!m.a.b.c", "!m.a.b.c: m.a.b is a number, and has no 'c'"),
        ("!g[0]", "!g[0]: g is a text, and has no [0]"),
        (
            "!A.pipelineParameters.p.t.primaryReturn",
            "!A.pipelineParameters.p.t.primaryReturn: step t of pipeline p of A has returned nothing",
        ),
        ("!A.pipelineParameters.p.u.x", "!A.pipelineParameters.p.u.x: step u of pipeline p of A has returned nothing"),
        ("!A.pipelineParameters.z", "!A.pipelineParameters.z: pipeline z of A has returned nothing"),
        (
            "!A.pipelineParameters.p.s.namedReturns.X",
            "!A.pipelineParameters.p.s.namedReturns.X: step s of pipeline p of A has returned nothing named 'X'",
        ),
        ("!EACH.pipelineParameters[1].p", "!EACH.pipelineParameters[1].p: EACH.pipelineParameters[1] is null"),
        (
            "!EACH.pipelineParameters.p.s",
            "!EACH.pipelineParameters.p.s: EACH.pipelineParameters is a list, and has no 'p'",
        ),
        ("@nobody", "@nobody: step nobody of pipeline p has returned nothing"),
        ("@q.t", "@q.t: step t of pipeline q has returned nothing"),
        ("#s.other", "#s.other: step s of pipeline p has returned nothing named 'other'"),
        ("@s.x", "@s.x: p.s.primaryReturn is a text, and has no 'x'"),
        ("$worf", "$worf: pipeline p has no step and no preset value 'worf'; did you mean 'word'?"),
        (
            "@z.s",
            "@z.s: step z of pipeline p has returned nothing, and neither have the steps of a pipeline 'z'",
        ),
        ("!dead", "!dead: link dead leads to !nowhere: there is no global 'nowhere'"),
        ("!deep.y", "!deep.y: global deep leads to !nowhere: there is no global 'nowhere'"),
        ("!nothing", "!nothing: nothing is null"),
        ("!a || @b", "!a || @b: there is no global 'a'; step b of pipeline p has returned nothing"),
        ("a password !{nowhere}", "!{nowhere}: there is no global 'nowhere'"),
    ],
)
def test_the_message_names_the_reference_and_what_is_missing_of_it(text: str, message: str) -> None:
    assert _fails(text) == message


def test_of_many_choices_the_message_tells_the_first() -> None:
    told = _fails("!a || !b || !c || !d || !e")

    assert told.endswith("there is no global 'b'; there is no global 'c'; and 2 more")


def test_the_hint_tells_of_other_choices_and_of_the_backslash() -> None:
    with pytest.raises(MappingError) as caught:
        resolve("!nowhere", SCOPE)

    assert caught.value.hint == (
        "give it another choice, as in '!name || text', or write '\\!' where the text itself is meant"
    )


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("!one", "!one -> !two -> x !{one} -> !two"),
        ("!one || text", "!two -> x !{one} -> !two"),
        ("!round.k", "!about -> !round -> !about"),
    ],
)
def test_references_that_lead_in_a_circle_are_an_error_that_shows_the_way(text: str, way: str) -> None:
    message = _fails(text)

    assert message.startswith("references lead in a circle: ")
    assert message.endswith(way.removeprefix("!one -> "))


def test_the_way_of_a_circle_begins_where_the_circle_does() -> None:
    scope = Scope(links={"one": "!two", "two": "!one", "way": "!one"})

    assert _fails("!way", scope) == "references lead in a circle: !one -> !two -> !one"


def test_links_that_lead_on_and_on_are_an_error() -> None:
    def chain(length: int) -> Scope:
        return Scope(links={f"l{n}": f"!l{n + 1}" for n in range(length)}, globals={f"l{length}": "end"})

    assert resolve("!l0", chain(31)) == "end"
    assert _fails("!l0", chain(32)) == "!l0 leads over more than 32 other references"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (42, "42"),
        (-7, "-7"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (12345678901234567890, "12345678901234567890"),
        (1.0, "1.0"),
        ("", ""),
        ('a "b"\n', 'a "b"\n'),
        ([], "[]"),
        (["a", 1, None, {"k": False}], '["a",1,null,{"k":false}]'),
        ({"z": [1], "a": 'x "quoted"', "ü": "é"}, '{"z":[1],"a":"x \\"quoted\\"","ü":"é"}'),
    ],
)
def test_data_as_text_lose_nothing(value: Json, text: str) -> None:
    assert text_of(value) == text


def test_data_that_are_nested_without_end_are_no_text() -> None:
    value: Json = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(MappingError, match="too deep"):
        text_of(value)
    with pytest.raises(MappingError, match="too deep"):
        resolve(value, Scope())
    with pytest.raises(MappingError, match="too deep"):
        resolve("x !{v}", Scope(globals={"v": value}))


# Forks


@pytest.mark.parametrize("text", ["l", "!l", " l ", "!{l}", "list", "!list", "!nowhere || !l"])
def test_the_values_of_a_fork_are_found_with_the_mark_or_without(text: str) -> None:
    scope = Scope(globals={"l": [1, "a"]}, links={"list": "!l"})

    assert fork_values(text, scope) == [1, "a"]


def test_the_values_of_a_fork_may_be_found_by_a_path() -> None:
    scope = Scope(globals={"ROOT": {"pipelineParameters": {"mk": {"s": _response(["x", "y"])}}}})

    assert fork_values("ROOT.pipelineParameters.mk.s.primaryReturn", scope) == ["x", "y"]


def test_references_in_a_list_that_is_forked_over_are_resolved() -> None:
    assert fork_values(["a", "!g", {"k": "!m.a"}, 3, None], SCOPE) == ["a", "gee", {"k": {"b": 1}}, 3, None]


def test_a_fork_over_an_empty_list_has_no_values() -> None:
    assert fork_values([], SCOPE) == []
    assert fork_values("none", Scope(globals={"none": []})) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("nowhere", "nowhere: there is no global 'nowhere'"),
        ("g", "g is a text, and no list"),
        ("m", "m is a map, and no list"),
        ("!m.a.b", "!m.a.b is a number, and no list"),
        ("!nowhere || a, b", "!nowhere || a, b is a text, and no list"),
        ({"a": 1}, "these are a map, and no list"),
        (3, "these are a number, and no list"),
        (None, "these are null, and no list"),
        (["!nowhere"], "!nowhere: there is no global 'nowhere'"),
        ("", "'' begins with no name"),
        ("a b[", "'[' is neither a key nor an index"),
    ],
)
def test_a_fork_over_what_is_no_list_is_an_error(values: Json, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        fork_values(values, SCOPE)

    assert message in caught.value.message
    assert caught.value.hint


# Before the run


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("!A.x", ("A",)),
        ("!A.x || text", ()),
        ("!A.x || !B", ("A", "B")),
        ("!A.x || x !{B}", ("A", "B")),
        ("!A ||", ()),
        ("a !{A} !{B || b} !{C || @s} !{A.y}", ("A", "C")),
        ("@s #t.k $u", ()),
        ("@s", ()),
        ("plain", ()),
        ("\\!A", ()),
    ],
)
def test_the_names_that_nothing_stands_in_for_are_told(text: str, names: tuple[str, ...]) -> None:
    assert required(text) == names


def test_with_a_path_a_name_without_a_mark_is_required() -> None:
    assert required("A.list", path=True) == ("A",)
    assert required("!A.list || !B", path=True) == ("A", "B")
    assert required("A.list") == ()


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ({}, ()),
        ({"one": "!two", "two": "!three"}, ()),
        ({"one": "!one"}, ("one", "one")),
        ({"one": "!two", "two": "!one"}, ("one", "two", "one")),
        ({"a": "!one", "one": "x !{no || !two.k}", "two": "@s || !one"}, ("one", "two", "one")),
        ({"one": "@one", "two": "\\!two", "three": ["!three"], "four": 4, "five": "!{five"}, ()),
    ],
)
def test_links_that_lead_in_a_circle_are_found_before_the_run(links: dict[str, Json], found: tuple[str, ...]) -> None:
    way = circle(links)

    assert set(way) == set(found)
    assert len(way) == len(found)
    assert way[:1] == way[-1:]


def test_a_circle_of_links_is_told_in_the_order_in_which_they_lead() -> None:
    way = circle({"a": "!b", "b": "!c", "c": "!a"})

    assert all(there == {"a": "b", "b": "c", "c": "a"}[here] for here, there in itertools.pairwise(way))


def test_the_texts_of_the_conformance_cases_can_be_read() -> None:
    data = Path(__file__).parents[2] / "conformance" / "data" / "metalus.yaml"
    texts = [line.split(": ", 1)[1].strip("'") for line in data.read_text().splitlines() if ": '!" in line]

    assert len(texts) > 50
    for text in texts:
        check(text)
        assert is_mapped(text)


def test_the_scope_is_not_changed_by_what_is_found() -> None:
    before = json.dumps(SCOPE.globals)

    resolve({"a": "!l", "b": ["!m", "x !{l}"]}, SCOPE)

    assert json.dumps(SCOPE.globals) == before
