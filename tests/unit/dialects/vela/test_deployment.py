"""What may be given to a deployment."""

from dataclasses import replace

import pytest

from runner.plan.model import Facts
from runner.plan.trigger import Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of

DEPLOYMENT = Trigger(facts=Facts(branch="main", event="deployment:created", target="production"), deployment="7")


def _pipeline(deployment: str) -> str:
    return f"version: 1\ndeployment: {deployment}\nsteps: [{{name: s, image: i}}]"


def _declaring(parameter: str) -> str:
    return _pipeline(f"{{parameters: {{p: {parameter}}}}}")


def _given(value: str | None) -> Trigger:
    return replace(DEPLOYMENT, parameters={} if value is None else {"p": value})


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("{}", None),
        ("{}", "anything"),
        ("", "anything"),
        ("{required: true}", "x"),
        ("{required: true}", ""),
        ("{options: [a, b]}", "b"),
        ("{options: [a, b]}", ""),
        ("{type: integer}", "-3"),
        ("{type: integer, max: 5}", "5"),
        ("{type: number, min: 2, max: 5}", "2"),
        ("{type: int, min: 2}", "1"),
        ("{type: boolean}", "T"),
        ("{type: bool}", "0"),
        ("{type: string, max: 1}", "long"),
    ],
)
def test_a_value_that_may_be_given_makes_a_plan(parameter: str, value: str | None) -> None:
    assert plan_of(_declaring(parameter), _given(value)).warnings == ()


@pytest.mark.parametrize(
    ("parameter", "value", "told"),
    [
        ("{required: true}", None, "the parameter 'p' is required, and was not given (give it with --param p=VALUE)"),
        ("{options: [a, b]}", "c", "the parameter 'p' was given 'c' (it must be one of a, b)"),
        ("{type: integer}", "1.5", "the parameter 'p' was given '1.5' (it must be a whole number)"),
        ("{type: integer}", "9" * 5000, f"the parameter 'p' was given '{'9' * 57}...' (it must be a whole number)"),
        ("{type: integer, max: 5}", "6", "the parameter 'p' was given '6' (it must be between 0 and 5)"),
        ("{type: int, min: 2, max: 5}", "1", "the parameter 'p' was given '1' (it must be between 2 and 5)"),
        ("{type: boolean}", "yes", "the parameter 'p' was given 'yes' (it must be true or false)"),
    ],
)
def test_a_value_that_may_not_be_given_says_what_would_be_right(parameter: str, value: str | None, told: str) -> None:
    assert findings_of(_declaring(parameter), _given(value)) == [f"in.yml:2:30: {told}"]


def test_names_are_compared_without_regard_to_case() -> None:
    text = _pipeline("{parameters: {Region: {required: true, options: [eu]}}}")

    assert plan_of(text, replace(DEPLOYMENT, parameters={"REGION": "eu"})).stages


def test_what_nobody_declares_may_be_given() -> None:
    assert plan_of(_pipeline("{parameters: {}}"), replace(DEPLOYMENT, parameters={"other": "x"})).stages


def test_a_value_reaches_the_containers() -> None:
    plan = plan_of(_declaring("{}"), _given("v1"))

    assert plan.environment["DEPLOYMENT_PARAMETER_P"] == "v1"


@pytest.mark.parametrize("targets", ["production", "[staging, production]", "[]", ""])
def test_a_target_is_one_of_those_if_there_are_any(targets: str) -> None:
    assert plan_of(_pipeline(f"{{targets: {targets}}}"), DEPLOYMENT).stages


def test_another_target_is_an_error() -> None:
    assert findings_of(_pipeline("{targets: [staging, dev]}"), DEPLOYMENT) == [
        "in.yml:2:23: the target 'production' is not one of the deployment's (give one of staging, dev with --target)"
    ]


@pytest.mark.parametrize("event", ["push", "pull_request:opened", ""])
def test_any_other_event_needs_nothing_of_it(event: str) -> None:
    text = _pipeline("{targets: [staging], parameters: {p: {required: true}}}")

    assert plan_of(text, replace(PUSH, event=event)).warnings == ()


@pytest.mark.parametrize(
    ("deployment", "told"),
    [
        ("[a]", "13: 'deployment' of the pipeline is a list (it must be a map)"),
        ("{targets: {a: b}}", "23: 'targets' of the deployment is a map (it must be a list, or a single value)"),
        ("{parameters: [a]}", "26: 'parameters' of the deployment is a list (it must be a map)"),
        (
            "{parameters: {p: string}}",
            "30: the parameter 'p' is not a map (write its 'type', 'required' and the like under it)",
        ),
        ("{parameters: {p: {min: few}}}", "36: 'min' of the parameter 'p' is 'few' (write a whole number)"),
        (
            "{parameters: {p: {required: 'yes'}}}",
            "41: 'required' of the parameter 'p' is 'yes', and not a boolean (write true or false, without quotes)",
        ),
        (
            f"{{parameters: {{p: {{max: {'9' * 5000}}}}}}}",
            f"36: 'max' of the parameter 'p' is '{'9' * 57}...' (write a whole number)",
        ),
    ],
)
def test_a_declaration_that_cannot_be_is_an_error_for_every_event(deployment: str, told: str) -> None:
    assert findings_of(_pipeline(deployment)) == [f"in.yml:2:{told}"]


def test_an_unknown_key_of_a_parameter_is_a_warning() -> None:
    (warning,) = plan_of(_declaring("{requird: true}")).warnings

    assert warning.endswith("the parameter 'p' has no key 'requird' (did you mean 'required'?)")
