"""What single executions are: their types, and what they fork over."""

import pytest

from runner.plan.forks import MOST_BRANCHES
from runner.plan.model import Fork, Json
from tests.support.metalus import executions, finding_of, findings_of, plan_of, warnings_of


def _forked(keys: str) -> str:
    return executions(f"{{id: EACH, executionType: fork, {keys}}}\n{{id: ALL, parents: [EACH], executionType: join}}")


def _fork(keys: str) -> Fork | None:
    plan = plan_of(_forked(keys))
    assert plan.warnings == ()
    return plan.stage("EACH").fork


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("l", "l"),
        ("'!l'", "!l"),
        ("ROOT.pipelineParameters.p.s.primaryReturn", "ROOT.pipelineParameters.p.s.primaryReturn"),
        ("'!a.b[0] || !c'", "!a.b[0] || !c"),
        ("0", "0"),
        ("[a, 1, {k: '!x'}]", ["a", 1, {"k": "!x"}]),
        ("[]", []),
    ],
)
@pytest.mark.parametrize("key", ["forkByValue", "forkByValues"])
def test_a_fork_has_a_list_or_a_reference_to_one_with_or_without_its_mark(key: str, written: str, values: Json) -> None:
    assert _fork(f"{key}: {written}") == Fork(values=values)


def test_both_spellings_may_stand_there_if_they_say_the_same() -> None:
    assert _fork("forkByValue: l, forkByValues: l") == Fork(values="l")
    assert "'forkByValue' and 'forkByValues' of execution 'EACH' differ (they mean the same: keep one" in finding_of(
        _forked("forkByValue: l, forkByValues: m")
    )


def test_a_limit_bounds_the_branches_at_a_time() -> None:
    assert _fork("forkByValue: l, forkLimit: 4") == Fork(values="l", limit=4)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("parents: []", "4:5: execution 'EACH' is a fork, and has no 'forkByValue' (name the list that it forks over)"),
        ("forkByValue: ''", "execution 'EACH' is a fork, and has no 'forkByValue'"),
        (
            "forkByValue: {a: b}",
            "'forkByValue' of execution 'EACH' is a map (it must be a list, or a reference to one)",
        ),
        ("forkByValues: {a: b}", "'forkByValues' of execution 'EACH' is a map"),
        ("forkByValue: '!l[x]'", "'forkByValue' of execution 'EACH': !l[x]: '[x]' is neither a key nor an index"),
        ("forkByValue: ['!l[x]']", "'forkByValue' of execution 'EACH': !l[x]: '[x]' is neither"),
        ("forkByValue: 'l['", "'forkByValue' of execution 'EACH': l[: '[' is neither"),
        ("forkByValue: l, forkLimit: 0", "'forkLimit' of execution 'EACH': '0' is not a number above 0"),
        ("forkByValue: l, forkLimit: '!n'", "'forkLimit' of execution 'EACH': '!n' is not a number above 0"),
    ],
)
def test_a_fork_over_nothing_that_could_be_a_list_is_an_error(keys: str, told: str) -> None:
    assert told in finding_of(_forked(keys))


def test_a_comment_in_the_place_of_the_values_is_told_of() -> None:
    text = _forked("forkByValue: l").replace("forkByValue: l", "\n     forkByValue: #l\n    ")

    assert "has no 'forkByValue' (name the list that it forks over; put one that begins with '#' in quotes)" in (
        finding_of(text)
    )


@pytest.mark.parametrize(("count", "wrong"), [(MOST_BRANCHES, 0), (MOST_BRANCHES + 1, 1)])
def test_a_fork_has_no_more_than_so_many_values(count: int, wrong: int) -> None:
    text = _forked(f"forkByValue: [{', '.join(['1'] * count)}]")

    if wrong:
        assert f"'forkByValue' of execution 'EACH' has {count:,} values" in finding_of(text)
    else:
        assert plan_of(text).stage("EACH").fork == Fork(values=[1] * count)


@pytest.mark.parametrize(
    ("word", "hint"), [("Fork", "did you mean 'fork'?"), ("banana", "it must be one of pipeline, fork, join")]
)
def test_a_type_that_there_is_not_is_an_error(word: str, hint: str) -> None:
    told = finding_of(executions(f"{{id: A, executionType: {word}}}"))

    assert f"'executionType' of execution 'A' is {word!r}" in told
    assert hint in told


def test_a_plain_execution_may_say_so() -> None:
    assert plan_of(executions("{id: A, executionType: pipeline}")).stages[0].fork is None


@pytest.mark.parametrize(
    ("keys", "key", "kind"),
    [
        ("forkByValue: l", "forkByValue", "pipeline"),
        ("forkByValues: [a]", "forkByValues", "pipeline"),
        ("executionType: pipeline, forkLimit: 2", "forkLimit", "pipeline"),
        ("joinOn: always", "joinOn", "pipeline"),
    ],
)
def test_a_key_of_another_type_is_told_of(keys: str, key: str, kind: str) -> None:
    (warning,) = warnings_of(executions(f"{{id: A, {keys}}}"))

    assert f"warning: {key!r} means nothing in execution 'A', a {kind} (it is ignored: see 'executionType')" in warning


def test_the_evaluation_of_a_join_is_ignored_as_in_metalus_and_must_be_right_all_the_same() -> None:
    text = _forked("forkByValue: l").replace("executionType: join", "executionType: join, evaluationPipelineIds: [w]")

    (warning,) = warnings_of(text)
    assert "'evaluationPipelineIds' means nothing in execution 'ALL', a join (it is ignored, as in Metalus)" in warning
    assert [step.evaluates for step in plan_of(text).stage("ALL").steps] == [False]
    assert "names the pipeline 'v'" in findings_of(text.replace("[w]", "[v]"))[1]


def test_a_join_waits_for_success_or_always() -> None:
    text = _forked("forkByValue: l").replace("executionType: join", "executionType: join, joinOn: never")

    assert "'joinOn' of execution 'ALL' is 'never' (it must be one of success, always)" in finding_of(text)


@pytest.mark.parametrize("keys", ["parents: A", "pipelineIds: w", "evaluationPipelineIds: {a: b}"])
def test_names_stand_in_a_list(keys: str) -> None:
    (told, *_) = findings_of(executions(f"{{id: B, {keys}}}\n{{id: A}}"))

    assert "of execution 'B' is a" in told
    assert "(it must be a list)" in told


def test_a_definition_in_an_execution_is_read_as_one_of_the_application() -> None:
    told = findings_of(executions("{id: A, pipelines: [{id: p, steps: [{id: s}]}]}"))

    assert told == ["4:41: step 's' has no 'image' (name the image that it runs in)"]
