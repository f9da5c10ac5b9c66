"""Which part of a run is meant: a stage of it, or a step of a stage."""

import re
from collections.abc import Iterable
from typing import Final

from runner.errors import NotFoundError, UsageError, quoted
from runner.naming import SERVICES
from runner.plan.model import Plan

_INDICES: Final = re.compile(r"(\[[0-9]+\])*")


def is_of(name: str, stage: str) -> bool:
    """Whether a name is that of a stage, or of a branch of it."""
    return name.startswith(stage) and _INDICES.fullmatch(name, len(stage)) is not None


def steps_of(plan: Plan) -> dict[str, list[str]]:
    """Return the names of the steps of each stage, and of the services."""
    steps = {stage.name: [step.name for step in stage.steps] for stage in plan.stages}
    return {**steps, SERVICES: [service.name for service in plan.services]}


def check_part(steps: dict[str, list[str]], stage: str, step: str) -> None:
    """See that a run has them, by the names of its ``steps``; an empty name means all, that of a fork all its branches.

    Raises:
        NotFoundError: there is no such stage, or no such step of it; the hint says what there is.
        UsageError: a step without its stage.
    """
    found = [name for name in steps if is_of(name, stage)] if stage else []
    if stage and not found:
        raise NotFoundError(f"there is no stage {quoted(stage)}", hint=f"there are {_listed(steps)}")
    if step and not stage:
        raise UsageError(f"step {quoted(step)}: of which stage?", hint=f"there are {_listed(steps)}")
    known = [each for name in found for each in steps[name]]
    if step and step not in known:
        raise NotFoundError(f"stage {stage} has no step {quoted(step)}", hint=f"it has {_listed(known)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
