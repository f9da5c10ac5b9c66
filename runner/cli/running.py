"""Drives and shows a run of this process."""

import json

from runner.cli.beside import Beside, listed, worst
from runner.cli.console import give_up, mute, say
from runner.cli.exec_options import Ends
from runner.cli.exits import exit_code
from runner.cli.faces import showing
from runner.cli.interrupts import interrupts
from runner.cli.options import OutputFormat
from runner.cli.printer import Printer
from runner.cli.syntax import explain
from runner.diagnostics import redact_by
from runner.dispatch.orders import Order
from runner.dispatch.place import Local
from runner.dispatch.single import LocalRun
from runner.engine.events import Notice
from runner.engine.job import LookAround
from runner.engine.report import Report
from runner.errors import ExitCode
from runner.plan.status import Status
from runner.store.runs import Kinship


def drive(place: Local, reserved: str, order: Order, ends: Ends, kinship: Kinship | None) -> int:
    """Run what is ordered, under an id that its place has ``reserved``, and show it; return the exit code.

    Raises:
        InfrastructureError: the journal cannot be kept, or the output cannot be written.
    """
    look = ends.look
    beside = Beside()
    run = LocalRun(place, order, beside if ends.wait else None, kinship, reserved=reserved)
    with redact_by(run.redact), showing(look, run.plan, run.logs) as shown:
        beside.face = shown.child
        printer = Printer(run.logs, shown.face, closed=run.cancel)
        looking = _looking(place, printer, run) if ends.shell else None
        for name in run.unmasked:
            printer.observe(Notice(f"secret {name} is too short to be masked in logs"))
        with interrupts(lambda force: run.cancel(force=force), shown.say) as taken:
            try:
                document = run.drive(printer.observe, looking)
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


def _looking(place: Local, printer: Printer, run: LocalRun) -> LookAround:
    from runner.cli.failure_shell import FailureShell  # noqa: PLC0415 - hardly anybody looks around

    return FailureShell(place.backend, printer.suspended, lambda: run.cancelled)


def _document(output: OutputFormat, document: Report) -> None:
    if output is OutputFormat.JSON:
        say(json.dumps(document, indent=2))
