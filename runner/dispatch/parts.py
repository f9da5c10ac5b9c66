"""Which part of a run is meant: a stage of it, or a step of a stage."""

from runner.errors import NotFoundError, UsageError, quoted
from runner.naming import SERVICES
from runner.plan.model import Plan


def check_part(plan: Plan, stage: str, step: str) -> None:
    """See that a plan has them; an empty name means all.

    Raises:
        NotFoundError: there is no such stage, or no such step of it; the hint says what there is.
        UsageError: a step without its stage.
    """
    steps = {each.name: [step.name for step in each.steps] for each in plan.stages}
    steps[SERVICES] = [service.name for service in plan.services]
    if stage and stage not in steps:
        raise NotFoundError(f"there is no stage {quoted(stage)}", hint=f"there are {', '.join(steps)}")
    if step and not stage:
        raise UsageError(f"step {quoted(step)}: of which stage?", hint=f"there are {', '.join(steps)}")
    if step and step not in steps[stage]:
        raise NotFoundError(f"stage {stage} has no step {quoted(step)}", hint=f"it has {', '.join(steps[stage])}")
