"""``runner compile``: the plan of a pipeline, and why what is not in it went."""

import json
import sys
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.choice import wanted
from runner.cli.console import say
from runner.cli.graph import GraphFormat, branches, draw
from runner.cli.groups import grouped
from runner.cli.trigger_options import given
from runner.dispatch.subject import Given, find_subject
from runner.dispatch.wanted import Wanted
from runner.errors import UsageError
from runner.plan import codec
from runner.plan.model import Plan, PullPolicy, Stage, Step

_PARAMETER = "PARAMETER_"


@grouped(given=given, wanted=wanted)
def compile_command(
    given: Given,
    wanted: Wanted,
    *,
    file: options.PipelineFile = None,
    output: options.Output = options.OutputFormat.TEXT,
    graph: Annotated[GraphFormat | None, typer.Option("--graph", help="Draw the stages and their needs.")] = None,
) -> None:
    """Show what would run, and why the rest would not."""
    if graph and output is not options.OutputFormat.TEXT:
        raise UsageError(f"--graph and --output {output} exclude each other", hint="leave out one of them")
    if output is options.OutputFormat.EVENTS:
        raise UsageError("nothing happens while a pipeline is compiled, so there are no events", hint="--output json")
    subject = find_subject(file, given)
    plan = wanted.plan(subject)
    if graph:
        say("\n".join((subject.describe(), *plan.warnings)), err=True)  # stdout may go to a program that draws
        say(draw(plan, graph, encoding=sys.stdout.encoding))
    elif output is options.OutputFormat.TEXT:
        say("\n".join((subject.describe(), *describe(plan))))
    else:
        say(json.dumps(codec.to_document(plan), indent=2))


def describe(plan: Plan) -> list[str]:
    """Return the plan as lines for people."""
    lines = list(plan.warnings)
    for origin in plan.origins:
        lines += _describe_step(origin, "plugin for secrets")
    lines += [f"service {service.name}: {service.image}" for service in plan.services]
    for stage in (*plan.stages, *plan.async_stages):
        lines += _describe_stage(plan, stage)
    lines += [
        f"pruned {'stage ' + gone.stage if not gone.step else 'step ' + gone.stage + '/' + gone.step}: {gone.why}"
        for gone in plan.pruned
    ]
    return lines if plan.stages else [*lines, "nothing to run"]


def _describe_stage(plan: Plan, stage: Stage) -> list[str]:
    notes = (
        *((f"needs {', '.join(stage.needs)}",) if stage.needs else ()),
        *(("independent",) if stage.independent else ()),
        *branches(plan, stage),
    )
    lines = [", ".join((f"{'async ' if stage.async_ else ''}stage {stage.name}", *notes))]
    lines += [f"  fails: {stage.fault}"] if stage.fault else []
    return lines + [f"  {line}" for step in stage.steps for line in _describe_step(step, "step")]


def _describe_step(step: Step, kind: str) -> list[str]:
    """Return what a step runs: its commands, or what a plugin is given."""
    notes = (
        f"skipped: {step.skip}" if step.skip else "",
        "decides about its stage" if step.evaluates else "",
        "detached" if step.detach else "",
        f"pull {step.pull}" if step.pull is not PullPolicy.NOT_PRESENT else "",
        f"with the secrets {', '.join(use.source for use in step.secrets)}" if step.secrets else "",
    )
    told = "; ".join(note for note in notes if note)
    plugin = not (step.commands or step.script)
    given = [name for name in sorted(step.environment) if name.startswith(_PARAMETER)] if plugin else []
    return [
        f"{kind} {step.name}: {step.image}" + (f" ({told})" if told else ""),
        *(f"  $ {line}" for command in step.commands for line in command.splitlines()),
        *(f"  {line}" for line in step.script.splitlines()),
        *(f"  {name.removeprefix(_PARAMETER).lower()}: {step.environment[name]}" for name in given),
    ]
