"""The variables that every container gets."""

from dataclasses import replace

import pytest

from runner.dialects.vela import defaults
from runner.plan.model import Facts, Stage, Step
from runner.plan.trigger import Commit, PullRequest, Repository, Trigger
from tests.support.pipelines import plan_of

TRIGGER = Trigger(
    facts=Facts(branch="main", event="push", sender="octocat", repo="octocat/hello-world"),
    ref="refs/heads/main",
    commit=Commit(sha="abc", parent="def", message="fix\n\nmore", author="Mona", email="mona@example.com"),
    repository=Repository(
        name="octocat/hello-world", branch="main", clone="https://example.com/a.git", link="https://example.com/a"
    ),
)
REQUEST = PullRequest(number="7", source="topic", target="main", fork=True)


def _of(event: str, *, request: PullRequest | None = None, ref: str = "", **given: str) -> dict[str, str]:
    facts = replace(TRIGGER.facts, event=event, tag="v1", target="production")
    trigger = replace(
        TRIGGER, facts=facts, pull_request=request, ref=ref, deployment="9", parameters={"Region": "eu", **given}
    )
    return defaults.of_run(trigger, "/vela/src")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VELA", "true"),
        ("CI", "true"),
        ("VELA_WORKSPACE", "/vela/src"),
        ("VELA_RUNTIME", "docker"),
        ("VELA_BUILD_AUTHOR", "Mona"),
        ("VELA_BUILD_AUTHOR_EMAIL", "mona@example.com"),
        ("VELA_BUILD_BASE_REF", ""),
        ("VELA_BUILD_BRANCH", "main"),
        ("VELA_BUILD_CLONE", "https://example.com/a.git"),
        ("VELA_BUILD_COMMIT", "abc"),
        ("VELA_BUILD_EVENT", "push"),
        ("VELA_BUILD_EVENT_ACTION", ""),
        ("VELA_BUILD_MESSAGE", "fix\n\nmore"),
        ("VELA_BUILD_TITLE", "fix"),
        ("VELA_BUILD_NUMBER", "1"),
        ("VELA_BUILD_PARENT", "def"),
        ("VELA_BUILD_REF", "refs/heads/main"),
        ("VELA_BUILD_SENDER", "octocat"),
        ("VELA_BUILD_WORKSPACE", "/vela/src"),
        ("VELA_REPO_BRANCH", "main"),
        ("VELA_REPO_FULL_NAME", "octocat/hello-world"),
        ("VELA_REPO_LINK", "https://example.com/a"),
        ("VELA_REPO_NAME", "hello-world"),
        ("VELA_REPO_ORG", "octocat"),
        ("VELA_REPO_OWNER", "octocat"),
        ("VELA_USER_NAME", "octocat"),
        ("VELA_OUTPUTS", "/vela/outputs/.env"),
        ("VELA_MASKED_OUTPUTS", "/vela/outputs/masked.env"),
    ],
)
def test_a_container_is_told_why_it_runs(name: str, value: str) -> None:
    assert defaults.of_run(TRIGGER, "/vela/src")[name] == value


def test_the_older_names_stand_beside_the_newer_ones_with_the_same_values() -> None:
    variables = defaults.of_run(TRIGGER, "/vela/src")

    older = {name for name in variables if name.startswith(("BUILD_", "REPOSITORY_"))}
    newer = {name: f"VELA_{name}".replace("VELA_REPOSITORY_", "VELA_REPO_") for name in older}
    assert len(older) > 25
    assert {name: variables[name] for name in older} == {name: variables[newer[name]] for name in older}


@pytest.mark.parametrize(
    "name",
    ["BUILD_RUNTIME", "BUILD_EVENT_ACTION", "BUILD_DISTRIBUTION", "REPOSITORY_OWNER", "REPOSITORY_PIPELINE_TYPE"],
)
def test_what_came_later_has_no_older_name(name: str) -> None:
    assert name not in defaults.of_run(TRIGGER, "/vela/src")


def test_nothing_is_known_of_an_empty_trigger_and_yet_it_has_all_variables() -> None:
    assert defaults.of_run(Trigger(), "/w").keys() == defaults.of_run(TRIGGER, "/w").keys()


def test_what_is_told_at_the_start_has_no_value_before() -> None:
    variables = defaults.of_run(TRIGGER, "/vela/src")

    assert variables.keys().isdisjoint(defaults.TOLD)
    assert variables.keys().isdisjoint(defaults.OWN)
    assert "VELA_BUILD_STATUS" in defaults.TOLD


def test_an_action_is_split_from_its_event() -> None:
    variables = _of("pull_request:opened", request=REQUEST)

    assert (variables["VELA_BUILD_EVENT"], variables["VELA_BUILD_EVENT_ACTION"]) == ("pull_request", "opened")


def test_a_pull_request_tells_its_number_its_branches_and_its_fork() -> None:
    variables = _of("pull_request:opened", request=REQUEST)

    assert {name: value for name, value in variables.items() if "PULL_REQUEST" in name} == {
        "BUILD_PULL_REQUEST_NUMBER": "7",
        "VELA_BUILD_PULL_REQUEST": "7",
        "VELA_PULL_REQUEST": "7",
        "VELA_PULL_REQUEST_SOURCE": "topic",
        "VELA_PULL_REQUEST_TARGET": "main",
        "VELA_PULL_REQUEST_FORK": "true",
    }
    assert variables["VELA_BUILD_BASE_REF"] == "main"


def test_a_comment_on_a_pull_request_tells_all_but_the_fork() -> None:
    variables = _of("comment:created", request=REQUEST)

    assert variables["VELA_PULL_REQUEST"] == "7"
    assert "VELA_PULL_REQUEST_FORK" not in variables


def test_a_push_tells_of_no_pull_request() -> None:
    assert [name for name in _of("push", request=REQUEST) if "PULL_REQUEST" in name] == []


def test_a_deployment_tells_its_target_and_its_parameters() -> None:
    variables = _of("deployment:created", size="l")

    assert (variables["VELA_DEPLOYMENT"], variables["VELA_BUILD_TARGET"], variables["BUILD_TARGET"]) == (
        ("production",) * 3
    )
    assert variables["VELA_DEPLOYMENT_NUMBER"] == "9"
    assert (variables["DEPLOYMENT_PARAMETER_REGION"], variables["DEPLOYMENT_PARAMETER_SIZE"]) == ("eu", "l")
    assert [name for name in _of("push") if "DEPLOYMENT" in name] == []


@pytest.mark.parametrize(
    ("event", "ref", "tagged"),
    [
        ("tag", "refs/tags/v1", True),
        ("delete:tag", "", True),
        ("delete:branch", "", False),
        ("deployment:created", "refs/tags/v1", True),
        ("deployment:created", "refs/heads/main", False),
        ("push", "refs/heads/main", False),
    ],
)
def test_only_what_has_a_tag_tells_one(event: str, ref: str, *, tagged: bool) -> None:
    variables = _of(event, ref=ref)

    assert [variables.get(name) for name in ("VELA_BUILD_TAG", "BUILD_TAG")] == (["v1"] * 2 if tagged else [None] * 2)


def test_what_tells_containers_apart_is_all_that_the_list_of_it_names() -> None:
    step = defaults.of_step(stage="a", name="s", image="i")
    service = defaults.of_service(name="d", image="j")
    (stage,) = defaults.numbered([Stage(name="a", steps=(Step(name="s", image="i", environment=step),))])

    assert {*stage.steps[0].environment, *service} == set(defaults.OWN)
    assert (step["VELA_STEP_STAGE"], step["VELA_STEP_NAME"], step["VELA_STEP_IMAGE"]) == ("a", "s", "i")
    assert (service["VELA_SERVICE_NAME"], service["VELA_SERVICE_IMAGE"]) == ("d", "j")


def test_the_plan_carries_them_once_and_not_with_every_container() -> None:
    plan = plan_of("version: 1\nservices: [{name: d, image: i}]\nsteps: [{name: s, image: i}]", TRIGGER)

    assert plan.environment == defaults.of_run(TRIGGER, plan.workdir)
    assert plan.services[0].environment.keys() <= set(defaults.OWN)
    assert plan.stages[0].steps[0].environment.keys() <= set(defaults.OWN)
    assert (plan.outputs, plan.told) == ("/vela/outputs", defaults.TOLD)


def test_commands_see_them() -> None:
    plan = plan_of("version: 1\nsteps: [{name: s, image: i, commands: ['echo ${VELA_BUILD_COMMIT:0:2}']}]", TRIGGER)

    assert plan.stages[0].steps[0].commands == ("echo ab",)
