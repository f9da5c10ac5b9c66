"""The JSON form of a plan."""

import copy
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ExitCode, InfrastructureError
from runner.plan.codec import dumps, from_document, to_document
from runner.plan.model import (
    Bind,
    BlockedBy,
    Cache,
    Facts,
    Limits,
    Matcher,
    Operator,
    Plan,
    Pruned,
    PullPolicy,
    Ready,
    Rules,
    Ruleset,
    SecretUse,
    Service,
    Stage,
    Step,
    Told,
    Ulimit,
    Workspace,
)

PLAN = Plan(
    dialect="vela",
    stages=(
        Stage(
            name="build",
            steps=(
                Step(
                    name="compile",
                    image="golang:1.22",
                    commands=("go build",),
                    environment={"B": "2", "A": "1"},
                    secrets=(SecretUse(source="token", target="TOKEN"),),
                    pull=PullPolicy.ALWAYS,
                    ruleset=Ruleset(if_=Rules(branch=("main",), operator=Operator.OR), proceed=True),
                    timeout=1.5,
                    retry=2,
                ),
            ),
            needs=("setup",),
            independent=True,
        ),
    ),
    services=(Service(name="db", image="postgres"),),
    secrets=("token",),
    facts=Facts(branch="main", path=("a", "b")),
    pruned=(Pruned(stage="old", step="", why="none of its steps is left"),),
    warnings=("f.yml:1:1: warning: something",),
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TUPLES = st.lists(TEXTS, max_size=3).map(tuple)
SECONDS = st.none() | st.floats(min_value=0.001, max_value=1e6)
RULES = st.builds(
    Rules,
    **{field.name: TUPLES for field in fields(Rules) if field.name not in ("eval", "operator", "matcher")},
    eval=TEXTS,
    operator=st.sampled_from(Operator),
    matcher=st.sampled_from(Matcher),
)
TOLD = st.dictionaries(TEXTS, st.sampled_from(Told), max_size=2)
STEPS = st.builds(
    Step,
    name=TEXTS,
    image=TEXTS,
    commands=TUPLES,
    entrypoint=TUPLES,
    environment=st.dictionaries(TEXTS, TEXTS, max_size=3),
    secrets=st.lists(st.builds(SecretUse, source=TEXTS, target=TEXTS), max_size=2).map(tuple),
    pull=st.sampled_from(PullPolicy),
    detach=st.booleans(),
    user=TEXTS,
    ruleset=st.builds(Ruleset, if_=RULES, unless=RULES, proceed=st.booleans()),
    timeout=SECONDS,
    retry=st.integers(0, 10),
    shell=TEXTS,
    limits=st.builds(Limits, cpus=SECONDS, memory=st.none() | st.integers(1), pids=st.none() | st.integers(1)),
    ulimits=st.lists(st.builds(Ulimit, name=TEXTS, soft=st.integers(), hard=st.integers()), max_size=1).map(tuple),
    volumes=st.lists(st.builds(Bind, source=TEXTS, target=TEXTS, read_only=st.booleans()), max_size=1).map(tuple),
    caches=st.lists(st.builds(Cache, key=TEXTS, path=TEXTS), max_size=1).map(tuple),
    artifacts=TUPLES,
    privileged=st.booleans(),
    late=st.booleans(),
    script=TEXTS,
    skip=TEXTS,
    told=TOLD,
)
STAGES = st.builds(
    Stage,
    name=TEXTS,
    steps=st.lists(STEPS, max_size=2).map(tuple),
    needs=TUPLES,
    independent=st.booleans(),
    timeout=SECONDS,
    retry=st.integers(0, 10),
    ruleset=st.builds(Ruleset, if_=RULES),
    workspace=st.sampled_from(Workspace),
    blocked_by=st.sampled_from(BlockedBy),
    allow_failure=st.booleans(),
    fault=TEXTS,
    config=TUPLES,
)
PLACES = ("stages", "async_stages", "undefined")
"""Where a plan has stages."""
SERVICES = st.builds(
    Service,
    name=TEXTS,
    image=TEXTS,
    entrypoint=TUPLES,
    environment=st.dictionaries(TEXTS, TEXTS, max_size=2),
    pull=st.sampled_from(PullPolicy),
    user=TEXTS,
    ready=st.none() | st.builds(Ready, command=TEXTS, port=st.none() | st.integers(1, 65535)),
)
FACTS = st.builds(Facts, branch=TEXTS, event=TEXTS, tag=TEXTS, comment=TEXTS, path=TUPLES, label=TUPLES)
BARE_PLANS = st.builds(
    Plan,
    dialect=TEXTS,
    stages=st.just(()),
    services=st.lists(SERVICES, max_size=1).map(tuple),
    secrets=TUPLES,
    facts=FACTS,
    home=TEXTS,
    workdir=TEXTS,
    pruned=st.lists(st.builds(Pruned, stage=TEXTS, step=TEXTS, why=TEXTS), max_size=2).map(tuple),
    warnings=TUPLES,
    origins=st.lists(STEPS, max_size=1).map(tuple),
    outputs=TEXTS,
    told=TOLD,
    kind=TEXTS,
)


def _with_stages(plan: Plan, placed: list[tuple[str, Stage]]) -> Plan:
    """Put stages where they belong; those that are async say so."""

    def at(place: str) -> tuple[Stage, ...]:
        return tuple(stage for where, stage in placed if where == place)

    apart = tuple(replace(stage, async_=True) for stage in at("async_stages"))
    return replace(plan, stages=at("stages"), async_stages=apart, undefined=at("undefined"))


PLANS = st.builds(_with_stages, BARE_PLANS, st.lists(st.tuples(st.sampled_from(PLACES), STAGES), max_size=2))


@given(PLANS)
def test_a_plan_survives_its_document(plan: Plan) -> None:
    assert from_document(json.loads(dumps(plan))) == plan


@given(PLANS)
def test_equal_plans_have_the_same_text(plan: Plan) -> None:
    assert dumps(from_document(to_document(plan))) == dumps(plan)


def test_variables_are_written_in_sorted_order() -> None:
    document: Any = to_document(PLAN)

    assert list(document["stages"][0]["steps"][0]["environment"]) == ["A", "B"]


def test_the_document_has_the_names_that_the_interface_promises() -> None:
    document: Any = to_document(PLAN)
    stage = document["stages"][0]

    assert {"version", "dialect", "stages", "services", "pruned", "warnings"} <= set(document)
    assert {"name", "needs", "independent", "async", "steps"} <= set(stage)
    assert {"name", "image", "pull", "commands", "environment"} <= set(stage["steps"][0])
    assert document["pruned"] == [{"stage": "old", "step": "", "why": "none of its steps is left"}]
    assert stage["async"] is False


def test_async_stages_stand_behind_the_others_and_say_what_they_are() -> None:
    document: Any = to_document(replace(PLAN, async_stages=(Stage(name="scan", steps=(), async_=True),)))

    assert [(stage["name"], stage["async"]) for stage in document["stages"]] == [("build", False), ("scan", True)]
    assert "async_stages" not in document


def test_a_stage_that_says_it_is_async_is_no_part_of_the_graph_wherever_it_stands() -> None:
    document: Any = to_document(PLAN)
    document["stages"].insert(0, {**document["stages"][0], "name": "scan", "async": True})

    found = from_document(document)

    assert ([each.name for each in found.stages], [each.name for each in found.async_stages]) == (["build"], ["scan"])


def test_empty_rules_and_facts_are_left_out_of_the_document() -> None:
    document: Any = to_document(PLAN)

    assert document["stages"][0]["steps"][0]["ruleset"] == {
        "if": {"branch": ["main"], "operator": "or"},
        "continue": True,
    }
    assert document["facts"] == {"branch": "main", "path": ["a", "b"]}


def test_text_outside_ascii_stays_readable() -> None:
    assert "grün" in dumps(Plan(dialect="grün", stages=()))


def _changed(*path: str | int, value: object) -> object:
    document: Any = copy.deepcopy(to_document(PLAN))
    inner = document
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return document


STEP_PATH = ("stages", 0, "steps", 0)


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ([], "it is not an object"),
        (None, "it is not an object"),
        ({}, "its version is None"),
        (_changed("version", value=3), "its version is 3"),
        (_changed("version", value="2"), "its version is '2'"),
        (_changed("extra", value=1), "it has the unknown key 'extra'"),
        (_changed(*STEP_PATH, "sheel", value="bash"), "stages[0].steps[0] has the unknown key 'sheel'"),
        (_changed(*STEP_PATH, "image", value=3), "stages[0].steps[0].image is 3, and not a str"),
        (_changed(*STEP_PATH, "retry", value=True), "stages[0].steps[0].retry is True, and not a int"),
        (_changed(*STEP_PATH, "retry", value=1.5), "stages[0].steps[0].retry is 1.5, and not a int"),
        (_changed(*STEP_PATH, "timeout", value="5m"), "stages[0].steps[0].timeout is '5m', and not a float"),
        (_changed(*STEP_PATH, "commands", value="ls"), "stages[0].steps[0].commands is 'ls', and not a list"),
        (_changed(*STEP_PATH, "environment", "A", value=None), "stages[0].steps[0].environment.A is None"),
        (_changed(*STEP_PATH, "pull", value="maybe"), "stages[0].steps[0].pull is 'maybe', and not one of always"),
        (_changed("stages", 0, "steps", 0, value=[]), "stages[0].steps[0] is [], and not a dict"),
        (_changed("facts", "colour", value="red"), "facts has the unknown key 'colour'"),
        ({"version": 2, "dialect": "vela"}, "it has no key 'facts'"),
    ],
)
def test_another_document_is_refused_with_what_is_wrong_in_it(document: object, wrong: str) -> None:
    with pytest.raises(InfrastructureError) as caught:
        from_document(document)

    assert wrong in caught.value.message
    assert "version 2" in caught.value.hint
    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE


def test_a_whole_number_is_a_timeout_too() -> None:
    plan = from_document(_changed(*STEP_PATH, "timeout", value=30))

    assert plan.stages[0].steps[0].timeout == 30.0
    assert isinstance(plan.stages[0].steps[0].timeout, float)


def test_what_has_no_json_form_is_a_mistake_of_ours() -> None:
    broken = Plan(dialect="vela", stages=(), secrets=({1},))  # type: ignore[arg-type] # the mistake under test

    with pytest.raises(TypeError, match="set has no place in a plan"):
        to_document(broken)
