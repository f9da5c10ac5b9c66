"""Which secrets a plan uses."""

from runner.plan.model import Plan


def secrets_of(plan: Plan) -> tuple[str, ...]:
    """Return the names of the secrets that steps and plugins of a plan use, those of async stages too.

    One that nothing needs is not asked for.
    """
    stages = (*plan.stages, *plan.async_stages)
    steps = (*plan.origins, *(step for stage in stages for step in stage.steps))
    return tuple(dict.fromkeys(use.source for step in steps for use in step.secrets))
