"""Plans in few words, for tests: each step says at once what a real container and what a fake one does.

So one plan runs on every backend: ``commands`` are for a shell, the ``FAKE_*`` variables for ``runner.backends.fake``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from runner.plan.model import Facts, Plan, Rules, Ruleset, Service, Stage, Step

IMAGE = "busybox:local"
FACTS = Facts(branch="main", event="push", repo="octocat/hello-world")


def behaviour(*, exit_code: int = 0, seconds: float = 0.0, text: str = "") -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the commands and the variables of something that prints, lasts and ends as told."""
    commands = [f"echo '{text}'"] * bool(text) + [f"sleep {seconds:g}"] * bool(seconds) + [f"exit {exit_code}"]
    environment = {"FAKE_EXIT": str(exit_code), "FAKE_SECONDS": str(seconds)} | ({"FAKE_PRINT": text} if text else {})
    return tuple(commands), environment


def step(  # noqa: PLR0913 - each key of a step, by name
    name: str,
    exit_code: int = 0,
    *,
    seconds: float = 0.0,
    text: str = "",
    status: Iterable[str] = (),
    unless_status: Iterable[str] = (),
    proceed: bool = False,
    fake: Mapping[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - the fields of `Step`, which checks them
) -> Step:
    """Return a step; ``status`` is its rule on the status, ``fake`` more variables, ``fields`` those of ``Step``."""
    commands, environment = behaviour(exit_code=exit_code, seconds=seconds, text=text)
    ruleset = Ruleset(if_=Rules(status=tuple(status)), unless=Rules(status=tuple(unless_status)), proceed=proceed)
    fields.setdefault("image", IMAGE)
    return Step(name=name, commands=commands, environment=environment | dict(fake or {}), ruleset=ruleset, **fields)


def hanging(name: str, **fields: Any) -> Step:  # noqa: ANN401 - as `step`
    """Return a step that never ends by itself."""
    return step(name, seconds=3600, fake={"FAKE_HANG": "1"}, **fields)


def stubborn(name: str, **fields: Any) -> Step:  # noqa: ANN401 - as `step`
    """Return a step that only KILL ends."""
    return step(name, seconds=3600, fake={"FAKE_HANG": "1", "FAKE_IGNORE_TERM": "1"}, **fields)


def stage(name: str, *steps: Step, **fields: Any) -> Stage:  # noqa: ANN401 - the fields of `Stage`
    """Return a stage."""
    return Stage(name=name, steps=steps, **fields)


def service(name: str, *, fake: Mapping[str, str] | None = None, **fields: Any) -> Service:  # noqa: ANN401 - as `stage`
    """Return a service; unless told, one that never ends by itself."""
    environment = {"FAKE_HANG": "1"} if fake is None else dict(fake)
    fields.setdefault("image", IMAGE)
    return Service(name=name, environment=environment, **fields)


def plan(*stages: Stage, services: Iterable[Service] = (), **fields: Any) -> Plan:  # noqa: ANN401 - those of `Plan`
    """Return a plan of these stages."""
    return Plan(dialect="vela", stages=stages, services=tuple(services), facts=FACTS, **fields)


def steps_only(*steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - as `stage`
    """Return a plan of one stage ``s``."""
    return plan(stage("s", *steps, **fields))
