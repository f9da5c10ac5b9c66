"""``runner compile``: the plan of a pipeline, and why what is not in it went."""

import json

from runner.cli import options
from runner.cli.console import say
from runner.cli.trigger import Given, find_trigger
from runner.cli.trigger_options import with_trigger
from runner.dialects.text import to_plan
from runner.errors import UsageError
from runner.plan import codec
from runner.plan.model import Plan, Stage


@with_trigger
def compile_command(
    given: Given,
    *,
    file: options.PipelineFile = None,
    dialect: options.DialectName = "",
    strict: options.Strict = False,
    output: options.Output = options.OutputFormat.TEXT,
) -> None:
    """Show what would run, and why the rest would not."""
    if output is options.OutputFormat.EVENTS:
        raise UsageError("nothing happens while a pipeline is compiled, so there are no events", hint="--output json")
    trigger = find_trigger(file, given)
    plan = to_plan(trigger.content, str(trigger.file), trigger.facts, dialect=dialect, strict=strict)
    if output is options.OutputFormat.TEXT:
        say("\n".join((trigger.describe(), *describe(plan))))
    else:
        say(json.dumps(codec.to_document(plan), indent=2))


def describe(plan: Plan) -> list[str]:
    """Return the plan as lines for people."""
    lines = list(plan.warnings)
    lines += [f"service {service.name}: {service.image}" for service in plan.services]
    for stage in plan.stages:
        lines += _describe_stage(stage)
    lines += [
        f"pruned {'stage ' + gone.stage if not gone.step else 'step ' + gone.stage + '/' + gone.step}: {gone.why}"
        for gone in plan.pruned
    ]
    return lines if plan.stages else [*lines, "nothing to run"]


def _describe_stage(stage: Stage) -> list[str]:
    needs = f", needs {', '.join(stage.needs)}" if stage.needs else ""
    alone = ", independent" if stage.independent else ""
    lines = [f"stage {stage.name}{needs}{alone}"]
    for step in stage.steps:
        kind = " (detached)" if step.detach else ""
        lines.append(f"  step {step.name}{kind}: {step.image}")
        lines += [f"    $ {line}" for command in step.commands for line in command.splitlines()]
    return lines
