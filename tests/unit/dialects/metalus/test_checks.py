"""What is wrong with executions together."""

import pytest

from tests.support.metalus import executions, finding_of, findings_of, plan_of, warnings_of


def _step(text: str) -> str:
    return f"pipelines: [{{id: q, steps: [{{id: t, image: i, environment: {{V: '{text}'}}}}]}}]"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "{id: ROOT}\n{id: B, parents: [ROOTS]}",
            "5:23: the execution 'B' has the parent 'ROOTS', and there is no such execution (did you mean 'ROOT'?)",
        ),
        (
            "{id: A}\n{id: B, parents: [x]}",
            "5:23: the execution 'B' has the parent 'x', and there is no such execution (name one of the document)",
        ),
        (
            "{id: A}\n{id: SELF, parents: [A, SELF]}",
            "5:29: the execution 'SELF' is a parent of itself (remove it from its own parents)",
        ),
        (
            "{id: A, parents: [B]}\n{id: B, parents: [A]}\n{id: C}",
            "5:23: executions wait for each other: A -> B -> A (remove one of these parents)",
        ),
    ],
)
def test_a_graph_that_could_not_run_is_an_error(lines: str, told: str) -> None:
    assert finding_of(executions(lines)) == told


@pytest.mark.parametrize(
    ("lines", "culprit"),
    [
        ("{id: F, executionType: fork, forkByValue: l}\n{id: A, parents: [F]}", "the fork 'F' has no join"),
        ("{id: A}\n{id: J, parents: [A], executionType: join}", "the join 'J' has no fork"),
        ("{id: J, executionType: join}", "the join 'J' has no fork"),
        (
            """{id: F, executionType: fork, forkByValue: l}
            {id: J, parents: [F], executionType: join}
            {id: K, parents: [F], executionType: join}""",
            "the fork 'F' has more than one join",
        ),
        (
            """{id: OUT}
            {id: F, executionType: fork, forkByValue: l}
            {id: IN, parents: [F, OUT]}
            {id: J, parents: [IN], executionType: join}""",
            "the execution 'IN' needs",
        ),
        (
            """{id: OUT}
            {id: F, executionType: fork, forkByValue: l}
            {id: J, parents: [F, OUT], executionType: join}""",
            "the execution 'J' needs",
        ),
    ],
)
def test_forks_and_joins_that_do_not_belong_together_are_errors(lines: str, culprit: str) -> None:
    assert culprit in finding_of(executions(lines))


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = findings_of(
        executions(
            """
            {id: A, parents: [A, x]}
            {id: B, parents: [C], pipelineIds: [v]}
            {id: C, parents: [B], executionType: fork}
            {id: D, executionType: join}
            """,
            "globals: {GlobalLinks: {one: '!one', two: '!{'}}\n",
        )
    )

    assert [any(part in finding for finding in told) for part in (
        *("links lead in a circle: one -> one", "the link 'two'", "is a parent of itself", "has the parent 'x'", "'v'"),
        *("executions wait for each other: B -> C -> B", "has no 'forkByValue'", "the join 'D'"),
    )] == [True] * 8  # fmt: skip


def test_links_in_a_circle_are_told_of_once_where_they_stand() -> None:
    text = executions(
        "{id: A}\n{id: B, parents: [A]}",
        "globals:\n  GlobalLinks:\n    one: 'x !{two}'\n    two: '!one.k || none'\n    three: '!one'\n",
    )

    assert finding_of(text).startswith("3:10: links lead in a circle: one -> two -> one")


def test_links_of_parents_can_close_a_circle() -> None:
    text = executions(
        """
        {id: A, globals: {GlobalLinks: {one: '!two'}}}
        {id: B, parents: [A], globals: {GlobalLinks: {two: '!one'}}}
        {id: C, parents: [B], globals: {GlobalLinks: {one: plain}}}
        """
    )

    told = finding_of(text)

    assert "links lead in a circle: " in told
    assert told.startswith(("4:", "5:"))


def test_of_two_parents_the_later_one_decides_what_a_link_is() -> None:
    lines = """
        {id: A, globals: {GlobalLinks: {one: '!two'}}}
        {id: B, globals: {GlobalLinks: {one: plain}}}
        {id: C, parents: [%s], globals: {GlobalLinks: {two: '!one'}}}
        """

    assert plan_of(executions(lines % "A, B")).warnings == ()
    assert "links lead in a circle" in finding_of(executions(lines % "B, A"))


@pytest.mark.parametrize(
    "text", ["!A.pipelineParameters.w.s.primaryReturn", "x-!{A.globals.g}", "!A.globals.g[0]", "!{A.x}!{g}"]
)
def test_a_reference_to_an_execution_that_is_no_parent_is_told_of(text: str) -> None:
    (warning,) = warnings_of(executions(f"{{id: A}}\n{{id: B, {_step(text)}}}"))

    assert warning == (
        f"5:76: warning: {text!r} means nothing in the execution 'B': 'A' is none of its parents "
        "(add it to them, or write what counts instead behind ||)"
    )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("!A.globals.g", "parents: [A], "),
        ("!A.globals.g || none", ""),
        ("x-!{A.x || none}", ""),
        ("!A.x || !g", ""),
        ("!A.x", "globals: {A: {x: 1}}, "),
        ("!A.x", "globals: {GlobalLinks: {A: '!g'}}, "),
        ("!unknown.x", ""),
        ("@A.s", ""),
        ("$A", ""),
        ("A", ""),
        (r"\\!A.x", ""),
    ],
)
def test_any_other_reference_is_not(text: str, keys: str) -> None:
    assert warnings_of(executions(f"{{id: A}}\n{{id: B, {keys}{_step(text)}}}")) == []


def test_links_of_parents_are_within_reach() -> None:
    lines = "{id: A}\n{id: M, globals: {GlobalLinks: {A: plain}}}\n{id: B, parents: [M], %s}"

    assert warnings_of(executions(lines % _step("!A"))) == []


def test_references_in_images_globals_and_parameters_are_looked_at_too() -> None:
    steps = "[{id: t, image: '!A.i', parameters: {p: '!A.p'}}]"
    text = executions(f"{{id: A}}\n{{id: B, globals: {{g: ['!A.g']}}, pipelines: [{{id: q, steps: {steps}}}]}}")

    told = warnings_of(text)

    assert [each for each in ("'!A.i'", "'!A.p'", "'!A.g'") if not any(each in warning for warning in told)] == []
    assert len(told) == 3


@pytest.mark.parametrize("value", ["A.list", "'!A.list'", "[a, '!A.x']"])
def test_what_a_fork_runs_over_is_looked_at_too(value: str) -> None:
    lines = f"{{id: F, %sexecutionType: fork, forkByValue: {value}}}\n{{id: J, parents: [F], executionType: join}}"

    (warning,) = warnings_of(executions(f"{{id: A}}\n{lines % ''}"))

    assert "means nothing in the execution 'F': 'A' is none of its parents" in warning
    assert warnings_of(executions(f"{{id: A}}\n{lines % 'parents: [A], '}")) == []


def test_a_grandparent_is_no_parent() -> None:
    lines = "{id: A}\n{id: M, parents: [A]}\n{id: B, parents: [M], %s}"

    assert len(warnings_of(executions(lines % _step("!A.x")))) == 1
    assert warnings_of(executions(lines % _step("!M.globals.A.x"))) == []


def test_the_same_pipeline_is_judged_in_each_execution() -> None:
    before = "globals: {}\n"
    text = executions("{id: A}\n{id: B, parents: [A]}\n{id: C}", before).replace(
        "image: i}", "image: i, environment: {V: '!A.x'}}"
    )

    assert [warning.split("execution ")[1][:3] for warning in warnings_of(text)] == ["'A'", "'C'"]
