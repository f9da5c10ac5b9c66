"""Plans of executions in few words: steps that return something, and stages that need each other's success.

What a step prints (``text``) and returns may be references, as in a file.
"""

from collections.abc import Iterable
from typing import Any

from runner.plan.model import BlockedBy, Fork, Json, Plan, Stage, Step
from tests.support.plans import FACTS, step


def task(  # noqa: PLR0913 - what a fake step does, by name
    path: str,
    exit_code: int = 0,
    *,
    returns: str = "",
    wish: str = "",
    global_: str = "",
    link: str = "",
    named: str = "",
    **options: Any,  # noqa: ANN401 - those of `step`
) -> Step:
    """Return the step ``pipeline/id``; ``returns`` is JSON or text, the others are ``NAME=VALUE``."""
    pipeline, _, name = path.rpartition("/")
    told = {
        "FAKE_SET_RETURN": returns,
        "FAKE_WISH": wish,
        "FAKE_SET_GLOBAL": global_,
        "FAKE_SET_LINK": link,
        "FAKE_SET_ENV": named,
    }
    fake = {name: value for name, value in told.items() if value} | dict(options.pop("fake", {}))
    return step(path, exit_code, pipeline=pipeline or "p", id=name, fake=fake, **options)


def execution(name: str, *steps: Step, parents: Iterable[str] = (), **fields: Any) -> Stage:  # noqa: ANN401 - of `Stage`
    """Return a stage by the rules of Metalus."""
    fields.setdefault("blocked_by", BlockedBy.NEEDS)
    return Stage(name=name, steps=steps, needs=tuple(parents), independent=True, **fields)


def fork(
    name: str,
    *steps: Step,
    over: Json,
    inside: Iterable[str] = (),
    limit: int = 0,
    **fields: Any,  # noqa: ANN401 - those of `Stage`
) -> Stage:
    """Return a stage that runs once for each value, and the stages ``inside`` with it."""
    return execution(name, *steps, fork=Fork(values=over, stages=tuple(inside), limit=limit), **fields)


def executions(*stages: Stage, **fields: Any) -> Plan:  # noqa: ANN401 - those of `Plan`
    """Return a plan of executions."""
    return Plan(dialect="metalus", stages=stages, facts=FACTS, mapped=True, **fields)
