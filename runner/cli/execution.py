"""Drives and shows the run that ``runner exec`` is asked for."""

import json

from runner.cli.beside import Beside, listed, worst
from runner.cli.compile import describe
from runner.cli.console import give_up, mute, say
from runner.cli.exec_options import Ends
from runner.cli.exits import exit_code, nothing_to_run
from runner.cli.faces import showing
from runner.cli.failure_shell import FailureShell
from runner.cli.interrupts import interrupts
from runner.cli.options import OutputFormat
from runner.cli.printer import Printer
from runner.cli.syntax import explain
from runner.diagnostics import redact_by
from runner.dispatch.orders import Order
from runner.dispatch.single import LocalRun, local
from runner.engine.events import Notice
from runner.engine.report import Report
from runner.errors import ExitCode
from runner.plan.status import Status
from runner.settings import Settings
from runner.store.runs import Kinship


def execute(about: str, order: Order, ends: Ends, kinship: Kinship | None = None) -> int:
    """Run what is ordered, if that is anything, and show it; return the exit code. ``about`` says what it is.

    Raises:
        UsageError: a setting cannot be read.
        InfrastructureError: no engine answers, the journal cannot be kept, or the output cannot be written.
    """
    plan, look = order.plan, ends.look
    if not plan.stages:
        look.say(about, *describe(plan))
        _document(look.output, nothing_to_run(plan))
        return ExitCode.SUCCESS
    look.say(about, *plan.warnings)
    with local(Settings.read()) as place:
        beside = Beside()
        run = LocalRun(place, order, beside if ends.wait else None, kinship)
        with redact_by(run.redact), showing(look, run.plan, run.logs) as shown:
            beside.face = shown.child
            printer = Printer(run.logs, shown.face, closed=run.cancel)
            looking = FailureShell(place.backend, printer.suspended, lambda: run.cancelled)
            for name in run.unmasked:
                printer.observe(Notice(f"secret {name} is too short to be masked in logs"))
            with interrupts(lambda force: run.cancel(force=force), shown.say) as taken:
                try:
                    document = run.drive(printer.observe, looking if ends.shell else None)
                    run.family.wait()
                finally:
                    printer.finish()
    if printer.failure is not None:
        mute(printer.failure)
        return taken.exit_code or give_up(printer.failure)
    children = document["children"] = run.family.reports()
    look.say(*(f"note: {line}" for line in explain(run.plan, document)), *listed(children))
    if document["run"]["status"] == Status.PAUSED:
        look.say("note: exec keeps nothing to go on with; a run of the daemon (`runner submit`) can be resumed")
    _document(look.output, document)
    code = exit_code(document["run"]["status"])
    return taken.exit_code or code or (worst(children) if ends.wait and not ends.ignore_children else ExitCode.SUCCESS)


def _document(output: OutputFormat, document: Report) -> None:
    if output is OutputFormat.JSON:
        say(json.dumps(document, indent=2))
