"""The variables that every container of a Vela pipeline gets: why it runs, and what it is.

The names are those of go-vela/server ``compiler/native/environment.go`` and ``api/types/{build,repo,user,step}.go``,
less those that only a server has a value for; ``BUILD_*`` and ``REPOSITORY_*`` are Vela's older names of some.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

from runner import __version__
from runner.plan.model import Stage, Step, Told
from runner.plan.trigger import Trigger

HOME: Final = "/vela"
WORKDIR: Final = f"{HOME}/src"
OUTPUTS: Final = f"{HOME}/outputs"
OUTPUT_FILES: Final = {
    "VELA_OUTPUTS": f"{OUTPUTS}/.env",
    "VELA_MASKED_OUTPUTS": f"{OUTPUTS}/masked.env",
    "VELA_BASE64_OUTPUTS": f"{OUTPUTS}/base64.env",
    "VELA_MASKED_BASE64_OUTPUTS": f"{OUTPUTS}/masked.base64.env",
}
TOLD: Final[Mapping[str, Told]] = {
    "VELA_BUILD_STATUS": Told.RUN_STATUS,
    "BUILD_STATUS": Told.RUN_STATUS,
    **dict.fromkeys(("VELA_BUILD_CREATED", "VELA_BUILD_ENQUEUED", "VELA_BUILD_STARTED"), Told.RUN_STARTED),
    **dict.fromkeys(("BUILD_CREATED", "BUILD_ENQUEUED", "BUILD_STARTED"), Told.RUN_STARTED),
    **dict.fromkeys(("VELA_STEP_CREATED", "VELA_STEP_STARTED"), Told.STEP_STARTED),
}
"""Those whose values are known only when a step starts."""
OWN: Final = (
    *("VELA_STEP_STAGE", "VELA_STEP_NAME", "VELA_STEP_IMAGE", "VELA_STEP_NUMBER"),
    *("VELA_SERVICE_NAME", "VELA_SERVICE_IMAGE"),
)
"""Those that tell one container from another."""

_PLACE: Final = {"DISTRIBUTION": "linux", "HOST": "localhost", "RUNTIME": "docker"}
_STARTING: Final = {"STATUS": "running", "EXIT_CODE": "0", **_PLACE}
_ONLY_NEW: Final = frozenset(("EVENT_ACTION", "RUNTIME", "DISTRIBUTION"))
_NUMBER: Final = "1"


def numbered(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the stages with the number of each step, counted through all of them from 1."""
    numbers = count(1)
    return tuple(
        replace(stage, steps=tuple(_numbered(step, next(numbers)) for step in stage.steps)) for stage in stages
    )


def _numbered(step: Step, number: int) -> Step:
    return replace(step, environment={**step.environment, "VELA_STEP_NUMBER": str(number)})


def of_run(trigger: Trigger, workspace: str) -> dict[str, str]:
    """Return what is the same for all containers of a run; ``workspace`` is where steps begin."""
    build, repo = _build(trigger, workspace), _repository(trigger)
    return {
        "VELA": "true",
        "CI": "true",
        "VELA_VERSION": __version__,
        "VELA_WORKSPACE": workspace,
        **{f"VELA_{name}": value for name, value in _PLACE.items()},
        "VELA_SOURCE": trigger.repository.link,
        **{f"VELA_BUILD_{name}": value for name, value in build.items()},
        **{f"BUILD_{name}": value for name, value in build.items() if name not in _ONLY_NEW},
        **{f"VELA_REPO_{name}": value for name, value in repo.items()},
        **{f"REPOSITORY_{name}": value for name, value in repo.items() if name not in ("OWNER", "PIPELINE_TYPE")},
        **_by_event(trigger),
        **{f"VELA_{kind}_{name}": value for kind in ("STEP", "SERVICE") for name, value in _STARTING.items()},
        "VELA_USER_ACTIVE": "true",
        "VELA_USER_ADMIN": "false",
        "VELA_USER_NAME": trigger.facts.sender,
        **OUTPUT_FILES,
    }


def of_step(*, stage: str, name: str, image: str) -> dict[str, str]:
    """Return what tells one step from another."""
    return {"VELA_STEP_STAGE": stage, "VELA_STEP_NAME": name, "VELA_STEP_IMAGE": image}


def of_service(*, name: str, image: str) -> dict[str, str]:
    """Return what tells one service from another."""
    return {"VELA_SERVICE_NAME": name, "VELA_SERVICE_IMAGE": image}


def _build(trigger: Trigger, workspace: str) -> dict[str, str]:
    facts, commit = trigger.facts, trigger.commit
    event, _, action = facts.event.partition(":")
    return {
        "AUTHOR": commit.author,
        "AUTHOR_EMAIL": commit.email,
        "BASE_REF": trigger.pull_request.target if trigger.pull_request else "",
        "BRANCH": facts.branch,
        "CLONE": trigger.repository.clone,
        "COMMIT": commit.sha,
        "EVENT": event,
        "EVENT_ACTION": action,
        "LINK": trigger.repository.link,
        "MESSAGE": commit.message,
        "NUMBER": _NUMBER,
        "PARENT": commit.parent,
        "REF": trigger.ref,
        "SENDER": facts.sender,
        "SOURCE": trigger.repository.link,
        "TITLE": commit.title,
        "WORKSPACE": workspace,
        **_PLACE,
    }


def _repository(trigger: Trigger) -> dict[str, str]:
    repository = trigger.repository
    org, _, name = repository.name.rpartition("/")
    return {
        "ACTIVE": "true",
        "BRANCH": repository.branch,
        "CLONE": repository.clone,
        "FULL_NAME": repository.name,
        "LINK": repository.link,
        "NAME": name,
        "ORG": org,
        "OWNER": org,
        "PIPELINE_TYPE": "yaml",
        "PRIVATE": "false",
        "TIMEOUT": "0",
        "TRUSTED": "false",
        "VISIBILITY": "public",
    }


def _by_event(trigger: Trigger) -> dict[str, str]:
    """Return what only builds of some events have."""
    facts, request = trigger.facts, trigger.pull_request
    event = facts.event.partition(":")[0]
    found: dict[str, str] = {}
    if request and event in ("pull_request", "comment"):
        found["BUILD_PULL_REQUEST_NUMBER"] = found["VELA_BUILD_PULL_REQUEST"] = request.number
        found["VELA_PULL_REQUEST"] = request.number
        found["VELA_PULL_REQUEST_SOURCE"] = request.source
        found["VELA_PULL_REQUEST_TARGET"] = request.target
    if request and event == "pull_request":
        found["VELA_PULL_REQUEST_FORK"] = str(request.fork).lower()
    if event == "deployment":
        found["VELA_BUILD_TARGET"] = found["VELA_DEPLOYMENT"] = found["BUILD_TARGET"] = facts.target
        found["VELA_DEPLOYMENT_NUMBER"] = trigger.deployment
        found |= {f"DEPLOYMENT_PARAMETER_{name.upper()}": value for name, value in trigger.parameters.items()}
    tagged = event == "tag" or facts.event == "delete:tag"
    if tagged or (event == "deployment" and trigger.ref.startswith("refs/tags/")):
        found["VELA_BUILD_TAG"] = found["BUILD_TAG"] = facts.tag
    return found
