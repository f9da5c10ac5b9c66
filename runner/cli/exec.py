"""``runner exec``: the whole pipeline, here and now."""

import json
import sys
from collections.abc import Iterable

import typer

from runner.cli import options
from runner.cli.compile import describe
from runner.cli.console import give_up, mute, say
from runner.cli.events import EventFace
from runner.cli.interrupts import interrupts
from runner.cli.options import OutputFormat
from runner.cli.plain import PlainFace
from runner.cli.printer import Face, Printer
from runner.cli.secrets import read_secrets, secrets_of
from runner.cli.trigger import Given, Trigger, find_trigger
from runner.cli.trigger_options import with_trigger
from runner.dialects.text import to_plan
from runner.dispatch.local import LocalRun, Order, local
from runner.engine.backend import Source, SourceMode
from runner.engine.events import Notice
from runner.engine.journal import Entry
from runner.engine.report import Report, report
from runner.engine.run import default_parallel
from runner.engine.state import RunState
from runner.errors import ExitCode, UsageError
from runner.naming import Address
from runner.plan.status import Status
from runner.settings import Settings

_EXIT_CODES = {
    Status.SUCCESS: ExitCode.SUCCESS,
    Status.FAILURE: ExitCode.FAILURE,
    Status.TIMEOUT: ExitCode.TIMEOUT,
    Status.CANCELLED: ExitCode.INTERRUPTED,
    Status.PAUSED: ExitCode.PAUSED,
}


@with_trigger
def exec_command(  # noqa: PLR0913 - one parameter an option
    given: Given,
    *,
    file: options.PipelineFile = None,
    source: options.SourceDirectory = None,
    env: options.Environment = None,
    secret: options.SecretOption = None,
    max_parallel: options.MaxParallel = None,
    bind: options.Bind = False,
    snapshot: options.Snapshot = False,
    export: options.Export = None,
    keep: options.Keep = False,
    dialect: options.DialectName = "",
    strict: options.Strict = False,
    output: options.Output = OutputFormat.TEXT,
) -> None:
    """Run a pipeline in containers, on a copy-on-write layer over the repository."""
    if bind and (snapshot or export):
        raise UsageError("--bind goes with neither --snapshot nor --export", hint="with --bind the source is written")
    mode = SourceMode.BIND if bind else SourceMode.SNAPSHOT if snapshot else SourceMode.LAYER
    trigger = find_trigger(file, given)
    root = source or trigger.checkout.root
    if export is not None and export.resolve() == root.resolve():
        raise UsageError("--export into the source itself would write what must not change", hint="use --bind")
    plan = to_plan(trigger.content, str(trigger.file), trigger.facts, dialect=dialect, strict=strict)
    order = Order(
        plan=plan,
        source=Source(path=root, mode=mode),
        environment=_variables(env or ()),
        secrets=read_secrets(secret or (), secrets_of(plan)) if plan.stages else {},
        max_parallel=max_parallel or default_parallel(),
        keep=keep,
        export=export,
    )
    raise typer.Exit(_execute(trigger, order, output))


def _execute(trigger: Trigger, order: Order, output: OutputFormat) -> int:
    plan = order.plan
    if not plan.stages:
        _say(output, trigger.describe(), *describe(plan))
        nothing = Entry(address=Address(""), status=Status.SKIPPED, at=0.0, reason="nothing to run")
        _document(output, report(RunState("", plan, [nothing])))
        return ExitCode.SUCCESS
    _say(output, trigger.describe(), *plan.warnings)
    with local(Settings.read()) as place:
        run = LocalRun(place, order)
        printer = Printer(run.logs, _face(output), closed=run.cancel)
        for name in run.unmasked:
            printer.observe(Notice(f"secret {name} is too short to be masked in logs"))
        with interrupts(lambda force: run.cancel(force=force)) as taken:
            try:
                document = run.drive(printer.observe)
            finally:
                printer.finish()
    if printer.failure is not None:
        mute(printer.failure)
        return taken.exit_code or give_up(printer.failure)
    _document(output, document)
    status = Status(document["run"]["status"])
    return taken.exit_code or _EXIT_CODES.get(status, ExitCode.INFRASTRUCTURE)


def _face(output: OutputFormat) -> Face:
    if output is OutputFormat.EVENTS:
        return EventFace(sys.stdout.buffer)
    stream = sys.stdout if output is OutputFormat.TEXT else sys.stderr
    return PlainFace(stream.buffer, terminal=stream.isatty())


def _say(output: OutputFormat, *lines: str) -> None:
    """Write lines for people: to stdout only where nothing else is expected there."""
    say("\n".join(lines), err=output is not OutputFormat.TEXT)


def _document(output: OutputFormat, document: Report) -> None:
    if output is OutputFormat.JSON:
        say(json.dumps(document, indent=2))


def _variables(texts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise UsageError(f"--env {text}: not a variable", hint="write NAME=VALUE")
        found[name] = value
    return found
